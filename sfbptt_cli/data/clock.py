"""Columns of an array that count time and are no variables of a system."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.dataset import CHUNK

Array = NDArray[Any]
# How a column counts, with growing doubt. steady: equal steps; unsteady: only increases, or only
# decreases; counter: repeats values as it rises, or starts again at its end, like years, hours of a
# day, labels of trajectories.
_KINDS = ("steady", "unsteady", "counter")

_TIME_NAME = re.compile(
    r"t|tt|t_|ts|.*time.*|times?\d*|timestamps?|date.*|datenum|tspan|tout|tvec|zeit|clock|epoch",
    re.IGNORECASE,
)
# How far written times may be from equal steps, in steps; months are not equally long.
_UNEVEN = 0.1
# Rows that show whether a column starts again and again, and those that mostly suffice to see that
# it does not.
_SAMPLE, _FEW = 100_000, 256


def is_time_name(name: str) -> bool:
    """Whether people call time so."""
    return _TIME_NAME.fullmatch(name.rpartition("/")[2].strip()) is not None


def clock_columns(series: Sequence[Array]) -> dict[int, str]:
    """Find the columns of the series (T, N) that count time in all of them.

    A series is looked at as far as it takes to see that no column does.
    """
    found: dict[int, str] | None = None
    for part in series:
        if len(part) < 3:
            continue
        kinds = _of_one(part)
        if found is None:
            found = kinds
        else:  # of a counter one part may be steady
            found = {
                i: max(found[i], kind, key=_KINDS.index) for i, kind in kinds.items() if i in found
            }
    return found or {}


def _of_one(series: Array) -> dict[int, str]:
    found: dict[int, str] = {}
    for column in _monotone(series):
        values = series[:, column]
        if values[0] == values[-1]:
            continue  # constant
        if _repeats(values):
            found[column] = "counter"
        else:
            found[column] = "steady" if is_steady(values) else "unsteady"
    for column in range(series.shape[1]):
        rows = (np.asarray(series[:n, column], np.float64) for n in (_FEW, _SAMPLE))
        if column not in found and _rises(next(rows)) is not None and _starts_again(next(rows)):
            found[column] = "counter"
    return found


def _monotone(series: Array) -> list[int]:
    """Return the columns that never fall or never rise."""
    rising = falling = np.ones(series.shape[1], dtype=bool)
    for first in range(0, len(series) - 1, CHUNK):
        steps = np.diff(np.asarray(series[first : first + CHUNK + 1], np.float64), axis=0)
        rising, falling = rising & (steps >= 0).all(axis=0), falling & (steps <= 0).all(axis=0)
        if not (rising | falling).any():
            return []
    return np.flatnonzero(rising | falling).tolist()


def _repeats(values: Array) -> bool:
    chunks = range(0, len(values) - 1, CHUNK)
    return any((np.diff(np.asarray(values[i : i + CHUNK + 1], float)) == 0).any() for i in chunks)


def is_steady(values: Array) -> bool:
    """Whether rising values lie on a straight line."""
    first, last = float(values[0]), float(values[-1])
    step = (last - first) / (len(values) - 1)
    if step <= 0:
        return False
    for begin in range(0, len(values), CHUNK):
        part = np.asarray(values[begin : begin + CHUNK], np.float64)
        line = first + step * np.arange(begin, begin + len(part))
        if (np.abs(part - line) > _UNEVEN * step).any():
            return False
    return True


def _rises(values: Array) -> float | None:
    """Return the step by which values rise wherever they do; None if that differs, or is none."""
    steps = np.diff(values)
    up = steps[steps > 0]
    step = float(np.median(up)) if len(up) else 0.0
    equal = 0 < step < np.inf and (np.abs(up - step) <= 1e-3 * step).all()
    return step if equal else None


def _starts_again(values: Array) -> bool:
    """Whether values rise by one step, or stay, and fall back to their lowest value only."""
    step, falls = _rises(values), np.diff(values) < 0
    low, high = values.min(), values.max()
    # A flag has two levels, and no steps between them.
    if step is None or not falls.any() or high - low < 1.5 * step:
        return False
    return bool((values[1:][falls] < low + 0.999 * step).all())
