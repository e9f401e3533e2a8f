"""What training and evaluation know of the data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Rows read at once where a series may be memory-mapped and larger than the memory.
CHUNK = 1_000_000


@dataclass(frozen=True)
class Standardiser:
    """x ↦ (x − mean) / std, one mean and standard deviation a variable, of the training part."""

    mean: NDArray[np.float64]  # (N,)
    std: NDArray[np.float64]  # (N,)

    @classmethod
    def of(cls, series: Array) -> Standardiser:
        """Statistics of a (T, N) series, accumulated in chunks and float64."""
        chunks = [series[i : i + CHUNK] for i in range(0, len(series), CHUNK)]
        mean = sum(c.sum(axis=0, dtype=np.float64) for c in chunks) / len(series)
        square = sum(np.square(c - mean).sum(axis=0) for c in chunks) / len(series)
        return cls(np.asarray(mean), np.sqrt(square))

    def standardise(self, x: Array) -> NDArray[np.float64]:
        """Data units to standard deviations; the last axis holds the variables."""
        return (x - self.mean) / self.std

    def restore(self, x: Array) -> NDArray[np.float64]:
        """Standard deviations to data units; the last axis holds the variables."""
        return x * self.std + self.mean


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
    preprocessing: tuple[str, ...] = ()  # a sentence for everything that was done to the readings

    @property
    def obs_dim(self) -> int:
        return self.train.shape[1]

    @property
    def lambda_step(self) -> float | None:
        """The largest exponent per step, λ_max · dt."""
        return None if self.lambda_max is None else self.lambda_max * self.dt

    def fingerprint(self) -> str:
        """SHA-256 of shape, type and bytes of every series: another number, another dataset."""
        digest = hashlib.sha256()
        for series in (self.train, self.test, self.independent):
            if series is None:
                continue
            digest.update(f"{series.dtype.str}{series.shape}".encode())
            for i in range(0, len(series), CHUNK):
                digest.update(np.ascontiguousarray(series[i : i + CHUNK]).data)
        return digest.hexdigest()
