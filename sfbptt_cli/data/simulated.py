"""Simulated datasets, cached on disk under a key of everything that decides them."""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli import systems
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.errors import lookup

# Raised when the same settings give other numbers than before.
_CACHE_VERSION = 1


def simulate_dataset(
    name: str,
    system: str,
    parameters: Mapping[str, float],
    dt: float,
    train_steps: int,
    test_steps: int,
    floor_trajectories: int,
    transient: int,
    seed: int,
    scaling: str,
    rtol: float,
    atol: float,
    lambda_max: float | None,
) -> Dataset:
    """Independent trajectories of a system: training, test, and several for the metric floors.

    One trajectory is not enough for a floor: of seven pairs of true Lorenz trajectories, 100,000
    steps each, D_stsp varied from .033 to .107.

    Each starts at random (seeded) around the system's start and runs `transient`
    steps before the first kept one. `scaling='common'` maps every value x to (x − m) / s with one
    scalar mean m and standard deviation s over all variables of the training trajectory, as in
    the files of Mikhaeil et al. (2022). `lambda_max` (per time unit) replaces the published value.

    Raises RequestError for an unknown system or parameter.
    """
    equations = lookup(systems.SYSTEMS, system, "dataset.system")
    complete = systems.complete_parameters(system, parameters)
    settings = {
        "version": _CACHE_VERSION,
        "system": system,
        # The equations, too, so that an edited system is not served its former self.
        "equations": inspect.getsource(equations.derivative),
        "start": [list(equations.start), list(equations.spread)],
        "parameters": complete,
        "dt": dt,
        "steps": [train_steps, test_steps, *[test_steps] * floor_trajectories],
        "transient": transient,
        "seed": seed,
        "rtol": rtol,
        "atol": atol,
    }
    train, test, independent = _cached(settings)
    if scaling == "common":
        mean, std = train.mean(), train.std()
        train, test, independent = ((x - mean) / std for x in (train, test, independent))
    known = systems.known_exponent(system, complete)
    source = "not known for these parameters" if known is None else known.source
    if lambda_max is not None:
        source = "dataset.lambda_max"
    elif known is not None:
        lambda_max = known.value
    return Dataset(
        name=name,
        train=train,
        test=test,
        independent=independent,
        variables=equations.variables,
        dt=dt,
        time_unit="time units",
        lambda_max=lambda_max,
        lambda_source=source,
    )


def _simulate(settings: dict[str, Any]) -> list[NDArray[np.float64]]:
    equations = systems.SYSTEMS[settings["system"]]
    start, spread = np.array(equations.start), np.array(equations.spread)
    generator = np.random.default_rng(settings["seed"])
    return [
        systems.integrate(
            settings["system"],
            settings["parameters"],
            start + spread * generator.standard_normal(start.shape),
            settings["transient"],
            steps,
            settings["dt"],
            settings["rtol"],
            settings["atol"],
        )
        for steps in settings["steps"]
    ]


def cache_folder() -> Path:
    """$SFBPTT_CACHE, or `sfbptt` in the user's cache folder."""
    if folder := os.environ.get("SFBPTT_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sfbptt"


def _cached(settings: dict[str, Any]) -> list[NDArray[np.float64]]:
    from sfbptt_cli.storage.atomic import replacing

    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / f"{settings['system']}-{key}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Runs of a sweep that start together wait here for the first one's result.
    with _locked(path.with_suffix(".lock")):
        if path.exists():
            # A damaged file, which may raise anything, is simulated again and replaced.
            with suppress(Exception), path.open("rb") as file, np.load(file) as stored:
                return [stored[part] for part in ("train", "test", "independent")]
        train, test, *independent = _simulate(settings)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, train=train, test=test, independent=np.stack(independent))
    return [train, test, np.stack(independent)]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The kernel drops the lock when its process ends, however it ends.
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
