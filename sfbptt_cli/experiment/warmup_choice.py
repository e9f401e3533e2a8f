"""Choose the warm-up from the data."""

from __future__ import annotations

from pathlib import Path

from sfbptt_cli.common.cache import cached, read_json, write_json
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.determinism import Determinism, determinism
from sfbptt_cli.data.settings import DatasetSettings, SimulatedSettings
from sfbptt_cli.systems.catalogue import find_system

# Raised when the same data give another warm-up than before.
_VERSION = 2
# Of data that are too short to tell.
_USUAL = 20
COMPLETE = 0, "simulated data, complete and free of noise"


def suggested_warmup(described: DatasetSettings, dataset: Dataset) -> tuple[int, str]:
    """Return a number of steps, and the reason.

    0 for simulated data that are complete and free of noise, and wherever one observation tells as
    much of what comes next as any past does; else what `determinism` finds in the training part,
    once for the same data.
    """
    if is_complete(described):
        return COMPLETE
    return cached(
        "warmup",
        {"version": _VERSION, "data": dataset.fingerprint()},
        ".json",
        lambda: _of_data(dataset),
        write_json,
        _read,
    )


def _of_data(dataset: Dataset) -> tuple[int, str]:
    return warmup_of(determinism([dataset.train[rows] for rows in dataset.trajectories]))


def warmup_of(found: Determinism | None) -> tuple[int, str]:
    """Return the warm-up that suits what was found in the data, and the reason."""
    if found is None:
        return _USUAL, "the usual one, as the data are too short to tell"
    if not found.warmup:
        return 0, "one observation tells as much of what comes next as any past does"
    return found.warmup, (
        f"{found.memory + 1} observations predict what comes next to {found.errors[-1].max():.2g} "
        f"of its variance, one alone to {found.errors[0].max():.2g}"
    )


def _read(path: Path) -> tuple[int, str]:
    warmup, reason = read_json(path)
    if type(warmup) is not int or warmup < 0 or type(reason) is not str:
        raise ValueError("no warm-up and reason")
    return warmup, reason


def is_complete(described: DatasetSettings) -> bool:
    """Whether one observation is a state: every variable of an equation without delay or noise."""
    if not isinstance(described, SimulatedSettings):
        return False
    system = find_system(described.system, described.library)
    seen = described.observed is None or set(described.observed) == set(system.variables)
    noisy = described.observation_noise or described.process_noise
    return seen and not noisy and system.delay is None
