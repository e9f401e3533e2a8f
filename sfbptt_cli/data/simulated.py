"""Simulated datasets, cached on disk under a key of everything that decides them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.cache import cached
from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.data.dataset import Dataset, places_of
from sfbptt_cli.data.embedding import embed_parts, settle_delays
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.stochastic import integrate_noisy
from sfbptt_cli.systems.system import System, Times, complete_parameters, known_exponent

log = logging.getLogger("sfbptt")

Array = NDArray[np.float64]

# Raised when the same settings give other numbers than before.
_CACHE_VERSION = 1
# Of the distance between a start and the system's own, where the trajectory leaves the numbers.
_HALVINGS = 3
# Observations a period, where dt is left to the system.
_PER_PERIOD = 30


def simulate_dataset(config: SimulatedSettings) -> Dataset:
    """Simulate independent trajectories of a system: training, test, several for the metric floors.

    One trajectory is not enough for a floor: of seven pairs of true Lorenz trajectories, 100,000
    steps each, D_stsp varied from 0.033 to 0.107.

    Each starts at random (seeded) around the system's start, nearer to it where it leaves the
    numbers, and runs `transient` steps before the first kept one. Then, in this order:

    - The observed variables are chosen.
    - Noise is added to the training trajectory alone, as the others show the system that is to be
      reconstructed.
    - Delay vectors are formed. The trajectories run longer by their span, so the lengths stay.
    - `scaling='common'` maps every value x to (x − m) / s with one scalar mean m and standard
      deviation s over all variables of the training trajectory (Mikhaeil et al. 2022).

    `dt` None is a thirtieth of the period that dysts states. λ_max stays None, as data know no
    exponents.

    Raises RequestError for an unknown system, parameter or variable, and for process noise on a
    delay equation or an unbounded variable; RunFailed if the system cannot be integrated.
    """
    system = find_system(config.system, config.library)
    parameters = complete_parameters(system, config.parameters)
    clean = _definition(system, parameters, config)
    names = tuple(system.variables if config.observed is None else config.observed)
    chosen = places_of(names, system.variables, "dataset.observed")
    _require_noise_possible(system, config.process_noise)

    def observations(more: int) -> list[Array]:
        longer = {**clean, "steps": [steps + more for steps in clean["steps"]]}
        states = _trajectories(system, longer, config.process_noise)
        train, *others = (x[:, chosen] for x in states)
        return [_with_observation_noise(train, config), *others]

    lag, dimension, notes = settle_delays(config, names, lambda: observations(0)[0])
    parts, variables, delays = embed_parts(
        observations((dimension - 1) * lag), names, lag, dimension
    )
    if config.process_noise:
        notes.append(f"process noise of {config.process_noise:g} standard deviations a √time unit")
    if len(names) < len(system.variables):
        notes.append(f"observed: {', '.join(names)} of {', '.join(system.variables)}")
    if level := config.observation_noise:
        notes.append(f"noise of {level:g} standard deviations on the training trajectory")
    notes += delays
    if config.scaling == "common":
        mean, std = parts[0].mean(), parts[0].std()
        parts = [(x - mean) / std for x in parts]
        notes.append("one mean and one scale for all variables")
    train, test, *independent = parts
    published = known_exponent(system, parameters)
    return Dataset(
        name=config.name,
        train=train,
        test=test,
        independent=np.stack(independent),
        variables=variables,
        dt=clean["dt"],
        time_unit="time units",
        lambda_max=None,
        lambda_source="",
        dimension=None if published is None else published.dimension,
        preprocessing=tuple(notes),
    )


def _definition(
    system: System, parameters: dict[str, float], config: SimulatedSettings
) -> dict[str, Any]:
    """Return everything that decides the trajectories without process noise."""
    dt = config.dt
    if dt is None:
        if system.period is None:
            raise RequestError("dataset.dt: null was given; accepted: a number above 0")
        dt = system.period / _PER_PERIOD
    return {
        "version": _CACHE_VERSION,
        "system": system.name,
        # The equations, too, so that an edited system is not served its former self.
        "equations": system.text(),
        "start": [list(system.start), list(system.spread)],
        "parameters": parameters,
        "dt": dt,
        "steps": [config.train_steps, *[config.test_steps] * (1 + config.floor_trajectories)],
        "transient": config.transient,
        "seed": config.seed,
        "rtol": config.rtol,
        "atol": config.atol,
    }


def _require_noise_possible(system: System, process_noise: float) -> None:
    """Raise RequestError for process noise on a system that has no place for it."""
    obstacles = {
        "is a map": system.discrete,
        "is a delay equation": system.delay is not None,
        "has unbounded variables": system.observe is not None,
    }
    for reason, present in obstacles.items():
        if process_noise and present:
            raise RequestError(
                f"dataset.process_noise: {process_noise} was given, and {system.name} {reason}; "
                "accepted: 0"
            )


def _trajectories(system: System, clean: dict[str, Any], process_noise: float) -> list[Array]:
    """Return the trajectories (steps, N) of training, test and floors, from the cache if possible.

    What is seen of an unbounded variable is in its place.
    """

    def stored(settings: dict[str, Any], simulate: Callable[[], list[Array]]) -> list[Array]:
        return cached(system.name, settings, ".npz", simulate, _write, _read)

    states = stored(clean, lambda: _simulate(system, clean))
    if process_noise:
        noisy = {**clean, "process_noise": process_noise}
        train = states[0]
        states = stored(noisy, lambda: _with_process_noise(system, clean, process_noise, train))
    if system.observe is None:
        return states
    return [system.observe(x.T, clean["parameters"]).T for x in states]


def _simulate(system: System, settings: dict[str, Any]) -> list[Array]:
    """Integrate every trajectory; one whose start lies outside the basin starts halfway nearer."""
    parameters, tolerances = settings["parameters"], (settings["rtol"], settings["atol"])
    transient, dt, nearest = settings["transient"], settings["dt"], np.array(system.start)
    trajectories = []
    for start, steps in zip(_starts(system, settings), settings["steps"], strict=True):
        times = Times(transient, steps, dt)
        for halvings in range(_HALVINGS + 1):
            nearer = nearest + (start - nearest) / 2**halvings
            try:
                trajectories.append(integrate(system, parameters, nearer, times, *tolerances))
                if halvings:
                    log.info("%s: a start outside the basin was moved nearer", system.name)
                break
            except RunFailed:
                if halvings == _HALVINGS:
                    raise
    return trajectories


def _starts(system: System, settings: dict[str, Any]) -> Array:
    """Draw the start of each trajectory: (trajectory, N)."""
    generator = np.random.default_rng(settings["seed"])
    drawn = generator.standard_normal((len(settings["steps"]), len(system.start)))
    return np.array(system.start) + np.array(system.spread) * drawn


def _with_process_noise(
    system: System, settings: dict[str, Any], level: float, clean: Array
) -> list[Array]:
    """Integrate dx = f(x) dt + level · s dW for every trajectory, also in its transient.

    s are the standard deviations of the variables over the training trajectory without noise,
    `clean`. Variables whose start is never moved (spread 0), such as Duffing's drive, have none.
    """
    diffusion = np.where(np.array(system.spread) > 0, level * clean.std(axis=0), 0.0)
    stream = np.random.SeedSequence(settings["seed"], spawn_key=(2,))
    longest = Times(settings["transient"], max(settings["steps"]), settings["dt"])
    trajectories = integrate_noisy(
        system,
        settings["parameters"],
        _starts(system, settings),
        diffusion,
        clean,
        longest,
        np.random.default_rng(stream),
    )
    pairs = zip(trajectories, settings["steps"], strict=True)
    return [states[:steps].copy() for states, steps in pairs]


def _with_observation_noise(train: Array, config: SimulatedSettings) -> Array:
    """Add independent Gaussian noise to every value (T, N), as the settings describe it."""
    if not config.observation_noise:
        return train
    # A stream of its own: the starts of the trajectories are drawn from the seed itself.
    stream = np.random.SeedSequence(config.seed, spawn_key=(1,))
    noise = np.random.default_rng(stream).standard_normal(train.shape)
    return train + config.observation_noise * train.std(axis=0) * noise


def _write(path: Path, trajectories: list[Array]) -> None:
    train, test, *independent = trajectories
    with path.open("wb") as file:
        np.savez(file, train=train, test=test, independent=np.stack(independent))


def _read(path: Path) -> list[Array]:
    with path.open("rb") as file, np.load(file) as stored:
        return [stored["train"], stored["test"], *stored["independent"]]
