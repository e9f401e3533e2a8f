"""From the states of a system to what is observed of it: some variables, noise, delays, scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.data.embedding import delay_embed, delay_names, estimate_dimension, estimate_lag

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """What is observed of trajectories (T, N), the first of which trains."""

    observed: Sequence[str] | None = None  # None: all variables
    lag: int | str = 1  # between two delays, samples, or auto
    dimension: int | str = 1  # delays of each observed variable, or auto; 1: no embedding
    # Standard deviation of the noise, in standard deviations of the variable over the training
    # trajectory without noise.
    noise: float = 0.0
    scaling: str = "none"  # common: one mean and one scale for all variables together
    seed: int = 0  # of the noise


def choose_variables(observation: Observation, variables: Sequence[str]) -> list[int]:
    """Places of the observed variables. RequestError for one that is unknown or named twice."""
    observed = variables if observation.observed is None else observation.observed
    for name in observed:
        if name not in variables:
            raise RequestError(
                f"dataset.observed: '{name}' is no variable; accepted: {choices(variables)}"
                f"{nearest(name, variables)}"
            )
    if len(set(observed)) < len(observed):
        raise RequestError("dataset.observed: a variable stands twice; accepted: different ones")
    return [variables.index(name) for name in observed]


def settle_delays(
    observation: Observation, count: int, training: Callable[[], Array]
) -> tuple[int, int, tuple[str, ...]]:
    """Lag and dimension, and sentences on what `auto` found in the training trajectory (T, 1).

    RequestError for `auto` and several observed variables (`count`), or where there is no lag.
    """
    lag, dimension = observation.lag, observation.dimension
    if dimension == 1:
        return 1, 1, ()
    if "auto" in (lag, dimension) and count > 1:
        wrong = "lag" if lag == "auto" else "dimension"
        raise RequestError(
            f"dataset.{wrong}: auto was given for {count} variables; "
            "accepted: a number, or one observed variable"
        )
    notes = []
    if lag == "auto":
        lag, criterion = estimate_lag(training()[:, 0])
        notes.append(f"lag {lag} samples estimated from the training trajectory: {criterion}")
    if dimension == "auto":
        dimension, share = estimate_dimension(training()[:, 0], int(lag))
        notes.append(
            f"dimension {dimension} estimated from the training trajectory: "
            f"{100 * share:.1f}% false neighbours"
        )
    return int(lag), int(dimension), tuple(notes)


def add_noise(train: Array, observation: Observation) -> Array:
    """The training trajectory (T, N) with independent Gaussian noise on every value."""
    if not observation.noise:
        return train
    # A stream of its own: the starts of the trajectories are drawn from the seed itself.
    stream = np.random.SeedSequence(observation.seed, spawn_key=(1,))
    noise = np.random.default_rng(stream).standard_normal(train.shape)
    return train + observation.noise * train.std(axis=0) * noise


def observe(
    trajectories: Sequence[Array],
    variables: Sequence[str],
    observation: Observation,
    lag: int,
    dimension: int,
) -> tuple[list[Array], tuple[str, ...], tuple[str, ...]]:
    """Observations of the trajectories (T, N), names of their columns, and sentences on what was
    done: (T − (dimension − 1) lag, columns) each.

    In this order: the observed variables; noise, on the training trajectory alone; delay vectors;
    scale. The other trajectories stay without noise: what is to be reconstructed, and measured
    against, is the system, not its noise.
    """
    chosen = choose_variables(observation, variables)
    names = tuple(variables[i] for i in chosen)
    notes = []
    if len(names) < len(variables):
        notes.append(f"observed: {', '.join(names)} of {', '.join(variables)}")
    train, *others = (x[:, chosen] for x in trajectories)
    parts = [add_noise(train, observation), *others]
    if observation.noise:
        notes.append(
            f"noise of {observation.noise:g} standard deviations on the training trajectory"
        )
    if dimension > 1:
        parts = [delay_embed(part, lag, dimension) for part in parts]
        names = delay_names(names, lag, dimension)
        notes.append(f"{dimension} delays of {lag} samples")
    if observation.scaling == "common":
        mean, std = parts[0].mean(), parts[0].std()
        parts = [(x - mean) / std for x in parts]
        notes.append("one mean and one scale for all variables")
    return parts, names, tuple(notes)
