"""Simulated datasets, cached on disk under a key of everything that decides them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.cache import cached
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.observation import (
    Observation,
    add_noise,
    choose_variables,
    observe,
    settle_delays,
)
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.stochastic import integrate_noisy
from sfbptt_cli.systems.system import System, Times, complete_parameters, known_exponent

Array = NDArray[np.float64]

# Raised when the same settings give other numbers than before.
_CACHE_VERSION = 1
# Observations a period, where dt is left to the system.
_PER_PERIOD = 100


def simulate_dataset(config: SimulatedSettings) -> Dataset:
    """Independent trajectories of a system: training, test, and several for the metric floors.

    One trajectory is not enough for a floor: of seven pairs of true Lorenz trajectories, 100,000
    steps each, D_stsp varied from 0.033 to 0.107.

    Each starts at random (seeded) around the system's start and runs `transient` steps before the
    first kept one. `scaling='common'` maps every value x to (x − m) / s with one scalar mean m and
    standard deviation s over all variables of the training trajectory, as in the files of Mikhaeil
    et al. (2022). `dt` None is a hundredth of the period that dysts states. Delay vectors leave the
    lengths as they are: the trajectories run as much longer. What is observed: `observation.py`;
    `process_noise`: `_with_process_noise`. λ_max stays None, as data know no exponents.

    Raises RequestError for an unknown system, parameter or variable, and for process noise on a
    delay equation or an unbounded variable; RunFailed where the system cannot be integrated.
    """
    equations = find_system(config.system, config.library)
    complete = complete_parameters(equations, config.parameters)
    clean = _definition(equations, complete, config)
    observation = Observation(
        observed=config.observed,
        lag=config.lag,
        dimension=config.dimension,
        noise=config.observation_noise,
        scaling=config.scaling,
        seed=config.seed,
    )
    chosen = choose_variables(observation, equations.variables)
    _require_noise_possible(equations, config.process_noise)

    def trajectories(more: int) -> list[Array]:
        longer = {**clean, "steps": [steps + more for steps in clean["steps"]]}
        return _trajectories(equations, longer, config.process_noise)

    lag, dimension, estimates = settle_delays(
        observation, len(chosen), lambda: add_noise(trajectories(0)[0][:, chosen], observation)
    )
    (train, test, *independent), variables, notes = observe(
        trajectories((dimension - 1) * lag), equations.variables, observation, lag, dimension
    )
    published = known_exponent(equations, complete)
    if config.process_noise:
        notes = (
            f"process noise of {config.process_noise:g} standard deviations a √time unit",
            *notes,
        )
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
        preprocessing=(*estimates, *notes),
    )


def _definition(
    system: System, parameters: dict[str, float], config: SimulatedSettings
) -> dict[str, Any]:
    """Everything that decides the trajectories without process noise."""
    return {
        "version": _CACHE_VERSION,
        "system": system.name,
        # The equations, too, so that an edited system is not served its former self.
        "equations": system.text(),
        "start": [list(system.start), list(system.spread)],
        "parameters": parameters,
        "dt": _interval(system, config.dt),
        "steps": [config.train_steps, *[config.test_steps] * (1 + config.floor_trajectories)],
        "transient": config.transient,
        "seed": config.seed,
        "rtol": config.rtol,
        "atol": config.atol,
    }


def _interval(system: System, dt: float | None) -> float:
    if dt is not None:
        return dt
    if system.period is None:
        raise RequestError("dataset.dt: null was given; accepted: a number above 0")
    return system.period / _PER_PERIOD


def _require_noise_possible(system: System, process_noise: float) -> None:
    if not process_noise:
        return
    reason = "has unbounded variables"
    if system.delay is not None or system.discrete:
        reason = "is a map" if system.discrete else "is a delay equation"
    if system.delay is not None or system.discrete or system.observe is not None:
        raise RequestError(
            f"dataset.process_noise: {process_noise} was given, and {system.name} {reason}; "
            "accepted: 0"
        )


def _trajectories(system: System, clean: dict[str, Any], process_noise: float) -> list[Array]:
    """The trajectories (steps, N) of training, test and floors, from the cache where it has them,
    with what is seen of an unbounded variable in its place."""
    states = _cached(system.name, clean, lambda: _simulate(system, clean))
    if process_noise:
        noisy = {**clean, "process_noise": process_noise}
        train = states[0]
        states = _cached(
            system.name, noisy, lambda: _with_process_noise(system, clean, process_noise, train)
        )
    if system.observe is None:
        return states
    return [system.observe(x.T, clean["parameters"]).T for x in states]


def _simulate(system: System, settings: dict[str, Any]) -> list[Array]:
    parameters, tolerances = settings["parameters"], (settings["rtol"], settings["atol"])
    return [
        integrate(
            system,
            parameters,
            start,
            Times(settings["transient"], steps, settings["dt"]),
            *tolerances,
        )
        for start, steps in zip(_starts(system, settings), settings["steps"], strict=True)
    ]


def _starts(system: System, settings: dict[str, Any]) -> Array:
    """(trajectory, N)"""
    generator = np.random.default_rng(settings["seed"])
    drawn = generator.standard_normal((len(settings["steps"]), len(system.start)))
    return np.array(system.start) + np.array(system.spread) * drawn


def _with_process_noise(
    system: System, settings: dict[str, Any], level: float, clean: Array
) -> list[Array]:
    """dx = f(x) dt + level · s dW, s the variables' standard deviations over the training
    trajectory without noise; every trajectory, in its transient, too.

    Variables whose start is never moved (spread 0), such as Duffing's drive, have none.
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


def _cached(
    name: str, settings: dict[str, Any], simulate: Callable[[], list[Array]]
) -> list[Array]:
    return cached(name, settings, ".npz", simulate, _write, _read)


def _write(path: Path, trajectories: list[Array]) -> None:
    train, test, *independent = trajectories
    with path.open("wb") as file:
        np.savez(file, train=train, test=test, independent=np.stack(independent))


def _read(path: Path) -> list[Array]:
    with path.open("rb") as file, np.load(file) as stored:
        return [stored["train"], stored["test"], *stored["independent"]]
