"""Delay embedding, and the lag and dimension that suit a scalar series.

Own code rather than that of a library: ntsa 0.3.1 counts neighbours in time as neighbours in
state, finds ten dimensions in rounded Lorenz data and nine in a rounded sine, takes a ripple of the
histogram for a minimum, and brings five packages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import DelaySettings
from sfbptt_cli.data.time_scales import (
    autocorrelation,
    clear_rise,
    entropy,
    first_minimum,
    mutual_information,
    standardise,
    symbols_of,
)

Array = NDArray[np.float64]

MAX_DIMENSION = 10
# Kennel, Brown and Abarbanel (1992): a neighbour is false whose distance grows by more than the
# first, or to more standard deviations of the series than the second, in the next dimension.
_GROWTH = 10.0
_FAR = 2.0
# The share of false neighbours at which a dimension suffices.
_FALSE_SHARE = 0.01
# Pairs of samples, points and queries that are enough for the estimates.
_PAIRS = 50_000
_POINTS = 20_000
_QUERIES = 2_000


def delay_embed(series: Array, lag: int, dimension: int) -> Array:
    """Return the delay vectors of (T, N): (T − (m − 1) lag, N m), the latest value first.

    embedded[t, m n + k] = series[t + (m − 1) lag − k lag, n] for k < m = dimension, in the order
    of Mikhaeil et al. (2022). No row before the (m − 1) lag-th has all its past.
    """
    span = (dimension - 1) * lag
    rows = len(series) - span
    delays = [series[span - k * lag : span - k * lag + rows] for k in range(dimension)]
    return np.stack(delays, axis=2).reshape(rows, -1)


def settle_delays(
    delays: DelaySettings, names: Sequence[str], training: Callable[[], Array]
) -> tuple[int, int, list[str]]:
    """Return lag and dimension, and notes on what `auto` finds in the training part (T, 1).

    Raises RequestError for `auto` and several variables `names`, or if there is no lag.
    """
    lag, dimension = delays.lag, delays.dimension
    if dimension == 1:
        return 1, 1, []
    if "auto" in (lag, dimension) and len(names) > 1:
        wrong = "lag" if lag == "auto" else "dimension"
        raise RequestError(
            f"dataset.{wrong}: auto was given for {len(names)} variables; "
            "accepted: a number, or one observed variable"
        )
    notes = []
    if lag == "auto":
        lag, criterion = estimate_lag(training()[:, 0])
        notes.append(f"lag {lag} samples estimated from the training part: {criterion}")
    if dimension == "auto":
        dimension, share = estimate_dimension(training()[:, 0], int(lag))
        notes.append(
            f"dimension {dimension} estimated from the training part: "
            f"{100 * share:.1f}% false neighbours"
        )
    return int(lag), int(dimension), notes


def embed_parts(
    parts: list[Array], names: tuple[str, ...], lag: int, dimension: int
) -> tuple[list[Array], tuple[str, ...], list[str]]:
    """Return the delay vectors of each part (T, N), the names of their columns, and a note.

    The names are those of the variables followed by `t-0`, `t-500`, …; nothing changes if
    `dimension` is 1. Raises RequestError for a part that is shorter than a delay vector.
    """
    if dimension == 1:
        return parts, names, []
    shortest = min(map(len, parts))
    if (dimension - 1) * lag >= shortest:
        raise RequestError(
            f"dataset.dimension: {dimension} delays of {lag} samples span more than the "
            f"{shortest} samples of the shortest part; accepted: fewer or shorter delays, or "
            "another dataset.train_fraction"
        )
    columns = tuple(f"{name} t-{k * lag}" for name in names for k in range(dimension))
    note = f"{dimension} delays of {lag} samples, each part alone"
    return [delay_embed(part, lag, dimension) for part in parts], columns, [note]


def estimate_lag(series: Array) -> tuple[int, str]:
    """Return a lag in samples, and the criterion that gave it.

    The first minimum of the mutual information of x_t and x_{t+lag} (Fraser and Swinney 1986), as
    `first_minimum` has it, or the decay of the autocorrelation to 1/e, whichever comes first. Where
    the information never falls to half its value at lag 1, nor to a third of what x_t has about
    itself, as in periodic series, the first zero of the autocorrelation (Kantz and Schreiber 2004,
    3.3): a quarter of a period.
    series (T,). Raises RequestError if there is none up to T / 10.
    """
    longest = (len(series) - 1) // 10
    correlation = autocorrelation(series, longest)
    decay = _first_below(correlation, 1 / math.e)
    symbols, bins = symbols_of(series)

    def information(lag: int) -> float:
        return mutual_information(symbols, bins, lag, max(1, (len(series) - lag) // _PAIRS))

    rise = clear_rise(min(len(series), _PAIRS))
    minimum, lowest = first_minimum(information, _lags(decay or longest), rise)
    if lowest > max(information(1) / 2, entropy(symbols) / 3):
        lag, criterion = _first_below(correlation, 0.0), "zero of the autocorrelation"
    elif minimum is not None:
        lag, criterion = minimum, "first minimum of the mutual information"
    else:
        lag, criterion = decay, "autocorrelation of 1/e"
    if lag is None:
        raise RequestError(
            f"dataset.lag: auto finds no minimum of the mutual information and no decay of the "
            f"autocorrelation up to lag {longest}; accepted: a number of samples"
        )
    return lag, criterion


def _lags(longest: int) -> Iterator[int]:
    """Yield lags, far enough for a minimum at `longest` to show; those above 50 are 2% apart."""
    lag = 1
    while lag <= longest + max(3, longest // 4):
        yield lag
        lag += max(1, lag // 50)


def _first_below(correlation: Array, level: float) -> int | None:
    """Return the lag nearest to the first passage of a level, at least 1."""
    below = np.flatnonzero(correlation <= level)
    if not len(below):
        return None
    after = int(below[0])
    above = correlation[after - 1] - level < level - correlation[after]
    return max(1, after - 1 if above else after)


def estimate_dimension(series: Array, lag: int) -> tuple[int, float]:
    """Return the smallest dimension with less than 1% false nearest neighbours, and their share.

    If none up to 10 suffices, it is the one with the smallest share. Neighbours in time, closer
    than a lag, are left out (Theiler 1986).
    series (T,) or (T, N), of which delays of all variables count as one. Raises RequestError if
    the series is too short for two dimensions.
    """
    shares: list[float] = []
    for dimension in range(1, MAX_DIMENSION + 1):
        share = false_neighbours(series, lag, dimension)
        if share is None:
            break
        shares.append(share)
        if share < _FALSE_SHARE:
            break
    if len(shares) < 2 and not (shares and shares[0] < _FALSE_SHARE):
        raise RequestError(
            f"dataset.dimension: auto needs more than {len(series)} samples at lag {lag}; "
            "accepted: a number"
        )
    best = int(np.argmin(shares))
    return best + 1, shares[best]


def false_neighbours(series: Array, lag: int, dimension: int) -> float | None:
    """Return the share of nearest neighbours in `dimension` delays that the next delay separates.

    Distances below the smallest difference of two values of the series count as that difference,
    so that rounding makes no neighbour false. None where the series (T,) or (T, N) is too short.
    """
    from scipy.spatial import KDTree

    series = series.reshape(len(series), -1)
    if series.shape[1] > 1:
        series = standardise(series)
    rows = len(series) - dimension * lag
    every = max(1, lag // 5, -(-rows // _POINTS))
    times = np.arange(0, max(rows, 0), every)
    excluded = -(-lag // every)
    count = 2 * excluded + 2
    if len(times) < 2 * count:
        return None
    points = np.concatenate([series[times + k * lag] for k in range(dimension)], axis=1)
    queries = np.arange(0, len(times), -(-len(times) // _QUERIES))
    distances, neighbours = KDTree(points).query(points[queries], k=count)
    apart = np.abs(neighbours - queries[:, None]) > excluded
    nearest = np.argmax(apart, axis=1)[:, None]
    distance = np.take_along_axis(distances, nearest, axis=1)[:, 0]
    found = np.take_along_axis(neighbours, nearest, axis=1)[:, 0]
    after = dimension * lag
    growth = np.linalg.norm(series[times[queries] + after] - series[times[found] + after], axis=1)
    steps = [np.diff(np.unique(column)).min(initial=np.inf) for column in series.T]
    resolution = max(max(steps), 1e-6 * series.std())
    grown = growth > _GROWTH * np.maximum(distance, resolution)
    far = np.hypot(distance, growth) > _FAR * series.std()
    return float(np.mean(grown | far))
