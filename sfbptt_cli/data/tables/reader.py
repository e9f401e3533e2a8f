"""Recorded series in text files: read, repaired, cleaned, split, embedded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.embedding import embed_parts, settle_delays
from sfbptt_cli.data.missing import refuse_missing_codes
from sfbptt_cli.data.preprocessing import clean, smooth
from sfbptt_cli.data.recorded import (
    check_length,
    check_same_variables,
    recorded_dataset,
    refusing_as,
    summary,
)
from sfbptt_cli.data.sampling import Readings, Series, regularise, split_samples
from sfbptt_cli.data.settings import CsvSettings, TableSettings, TemperatureSettings
from sfbptt_cli.data.tables.numbers import Column, shortened
from sfbptt_cli.data.tables.table import Table, read_table
from sfbptt_cli.data.tables.timestamps import interval, parse_times

# Read by `dataset=temperature` without a path; its licence lies in the same folder.
SHIPPED = Path(__file__).parents[1] / "shipped" / "sea_surface_temperature.csv.gz"
_SHIPPED_COLUMN = "temperature (celsius)"

Array = NDArray[np.float64]
# Training parts and the test part, time units a sample, the time unit, and notes.
Prepared = tuple[list[Array], float, str, list[str]]


def read_csv(settings: CsvSettings) -> Dataset:
    """Read the dataset of a text table, with a note on everything that was done to the readings.

    In this order: repair and resample; split in chronological order, or by trajectory; trend and
    cycles, fitted to the training part; smoothing and delay embedding of each part alone, so that
    no delay vector has values of both.
    Raises RequestError with row and column for what cannot be used.
    """
    if settings.path is None:
        raise RequestError("dataset.path: nothing was given; accepted: a text table")
    return _dataset(read_table(Path(settings.path), settings), settings)


def read_temperature(settings: TemperatureSettings) -> Dataset:
    """Read one column as `read_csv` does; without a path, the sea-surface series shipped here."""
    path = SHIPPED if settings.path is None else Path(settings.path)
    if settings.path is None:
        settings = replace(
            settings,
            path=str(path),
            time_column=settings.time_column or "auto",
            column=settings.column or _SHIPPED_COLUMN,
        )
    table = read_table(path, settings)
    if len(table.names) > 1:
        raise RequestError(f"dataset.column: nothing was given; accepted: {', '.join(table.names)}")
    return _dataset(table, settings)


def _dataset(table: Table, settings: TableSettings) -> Dataset:
    if settings.missing_codes == "refuse":
        refuse_missing_codes(table.values, table.names, table.lines)
    prepare = _two_parts if settings.trajectory_column is None else _trajectories
    prepare = prepare if settings.test_path is None else _two_files
    parts, dt, unit, notes = prepare(table, settings)
    lag, dimension, estimates = settle_delays(settings, table.names, lambda: parts[0])
    parts, variables, delays = embed_parts(parts, table.names, lag, dimension)
    notes = [*table.notes, *notes, *estimates, *delays]
    dataset = recorded_dataset(settings, parts, variables, dt, unit, notes)
    clock = None if table.clock is None else table.clock.name
    read = summary(len(table.lines), table.names, clock, interval(dt, unit))
    return replace(dataset, read=read)


def _two_parts(table: Table, settings: TableSettings) -> Prepared:
    """Regularise a series, split it in chronological order, and clean it."""
    series, unit, notes = _series(table, settings)
    assert settings.train_fraction is not None
    end, start = split_samples(series.reaches, settings.train_fraction, notes)
    check_length(end, len(series.values) - start, settings.path)
    train, test, cleaned = clean(series.values, end, start, series.dt, unit, settings)
    _check_varies(series.values[:end], train, table.names)
    return [train, test], series.dt, unit, [*notes, *cleaned]


def _trajectories(table: Table, settings: TableSettings) -> Prepared:
    """Regularise and smooth each trajectory alone; the last one tests."""
    notes, parts, intervals, unit = [], [], [], ""
    for text, part in table.trajectories().items():
        label = shortened(text)
        series, unit, changes = _series(part, settings)
        notes += [f"trajectory '{label}': {change}" for change in changes]
        parts.append(series.values)
        intervals.append((label, series.dt))
    (first, dt), *others = intervals
    for label, other in others:
        if not np.isclose(other, dt, rtol=1e-6, atol=0):
            raise RequestError(
                f"dataset.trajectory_column: '{label}' is sampled every {other:g} {unit}, "
                f"'{first}' every {dt:g}; accepted: one interval (dataset.resample makes one)"
            )
    if not others:
        raise RequestError(
            f"dataset.trajectory_column: every row belongs to '{first}'; accepted: several"
        )
    if settings.smoothing > 0:
        parts = smooth(parts, settings.smoothing)
        notes.append(f"Gaussian filter of sigma {settings.smoothing:g} samples, each alone")
    notes.append(f"{len(others)} trajectories train, '{others[-1][0]}' tests")
    train = np.concatenate(parts[:-1])
    _check_varies(train, train, table.names)
    return parts, dt, unit, notes


def _two_files(table: Table, settings: TableSettings) -> Prepared:
    """Regularise and smooth the series of the table, and that of the file that tests."""
    assert settings.test_path is not None
    with refusing_as("dataset.test_path"):
        tested = read_table(Path(settings.test_path), settings)
        if settings.missing_codes == "refuse":
            refuse_missing_codes(tested.values, tested.names, tested.lines)
        test, _, changes = _series(tested, settings)
    series, unit, notes = _series(table, settings)
    check_same_variables(table.names, tested.names, series.dt, test.dt, settings.test_path)
    notes += [f"test file: {change}" for change in [*tested.notes, *changes]]
    check_length(len(series.values), len(test.values), settings.path)
    parts = [series.values, test.values]
    if settings.smoothing > 0:
        parts = smooth(parts, settings.smoothing)
        notes.append(f"Gaussian filter of sigma {settings.smoothing:g} samples, each file alone")
    _check_varies(series.values, parts[0], table.names)
    return parts, series.dt, unit, notes


def _series(table: Table, settings: TableSettings) -> tuple[Series, str, list[str]]:
    """Return the regular series, its time unit, and notes."""
    dt, unit, clock = settings.dt, settings.time_unit, table.clock
    if clock is None or clock.counts:
        # Once the interval is given, time is no longer counted in steps.
        unit = ("steps" if dt is None else "time units") if unit == "auto" else unit
        times = np.arange(len(table.lines), dtype=np.float64)
        if clock is not None:
            column = Column(clock.name, table.texts["time"], table.lines)
            times, _ = parse_times(column, "number", unit)
        times = (dt or 1.0) * times
    else:
        column = Column(clock.name, table.texts["time"], table.lines)
        times, unit = parse_times(column, settings.time_format, unit, clock.unit)
        repeated = int(np.count_nonzero(np.diff(times) == 0))
        if 2 * repeated >= len(times) - 1 > 1 and settings.resample is None:
            raise RequestError(
                f"dataset.time_column: {repeated} of {len(times)} rows repeat the time in "
                f"'{clock.name}'; accepted: date and time of day together, such as "
                "'dataset.time_column=\"date + time\"', dataset.time_column=null dataset.dt=… "
                "(rounded times), dataset.trajectory_column=…, or dataset.resample=…"
            )
    readings = Readings(times, table.values, table.lines, table.names, unit)
    series, notes = regularise(readings, settings)
    if clock is not None and dt is not None and not np.isclose(series.dt, dt, rtol=0.01, atol=0):
        raise RequestError(
            f"dataset.dt: {dt:g} was given, but the times in column '{clock.name}' are "
            f"{series.dt:g} {unit} apart; accepted: no dataset.dt, or dataset.time_column=null and "
            "the names of the columns to read"
        )
    return series, unit, notes


def _check_varies(raw: Array, cleaned: Array, names: tuple[str, ...]) -> None:
    """Raise RequestError for a column of the training part that is constant or becomes so."""
    ranges, left = np.ptp(raw, axis=0), np.ptp(cleaned, axis=0)
    constant = np.flatnonzero((ranges == 0) | (left <= 1e-9 * ranges))
    if len(constant):
        raise RequestError(
            f"dataset.path: column '{names[constant[0]]}' is constant in the training part, or "
            "nothing but the trend and cycles to remove; accepted: columns that vary"
        )
