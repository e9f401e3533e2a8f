"""Time scales of recorded data, in steps: autocorrelation, mutual information, mean period."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Histograms are ragged: no minimum counts that later lags undercut before a quarter of it is over.
_CONFIRM = 0.25


def standardise(series: Array) -> Array:
    """(T, N) with mean 0 and standard deviation 1 in each column; constant columns become 0."""
    centred = series - series.mean(axis=0)
    scale = centred.std(axis=0)
    flat = scale <= 1e-12 * np.abs(series).max(axis=0, initial=0.0)
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, scale))


def principal_component(series: Array) -> Array:
    """(T,) of the standardised (T, N) or (T,) along the direction of its greatest variance."""
    points = standardise(series.reshape(len(series), -1))
    return points @ np.linalg.eigh(points.T @ points)[1][:, -1]


def mean_period(series: Array) -> float:
    """1 / (mean frequency), frequencies weighted by the power of all columns, in steps.

    series (T, N). Rosenstein, Collins and De Luca (1993) keep neighbours this far apart in time.
    Infinite for constant data.
    """
    centred = series - series.mean(axis=0)
    power = np.sum(np.abs(np.fft.rfft(centred, axis=0)) ** 2, axis=1)[1:]
    weighted = float(power @ np.arange(1, len(power) + 1)) / len(series)
    return float(power.sum()) / weighted if weighted > 0 else math.inf


def autocorrelation_time(series: Array) -> int | None:
    """The first lag at which the autocorrelation is below 1/e, in steps.

    series (T,) or (T, N), of which the first principal component counts. Each lag is averaged over
    the pairs it has. None where there is none up to T / 2, and for constant data.
    """
    component = principal_component(series)
    size = len(component)
    power = np.abs(np.fft.rfft(component, 2 * size)) ** 2
    longest = size // 2
    covariance = np.fft.irfft(power)[: longest + 1] / (size - np.arange(longest + 1))
    below = np.flatnonzero(covariance < covariance[0] / math.e)
    return int(below[0]) if len(below) else None


def first_minimum_of_mutual_information(
    series: Array, longest: int | None = None, bins: int | None = None
) -> int | None:
    """The first minimum of I(x_t; x_{t+lag}) over the lag, in steps (Fraser and Swinney 1986).

    series (T,) or (T, N), of which the first principal component counts. I is the sum of
    p(i, j) ln(p(i, j) / p(i) p(j)) over `bins` bins of equal share a side, by default √(T / 20),
    from 4 to 32. A lag is a minimum that the next quarter of it, at least 3 steps, does not
    undercut. None where there is none up to `longest`, by default T / 10, and where the
    information at lag 1 is that of chance (white noise).
    """
    component = principal_component(series)
    size = len(component)
    longest = (size - 1) // 10 if longest is None else longest
    bins = min(32, max(4, math.isqrt(size // 20))) if bins is None else bins
    symbols = np.searchsorted(np.sort(component), component) * bins // size
    lowest, best = math.inf, 0
    for lag in range(1, longest + 1):
        information = _mutual_information(symbols, bins, lag)
        # Of independent symbols (bins − 1)² / 2T nats on average, with a spread of (bins − 1) / T.
        if lag == 1 and information < (bins - 1) ** 2 / (2 * size) + 4 * (bins - 1) / size:
            return None
        if information < lowest:
            lowest, best = information, lag
        elif lag - best >= max(3, int(_CONFIRM * best)):
            return best
    return None


def _mutual_information(symbols: NDArray[np.intp], bins: int, lag: int) -> float:
    joint = np.bincount(symbols[:-lag] * bins + symbols[lag:], minlength=bins * bins)
    joint = joint.reshape(bins, bins) / (len(symbols) - lag)
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / apart[seen])))
