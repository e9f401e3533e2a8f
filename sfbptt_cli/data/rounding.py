"""The step to which recorded values are rounded: counts of a converter, decimals of a file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Values nearer than this share of their range are the same.
_SAME = 1e-9
# Rounded values repeat: at least this share of the samples does.
_REPEATED = 0.25
# The gaps between rounded values are multiples of their smallest ones, so many of them, within
# this share of it.
_MULTIPLES = 0.9
_OFF = 0.05


def rounding_step(series: Array) -> Array:
    """Return the step between the values of each column of (T, N), in its units: (N,).

    It is the gap to the next value that the median sample has. 0 where the values do not repeat or
    the gaps between them are no multiples of the smallest ones, as those of unrounded data, also of
    such as repeat themselves in time.
    """
    return np.array([_step(np.sort(column)) for column in series.T])


def _step(values: Array) -> float:
    gaps = np.diff(values)
    apart = gaps > _SAME * (values[-1] - values[0])
    distinct = gaps[apart]
    if len(distinct) < 2 or apart.mean() > 1 - _REPEATED:
        return 0.0
    multiples = distinct / np.quantile(distinct, 0.05, method="lower")
    whole = np.abs(multiples - np.rint(multiples)) < _OFF
    if whole.mean() < _MULTIPLES:
        return 0.0
    # Of each sample, the gap above the value that it has; of the highest, the one below.
    level = np.concatenate([[0], np.cumsum(apart)])
    return float(np.median(distinct[np.minimum(level, len(distinct) - 1)]))
