"""From irregular readings to a regular series: order, duplicates, gaps, resampling.

Nothing is repaired unless a setting allows it, and there is a note on every repair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import RepairSettings

Array = NDArray[np.float64]

# Written time stamps are rounded: how far they may be from a whole number of intervals.
_ROUNDING = 1e-3
# So many longer intervals in a row, all equal, are another sampling interval and no gaps.
_STEADY = 10
# Samples per reading; more come from a wrong time stamp.
_SPARSEST = 1000


@dataclass(frozen=True)
class Readings:
    """R rows of a file."""

    times: Array  # (R,), time units
    values: Array  # (R, N), NaN where missing
    lines: NDArray[np.int64]  # (R,), rows of the file, from 1
    names: tuple[str, ...]  # N
    unit: str

    def rows(self, rows: NDArray[np.intp]) -> Readings:
        """Return some of the rows."""
        return replace(
            self, times=self.times[rows], values=self.values[rows], lines=self.lines[rows]
        )


@dataclass(frozen=True)
class Series:
    """T samples at equal intervals."""

    values: Array  # (T, N), finite
    dt: float  # time units
    # (T,), the last sample whose readings a sample is made of: itself, or, where it was
    # interpolated, one further on.
    reaches: NDArray[np.int64]


@dataclass(frozen=True)
class _Points:
    """The readings of one variable, at positions on the grid of samples."""

    positions: Array  # (P,), samples from the start of the grid, ascending
    samples: Array  # (P,), the samples that they belong to, whole numbers
    values: Array  # (P,)
    lines: NDArray[np.int64]  # (P,)


def regularise(readings: Readings, repairs: RepairSettings) -> tuple[Series, list[str]]:
    """Return a regular series, and a note on everything that was changed."""
    notes: list[str] = []
    readings = _ordered(readings, repairs.order, notes)
    readings = _distinct(readings, repairs.duplicates, notes)
    if len(readings.times) < 2:
        raise RequestError("dataset.path: the file has fewer than 2 rows; accepted: a time series")
    if repairs.missing == "refuse":
        _require_values(readings)
    if repairs.resample is None:
        dt, points, length = _native_grid(readings)
    else:
        dt = repairs.resample
        points, length = _binned(readings, dt)
        notes.append(f"resampled every {dt:g} {readings.unit} by the means of the readings between")
    return _fill(points, length, dt, readings.names, repairs, notes), notes


def split_samples(reaches: NDArray[np.int64], fraction: float, notes: list[str]) -> tuple[int, int]:
    """Find where the training part ends and where the test part begins, in samples.

    Between them lie those that are interpolated from readings of both; `notes` gets one on them.
    `reaches` are those of the series.
    """
    start = round(fraction * len(reaches))
    end = int(np.searchsorted(reaches[:start], start))
    if end < start:
        notes.append(
            f"{start - end} samples between training and test part left out: "
            "they are interpolated from readings of both"
        )
    return end, start


def _ordered(readings: Readings, order: str, notes: list[str]) -> Readings:
    """Sort the rows by time, if that is allowed."""
    back = np.flatnonzero(np.diff(readings.times) < 0)
    if not len(back):
        return readings
    row = readings.lines[back[0] + 1]
    if order == "refuse":
        raise RequestError(
            f"dataset.order: row {row} is earlier than the row before it, as are "
            f"{len(back) - 1} others; accepted: dataset.order=sort, or a file in order of time"
        )
    notes.append(f"sorted by time: {len(back)} rows were earlier than the row before, first {row}")
    return readings.rows(np.argsort(readings.times, kind="stable"))


def _distinct(readings: Readings, duplicates: str, notes: list[str]) -> Readings:
    """Make one row of those with the same time, if that is allowed."""
    again = np.flatnonzero(np.diff(readings.times) == 0) + 1
    if not len(again):
        return readings
    row = readings.lines[again[0]]
    if duplicates == "refuse":
        raise RequestError(
            f"dataset.duplicates: row {row} has the time of row {readings.lines[again[0] - 1]}, "
            f"and {len(again) - 1} more rows repeat a time; accepted: dataset.duplicates=first or "
            "mean"
        )
    done = "the first row was kept" if duplicates == "first" else "their mean was taken"
    notes.append(f"{len(again)} rows repeat a time, first row {row}: {done}")
    starts = np.delete(np.arange(len(readings.times)), again)
    kept = readings.rows(starts)
    if duplicates == "first":
        return kept
    present = ~np.isnan(readings.values)
    sums = np.add.reduceat(np.where(present, readings.values, 0), starts, axis=0)
    counts = np.add.reduceat(present, starts, axis=0, dtype=np.float64)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return replace(kept, values=means)


def _require_values(readings: Readings) -> None:
    bad = np.argwhere(np.isnan(readings.values))
    if len(bad):
        row, column = bad[0]
        raise RequestError(
            f"dataset.missing: row {readings.lines[row]}, column '{readings.names[column]}' has no "
            f"value, nor have {len(bad) - 1} other fields; accepted: dataset.missing=interpolate"
        )


def _check_span(readings: Readings, interval: float) -> None:
    """Raise RequestError if a wrong time stamp or interval would make a series without end."""
    rows, span = len(readings.times), float(readings.times[-1] - readings.times[0])
    if not span <= _SPARSEST * rows * interval:
        longest = int(np.argmax(np.diff(readings.times)))
        raise RequestError(
            f"dataset.time_column: {rows} rows span {span:g} {readings.unit}, more than "
            f"{_SPARSEST} samples a row, the longest gap between the rows "
            f"{readings.lines[longest]} and {readings.lines[longest + 1]}; accepted: denser times"
        )


def _native_grid(readings: Readings) -> tuple[float, list[_Points], int]:
    """Find the sampling interval, and place each reading at a whole position."""
    steps = np.diff(readings.times)
    interval = float(np.median(steps))
    _check_span(readings, interval)
    multiples = np.rint(steps / interval)
    odd = (np.abs(steps / interval - multiples) > _ROUNDING) | (multiples < 1)
    longer = (multiples[1:] == multiples[:-1]) & (multiples[1:] > 1)
    if len(longer) >= _STEADY:
        odd[:-_STEADY] |= sliding_window_view(longer, _STEADY).all(axis=1)
    if odd.any():
        first = int(np.flatnonzero(odd)[0])
        raise RequestError(
            f"dataset.resample: {steps[first]:g} {readings.unit} lie between the rows "
            f"{readings.lines[first]} and {readings.lines[first + 1]}, and {interval:g} between "
            f"most; accepted: dataset.resample=… in {readings.unit}, or a file with one sampling "
            "interval"
        )
    positions = np.concatenate([[0.0], np.cumsum(multiples)])
    span = float(readings.times[-1] - readings.times[0])
    points = []
    for values in readings.values.T:
        present = ~np.isnan(values)
        whole = positions[present]
        points.append(_Points(whole, whole, values[present], readings.lines[present]))
    return span / positions[-1], points, int(positions[-1]) + 1


def _binned(readings: Readings, interval: float) -> tuple[list[_Points], int]:
    """Average times and values over bins of one interval; positions count from the first bin.

    A straight line stays one: each mean stands at the mean time of its readings.
    """
    _check_span(readings, interval)
    times = (readings.times - readings.times[0]) / interval
    bins = np.floor(times + 1e-9)
    origin = times[bins == 0].mean()
    points = []
    for values in readings.values.T:
        present = ~np.isnan(values)
        samples, starts, counts = np.unique(bins[present], return_index=True, return_counts=True)
        positions = np.add.reduceat(times[present], starts) / counts - origin
        means = np.add.reduceat(values[present], starts) / counts
        points.append(_Points(positions, samples, means, readings.lines[present][starts]))
    last = times[bins == bins[-1]].mean() - origin
    return points, int(np.floor(last + 1e-9)) + 1


def _fill(
    points: Sequence[_Points],
    length: int,
    dt: float,
    names: Sequence[str],
    repairs: RepairSettings,
    notes: list[str],
) -> Series:
    """Interpolate on straight lines between the points; cut ends without a value off."""
    grid = np.arange(length, dtype=np.float64)
    lost = np.zeros(length, dtype=bool)
    reaches = np.zeros(length)
    columns = []
    for variable, name in zip(points, names, strict=True):
        notes += _check_gaps(variable, name, repairs)
        gaps = _gaps_on(grid, variable.positions)
        lost |= (gaps > repairs.max_gap) | (gaps < 0)
        after = np.searchsorted(variable.positions, grid - 1e-9).clip(max=len(variable.samples) - 1)
        reaches = np.maximum(reaches, variable.samples[after])
        columns.append(np.interp(grid, variable.positions, variable.values))
    kept = _longest_run(~lost)
    if kept.stop - kept.start < length:
        notes.append(f"kept samples {kept.start + 1} to {kept.stop} of {length}, without long gaps")
    reaches = reaches[kept].astype(np.int64) - kept.start
    return Series(np.column_stack(columns)[kept], dt, reaches)


def _check_gaps(variable: _Points, name: str, repairs: RepairSettings) -> list[str]:
    """Raise RequestError for a gap that no setting allows to repair; return notes on the others."""
    if not len(variable.positions):
        raise RequestError(f"dataset.missing: column '{name}' has no value; accepted: numbers")
    gaps = np.maximum(np.rint(np.diff(variable.positions)) - 1, 0)  # (P − 1,) missing samples
    longest = int(gaps.max(initial=0))
    if longest == 0:
        return []
    where = int(np.argmax(gaps > 0) if repairs.missing == "refuse" else np.argmax(gaps))
    rows = f"rows {variable.lines[where]} and {variable.lines[where + 1]}"
    if repairs.missing == "refuse":
        raise RequestError(
            f"dataset.missing: {gaps[where]:.0f} samples are missing between {rows}, and "
            f"{gaps.sum() - gaps[where]:.0f} elsewhere; accepted: dataset.missing=interpolate"
        )
    if longest > repairs.max_gap and repairs.long_gaps == "refuse":
        raise RequestError(
            f"dataset.max_gap: {longest} samples of column '{name}' are missing between {rows}; "
            f"accepted: dataset.max_gap={longest} or more, or dataset.long_gaps=longest"
        )
    repaired = (gaps > 0) & (gaps <= repairs.max_gap)
    if not repaired.any():
        return []
    return [
        f"column '{name}': {_count(gaps[repaired].sum(), 'missing sample')} interpolated in "
        f"{_count(repaired.sum(), 'gap')}, the longest of {gaps[repaired].max():.0f}, the first "
        f"after row {variable.lines[np.argmax(repaired)]}"
    ]


def _count(count: float, what: str) -> str:
    return f"{count:.0f} {what}{'s' * bool(count != 1)}"


def _gaps_on(grid: Array, positions: Array) -> Array:
    """Return the gap that each sample lies in (T,): 0 at a point, −1 outside of all points."""
    right = np.searchsorted(positions, grid - 1e-9)
    before = positions[(right - 1).clip(min=0)]
    after = positions[right.clip(max=len(positions) - 1)]
    apart = np.minimum(grid - before, after - grid) > 0.5
    outside = (grid < positions[0] - 1e-9) | (grid > positions[-1] + 1e-9)
    return np.where(outside, -1, np.where(apart, np.rint(after - before) - 1, 0))


def _longest_run(good: NDArray[np.bool_]) -> slice:
    """Find the longest stretch of true values, the first of equally long ones."""
    bounds = np.flatnonzero(np.concatenate([[True], ~good, [True]]))  # one above the index in good
    longest = int(np.argmax(np.diff(bounds)))
    return slice(int(bounds[longest]), int(bounds[longest + 1]) - 1)
