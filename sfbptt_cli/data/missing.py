"""Codes for missing values that nobody declared: -999, -99.99, 32766, 9.97e36."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError

# Rows looked at together: a series may be memory-mapped and larger than the memory.
_CHUNK = 1_000_000
# Values of a column behind its typical spacing and its number of levels.
_SAMPLE = 10_000
# Largest and smallest numbers of signed and unsigned types, and codes of well logs and FLUXNET.
_KNOWN = {32767, 32766, 32768, 65535, 65534, 2**31, 2**31 - 1, 2**32 - 1, 999.25, 6999}
# Beyond this lie only the fill values of netCDF, GRIB and HDF: 9.97e36, 1e20, 3.4e38.
_FILL = 1e15
# How far outside, in ranges of the other values: of numbers that are written as codes are; of such
# a number that stands there once; of a negative whole number among positive ones; of a negative
# multiple of 100; of any other number.
_WRITTEN_AS_CODE, _ONCE, _NEGATIVE, _HUNDREDS, _ANY = 0.1, 10.0, 0.5, 2.0, 100.0
# And in spacings between neighbouring values, so that the last of few levels is no code.
_SPACINGS = 10
_LEVELS = 10


class _Extreme(NamedTuple):
    """The smallest or largest value of a column, and what the other values are."""

    value: float
    rows: int  # in which it stands
    first: int  # the first of them, counted from 0
    distance: float  # to the nearest other value
    low: float  # of all values but the two extremes
    high: float


def refuse_missing_codes(
    values: NDArray[Any], names: Sequence[str], rows: Sequence[int] | NDArray[np.int64]
) -> None:
    """Raise RequestError for a column of (T, N) that holds a code for a missing value.

    It is the smallest or largest value of the column, repeats, and lies far outside of all others:
    a tenth of their range if it is written as codes are (99.99, -999, 32767, 1e20, or a negative
    multiple of 100 among positive numbers), a hundred ranges if not. NaN are left out. `rows` are
    the (T,) numbers of the rows as the user counts them.
    """
    for column, found in _extremes(values):
        if _is_code(found, values[:, column]):
            times = f"{found.rows} rows, the first is " if found.rows > 1 else ""
            written = str(values[found.first, column]).removesuffix(".0")
            raise RequestError(
                f"dataset.missing_values: column '{names[column]}' holds {written} in {times}row "
                f"{rows[found.first]}, and other values from {found.low:g} to {found.high:g}; "
                f"accepted: 'dataset.missing_values=[\"{written}\"]' (with any others) if it "
                "stands for a missing value, dataset.missing_codes=keep if it was measured"
            )


def _chunks(values: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for start in range(0, len(values), _CHUNK):
        chunk = np.asarray(values[start : start + _CHUNK], dtype=np.float64)
        yield start, np.where(np.isfinite(chunk), chunk, np.nan)


def _extremes(values: NDArray[Any]) -> Iterator[tuple[int, _Extreme]]:
    """Yield the column and its smallest and largest value, where it has more than one."""
    count = values.shape[1]
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    for _, chunk in _chunks(values):
        low, high = np.fmin(low, np.fmin.reduce(chunk)), np.fmax(high, np.fmax.reduce(chunk))
    after, before = np.full(count, np.inf), np.full(count, -np.inf)
    rows = np.zeros((2, count), dtype=np.int64)
    first = np.full((2, count), -1)
    for start, chunk in _chunks(values):
        marks = np.stack([chunk == low, chunk == high])
        inner = np.where(marks.any(axis=0), np.nan, chunk)
        after = np.fmin(after, np.fmin.reduce(inner))
        before = np.fmax(before, np.fmax.reduce(inner))
        here = marks.any(axis=1)
        first = np.where((first < 0) & here, start + marks.argmax(axis=1), first)
        rows += marks.sum(axis=1)
    for j in np.flatnonzero(low < high).tolist():
        for value, other, row in ((low[j], high[j], 0), (high[j], low[j], 1)):
            within = (after[j], before[j]) if np.isfinite(after[j]) else (other, other)
            distance = abs(value - within[row])
            yield j, _Extreme(value, rows[row, j], first[row, j], distance, *within)


def _is_code(found: _Extreme, column: NDArray[Any]) -> bool:
    value, spread = found.value, found.high - found.low
    if found.distance <= _WRITTEN_AS_CODE * spread:
        return False
    sample = np.asarray(column[:: max(1, len(column) // _SAMPLE)], dtype=np.float64)
    levels = np.unique(sample[(sample >= found.low) & (sample <= found.high)])
    spacing = float(np.median(np.diff(levels))) if len(levels) > 1 else 0.0
    if found.distance < _SPACINGS * spacing:
        return False
    if _written_as_code(value):
        # A jump among few levels, or one that comes once, is nothing to wonder at.
        seldom = len(levels) < _LEVELS or found.rows == 1
        varied = spread > 0 or value < 0 or value >= _FILL
        return varied and found.distance > (_ONCE * spread if seldom else 0)
    if found.rows < 3 or len(levels) < _LEVELS:
        return False
    if value < 0 <= found.low and value % 1 == 0:
        return value % 100 == 0 or found.distance > _NEGATIVE * spread
    if value < 0 and value % 100 == 0:
        return found.distance > _HUNDREDS * spread
    # Zero for long: off, dry, nobody there.
    share = found.rows / len(column)
    return share < (0.1 if value == 0 else 0.5) and found.distance > _ANY * spread


def _written_as_code(value: float) -> bool:
    """Return whether people write missing values so: nines, or 777 and 888, or limits of types."""
    size = abs(value)
    if size in _KNOWN or size >= _FILL:
        return True
    # Single precision has 99.99 as 99.9899978637695.
    digits = [f"{size:.{n}g}".replace(".", "").lstrip("0") for n in (6, 12)]
    return any(
        (len(text) > 1 and set(text) == {"9"}) or (len(text) > 2 and set(text) in ({"7"}, {"8"}))
        for text in digits
    )
