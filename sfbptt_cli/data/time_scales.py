"""Time scales of recorded data, in steps: autocorrelation, mutual information, mean period."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A minimum of the mutual information is clear where it rises by this share afterwards.
_RISE = 0.04
# A spectrum is noisy where the power above this many times that of the noise is most of it.
_CLEAR = 6.0
_MOSTLY = 0.6


def standardise(series: Array) -> Array:
    """Scale (T, N) to mean 0 and standard deviation 1 in each column; constant ones become 0."""
    centred = series - series.mean(axis=0)
    scale = centred.std(axis=0)
    flat = scale <= 1e-12 * np.abs(series).max(axis=0, initial=0.0)
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, scale))


def principal_component(series: Array) -> Array:
    """Project the standardised (T, N) or (T,) on the direction of its greatest variance: (T,)."""
    points = standardise(series.reshape(len(series), -1))
    return points @ np.linalg.eigh(points.T @ points)[1][:, -1]


def mean_period(series: Array) -> float:
    """Return 1 / (mean frequency) in steps, frequencies weighted by the power of all columns.

    series (T, N). Rosenstein, Collins and De Luca (1993) keep neighbours this far apart in time.
    Infinite for constant data.
    """
    centred = series - series.mean(axis=0)
    power = np.sum(np.abs(np.fft.rfft(centred, axis=0)) ** 2, axis=1)[1:]
    weighted = float(power @ np.arange(1, len(power) + 1)) / len(series)
    return float(power.sum()) / weighted if weighted > 0 else math.inf


def cycle_length(series: Array) -> float:
    """Return 1 / (root mean square frequency) in steps, the median over the variables of (T, N).

    It is the mean time between two upward passages of the mean (Rice 1944). White noise is taken
    out of the spectrum: its power is the median one of the upper half of the frequencies, where
    little is left then. Infinite for constant data.
    """
    power = np.abs(np.fft.rfft(series - series.mean(axis=0), axis=0))[1:] ** 2
    # The median of exponentially distributed powers is ln 2 of their mean.
    noise = np.median(power[len(power) // 2 :], axis=0) / math.log(2)
    clear = np.where(power > _CLEAR * noise, power - noise, 0.0)
    power = np.where(clear.sum(axis=0) > _MOSTLY * power.sum(axis=0), clear, power)
    frequency = np.arange(1, len(power) + 1) / len(series)
    total, weighted = power.sum(axis=0), frequency**2 @ power
    cycles = np.sqrt(total[weighted > 0] / weighted[weighted > 0])
    return float(np.median(cycles)) if len(cycles) else math.inf


def autocorrelation(series: Array, longest: int) -> Array:
    """Return the autocorrelation of (T,) at lags up to `longest`: (longest + 1,).

    Each lag is averaged over the pairs that it has. 1 throughout for constant data, which never
    decay.
    """
    centred = series - series.mean()
    power = np.abs(np.fft.rfft(centred, 2 * len(series))) ** 2
    covariance = np.fft.irfft(power)[: longest + 1] / (len(series) - np.arange(longest + 1))
    return covariance / covariance[0] if centred.any() else np.ones(longest + 1)


def autocorrelation_time(series: Array) -> int | None:
    """Return the first lag at which the autocorrelation is below 1/e, in steps.

    series (T,) or (T, N), of which the first principal component counts. None if there is none up
    to T / 2, and for constant data.
    """
    correlation = autocorrelation(principal_component(series), len(series) // 2)
    below = np.flatnonzero(correlation < 1 / math.e)
    return int(below[0]) if len(below) else None


def symbols_of(series: Array) -> tuple[NDArray[np.intp], int]:
    """Return the ranks of (T,) in bins of equal share, and how many bins; equal values share one.

    √(T / 20) bins, from 4 to 32.
    """
    bins = min(32, max(4, math.isqrt(len(series) // 20)))
    ranks = np.searchsorted(np.sort(series), series)
    return ranks * bins // len(series), bins


def mutual_information(symbols: NDArray[np.intp], bins: int, lag: int, every: int = 1) -> float:
    """Return Σ p(i, j) ln(p(i, j) / p(i) p(j)) over each `every`-th pair `lag` apart, in nats."""
    pairs = symbols[:-lag:every] * bins + symbols[lag::every]
    joint = np.bincount(pairs, minlength=bins * bins).reshape(bins, bins) / len(pairs)
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / apart[seen])))


def entropy(symbols: NDArray[np.intp]) -> float:
    """Return −Σ p ln p of symbols, the information that they have about themselves, in nats."""
    share = np.bincount(symbols) / len(symbols)
    return float(-np.sum(share[share > 0] * np.log(share[share > 0])))


def first_minimum(
    information: Callable[[int], float], lags: Iterable[int], rise: float
) -> tuple[int | None, float]:
    """Find the first minimum of `information` over ascending `lags`, and the lowest value found.

    Histograms are ragged: a lag is a minimum if the information rises by the share `rise` from
    there, or if the next quarter of the lag, at least 3 samples, does not undercut it. None where
    there is no minimum.
    """
    lowest = math.inf
    best = 0
    for lag in lags:
        found = information(lag)
        if found < lowest:
            lowest, best = found, lag
        elif lag - best >= max(3, best // 4) or found > (1 + rise) * lowest:
            return best, lowest
    return None, lowest


def clear_rise(samples: int) -> float:
    """Return the share by which mutual information rises beyond its own scatter."""
    return _RISE + 2 / math.sqrt(samples)


def first_minimum_of_mutual_information(series: Array, longest: int | None = None) -> int | None:
    """Find the first minimum of I(x_t; x_{t+lag}) over the lag, in steps (Fraser and Swinney 1986).

    series (T,) or (T, N), of which the first principal component counts. None if there is no
    minimum up to `longest`, by default T / 10, or the information at lag 1 is that of chance (white
    noise).
    """
    component = principal_component(series)
    size = len(component)
    longest = (size - 1) // 10 if longest is None else longest
    symbols, bins = symbols_of(component)
    # Of independent symbols (bins − 1)² / 2T nats on average, with a spread of (bins − 1) / T.
    chance = (bins - 1) ** 2 / (2 * size) + 4 * (bins - 1) / size
    if longest < 1 or mutual_information(symbols, bins, 1) < chance:
        return None
    lags = range(1, longest + 1)
    return first_minimum(
        lambda lag: mutual_information(symbols, bins, lag), lags, clear_rise(size)
    )[0]
