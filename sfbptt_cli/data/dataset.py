"""A dataset as training and evaluation see it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.errors import RequestError, choices, nearest

Array = NDArray[Any]

# Rows read at once where a series may be memory-mapped and larger than the memory.
CHUNK = 1_000_000
# On the terminal; run.json has all.
_SHOWN_NOTES = 6


@dataclass(frozen=True)
class Standardiser:
    """x ↦ (x − mean) / std, one mean and standard deviation a variable, of the training part."""

    mean: NDArray[np.float64]  # (N,)
    std: NDArray[np.float64]  # (N,)

    @classmethod
    def of(cls, series: Array) -> Standardiser:
        """Compute the statistics of a (T, N) series, in chunks and float64."""
        chunks = [series[i : i + CHUNK] for i in range(0, len(series), CHUNK)]
        mean = sum(c.sum(axis=0, dtype=np.float64) for c in chunks) / len(series)
        square = sum(np.square(c - mean).sum(axis=0) for c in chunks) / len(series)
        return cls(np.asarray(mean), np.sqrt(square))

    def standardise(self, x: Array) -> NDArray[np.float64]:
        """Convert data units to standard deviations; the last axis holds the variables."""
        return (x - self.mean) / self.std

    def restore(self, x: Array) -> NDArray[np.float64]:
        """Convert standard deviations to data units; the last axis holds the variables."""
        return x * self.std + self.mean


@dataclass(frozen=True)
class Inputs:
    """External inputs s at the times of the observations, standardised by the training part."""

    variables: tuple[str, ...]  # K
    train: NDArray[np.float64]  # (T, K)
    test: NDArray[np.float64]  # (T', K)
    scale: Standardiser  # from data units


@dataclass(frozen=True)
class Dataset:
    """Observations (time, variable) in data units, with what is known of their source."""

    name: str
    train: Array  # (T, N)
    test: Array  # (T', N), later or independent
    independent: Array | None  # (K, T', N), more true trajectories; None for recorded data
    variables: tuple[str, ...]
    dt: float  # time units a step
    time_unit: str
    lambda_max: float | None  # per time unit
    lambda_source: str
    dimension: float | None = None  # Kaplan-Yorke, of the system's attractor, where it is published
    read: str = ""  # what was read: rows, columns, time, interval; empty for simulated data
    preprocessing: tuple[str, ...] = ()  # notes on everything that was done to the readings
    # Where `train` holds several trajectories, one after another: their lengths.
    train_lengths: tuple[int, ...] = ()
    inputs: Inputs | None = None

    @property
    def obs_dim(self) -> int:
        return self.train.shape[1]

    @property
    def input_dim(self) -> int:
        return 0 if self.inputs is None else len(self.inputs.variables)

    @property
    def trajectories(self) -> tuple[slice, ...]:
        """The rows of each training trajectory."""
        ends = np.cumsum(self.train_lengths or (len(self.train),)).tolist()
        return tuple(map(slice, [0, *ends[:-1]], ends))

    def account(self) -> list[str]:
        """Return what was read, and what was left out, repaired and changed, in two lines at most.

        Nothing for simulated data.
        """
        notes = list(self.preprocessing[:_SHOWN_NOTES])
        if (more := len(self.preprocessing) - len(notes)) > 0:
            notes.append(f"{more} more notes in run.json")
        lines = [f"{self.name}: {self.read}", "; ".join(notes)]
        return [line for line in lines if line] if self.read else []

    def size(self) -> str:
        """Return in a line how much there is to train on and to test with."""
        return (
            f"{self.name}: {len(self.train):,} steps train, {len(self.test):,} test; "
            f"{self.obs_dim} variable{'s' * (self.obs_dim > 1)}, dt {self.dt:.4g} {self.time_unit}"
        )

    @property
    def lambda_step(self) -> float | None:
        """The largest exponent per step, λ_max · dt."""
        return None if self.lambda_max is None else self.lambda_max * self.dt

    @property
    def lyapunov_steps(self) -> float | None:
        """The Lyapunov time 1 / λ_max in steps; None where there is none, as without chaos."""
        step = self.lambda_step
        return 1 / step if step is not None and step > 0 else None

    def longest_training(self, steps: int) -> Array:
        """Return at most the first `steps` of the longest training trajectory: (T, N)."""
        rows = max(self.trajectories, key=lambda part: part.stop - part.start)
        return np.asarray(self.train[rows][:steps], dtype=np.float64)

    def fingerprint(self) -> str:
        """Compute the SHA-256 of shape, type and bytes of every series."""
        digest = hashlib.sha256()
        inputs = () if self.inputs is None else (self.inputs.train, self.inputs.test)
        digest.update("".join(f"{n} " for n in self.train_lengths).encode())
        for series in (self.train, self.test, self.independent, *inputs):
            if series is None:
                continue
            digest.update(f"{series.dtype.str}{series.shape}".encode())
            for i in range(0, len(series), CHUNK):
                digest.update(np.ascontiguousarray(series[i : i + CHUNK]).data)
        return digest.hexdigest()


def places_of(names: Sequence[str], variables: Sequence[str], field: str) -> list[int]:
    """Return the places of the variables `names`, which the setting `field` holds.

    Raises RequestError for a variable that does not exist or is named twice.
    """
    for name in names:
        accepted = f"{choices(variables)}{nearest(name, variables)}"
        require(name in variables, field, f"'{name}'", accepted)
    if len(set(names)) < len(names):
        raise RequestError(f"{field}: a variable stands twice; accepted: different ones")
    return [variables.index(name) for name in names]


def separate_inputs(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Turn the variables `names` into external inputs instead of observations.

    Raises RequestError for a variable that does not exist, is named twice or does not vary, and if
    none is left to observe.
    """
    chosen = places_of(names, dataset.variables, "dataset.inputs")
    observed = [i for i in range(len(dataset.variables)) if i not in chosen]
    if not observed:
        raise RequestError(
            "dataset.inputs: every variable was given; accepted: some, the others are observed"
        )
    scale = Standardiser.of(dataset.train[:, chosen])
    if not scale.std.all():
        raise RequestError(
            f"dataset.inputs: '{names[int(scale.std.argmin())]}' is constant in the training part; "
            "accepted: variables that vary"
        )
    train, test = (scale.standardise(x[:, chosen]) for x in (dataset.train, dataset.test))
    independent = dataset.independent
    return replace(
        dataset,
        train=dataset.train[:, observed],
        test=dataset.test[:, observed],
        independent=None if independent is None else independent[..., observed],
        variables=tuple(dataset.variables[i] for i in observed),
        inputs=Inputs(tuple(names), train, test, scale),
    )
