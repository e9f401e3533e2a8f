"""Columns of numbers that count, as times and numbers of rows do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# How far steps may be from their median, as a share of it, where they count evenly.
_EVEN = 0.05
# The share of its steps in which a column of one direction changes at all.
_STEADY = 0.9


def rises(values: NDArray[np.float64] | None) -> bool:
    """Return whether every number is above the one before it."""
    return values is not None and len(values) > 1 and bool((np.diff(values) > 0).all())


def is_even(values: NDArray[np.float64]) -> bool:
    """Return whether all steps are about as large as the middle one."""
    steps = np.diff(values)
    middle = np.median(steps)
    return bool((np.abs(steps - middle) <= _EVEN * np.abs(middle)).all())


def goes_one_way(values: NDArray[np.float64], share: float = _STEADY) -> bool:
    """Return whether no step goes back, and more than a share of them do not stand still."""
    steps = np.diff(values)
    one_way = bool((steps >= 0).all() or (steps <= 0).all())
    return one_way and int(np.count_nonzero(steps)) > share * len(steps)


def is_cycle(values: NDArray[np.float64]) -> bool:
    """Return whether whole numbers count from 0 or 1 to the same number several times."""
    low, high = float(values.min()), float(values.max())
    drops = np.diff(values) == low - high
    counts = bool(((np.diff(values) == 1) | drops).all())
    return counts and low in (0, 1) and high - low > 2 and int(np.count_nonzero(drops)) > 1
