"""Recorded series in text files: read, repaired, cleaned, split, embedded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.embedding import delay_embed, delay_names, estimate_dimension, estimate_lag
from sfbptt_cli.data.preprocessing import clean, smooth_all
from sfbptt_cli.data.recorded import check_length, describe_trajectories, recorded_dataset
from sfbptt_cli.data.sampling import Readings, Series, regularise
from sfbptt_cli.data.settings import (
    CsvSettings,
    DelaySettings,
    TableSettings,
    TemperatureSettings,
)
from sfbptt_cli.data.tables.numbers import Column
from sfbptt_cli.data.tables.table import Table, read_table
from sfbptt_cli.data.tables.timestamps import parse_times

# Read by `dataset=temperature` without a path; its licence lies in the same folder.
SHIPPED = Path(__file__).parents[1] / "shipped" / "sea_surface_temperature.csv.gz"
_SHIPPED_COLUMN = "temperature (celsius)"
_SHIPPED_TIME = "time (UTC)"

Array = NDArray[np.float64]


def read_csv(settings: CsvSettings, window: int) -> Dataset:
    """Read the dataset of a text table, with a note on everything that was done to the readings.

    In this order: repair and resample; split in chronological order, or by trajectory; trend and
    cycles, fitted to the training part; smoothing and delay embedding of each part alone, so that
    no delay vector has values of both. `window` is the length of a training sequence, in steps.
    Raises RequestError with row and column for what cannot be used.
    """
    if settings.path is None:
        raise RequestError("dataset.path: nothing was given; accepted: a text table")
    return _dataset(read_table(Path(settings.path), settings), settings, window)


def read_temperature(settings: TemperatureSettings, window: int) -> Dataset:
    """Read one column as `read_csv` does; without a path, the sea-surface series shipped here."""
    path = SHIPPED if settings.path is None else Path(settings.path)
    if settings.path is None:
        settings = replace(
            settings,
            path=str(path),
            time_column=settings.time_column or _SHIPPED_TIME,
            column=settings.column or _SHIPPED_COLUMN,
        )
    table = read_table(path, settings)
    if len(table.names) > 1:
        raise RequestError(f"dataset.column: nothing was given; accepted: {', '.join(table.names)}")
    return _dataset(table, settings, window)


def _dataset(table: Table, settings: TableSettings, window: int) -> Dataset:
    if settings.trajectory_column is not None:
        return _of_trajectories(table, settings, window)
    series, unit, notes = _series(table, settings)
    assert settings.train_fraction is not None
    end, start = _split(series, settings.train_fraction, notes)
    check_length(end, len(series.values) - start, window, settings.path)
    *parts, cleaned = clean(series.values, end, start, series.dt, unit, settings)
    _check_varies(series.values[:end], parts[0], table.names)
    (train, test), variables, embedded = _embed(parts, table.names, settings)
    check_length(len(train), len(test), window, settings.path)
    notes = [*table.notes, *notes, *cleaned, *embedded]
    return recorded_dataset(settings, train, test, variables, series.dt, unit, notes)


def _of_trajectories(table: Table, settings: TableSettings, window: int) -> Dataset:
    """Regularise, smooth and embed each trajectory alone; the last one tests."""
    notes, parts, intervals, unit = list(table.notes), [], {}, "steps"
    for label, part in table.trajectories().items():
        series, unit, changes = _series(part, settings)
        notes += [f"trajectory '{label}': {change}" for change in changes]
        parts.append(series.values)
        intervals[label] = series.dt
    (first, dt), *others = intervals.items()
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
        parts = smooth_all(parts, settings.smoothing)
        notes.append(f"Gaussian filter of sigma {settings.smoothing:g} samples, each alone")
    _check_varies(np.concatenate(parts[:-1]), np.concatenate(parts[:-1]), table.names)
    (*trained, test), variables, embedded = _embed(parts, table.names, settings)
    lengths = tuple(map(len, trained))
    check_length(max(lengths), len(test), window, settings.path)
    notes += [*embedded, *describe_trajectories(lengths, window)]
    train = np.concatenate(trained)
    return recorded_dataset(settings, train, test, variables, dt, unit, notes, lengths)


def _series(table: Table, settings: TableSettings) -> tuple[Series, str, list[str]]:
    """Return the regular series, its time unit, and notes."""
    if settings.time_column is None:
        unit = "steps" if settings.time_unit == "auto" else settings.time_unit
        dt = 1.0 if settings.dt is None else settings.dt
        times = dt * np.arange(len(table.lines), dtype=np.float64)
    else:
        column = Column(settings.time_column, table.texts["time"], table.lines)
        times, unit = parse_times(column, settings.time_format, settings.time_unit)
    readings = Readings(times, table.values, table.lines, table.names, unit)
    series, notes = regularise(readings, settings)
    return series, unit, notes


def _split(series: Series, train_fraction: float, notes: list[str]) -> tuple[int, int]:
    """Find where the training part ends and the test part begins, in samples.

    Between them lie those that are interpolated from readings of both.
    """
    start = round(train_fraction * len(series.values))
    end = int(np.searchsorted(series.reaches[:start], start))
    if end < start:
        notes.append(
            f"{start - end} samples between training and test part left out: "
            "they are interpolated from readings of both"
        )
    return end, start


def _embed(
    parts: list[Array], names: tuple[str, ...], settings: DelaySettings
) -> tuple[list[Array], tuple[str, ...], list[str]]:
    """Return delay vectors of each part, names of the variables, and notes on the estimates."""
    lag, dimension = settings.lag, settings.dimension
    if dimension == 1:
        return parts, names, []
    if "auto" in (lag, dimension) and len(names) > 1:
        wrong = "lag" if lag == "auto" else "dimension"
        raise RequestError(
            f"dataset.{wrong}: auto was given for {len(names)} columns; "
            f"accepted: a number, or one column"
        )
    notes = []
    train = parts[0][:, 0]
    if lag == "auto":
        lag, criterion = estimate_lag(train)
        notes.append(f"lag {lag} samples estimated from the training part: {criterion}")
    if dimension == "auto":
        dimension, share = estimate_dimension(train, int(lag))
        notes.append(
            f"dimension {dimension} estimated from the training part: "
            f"{100 * share:.1f}% false neighbours"
        )
    lag, dimension = int(lag), int(dimension)
    shortest = min(len(part) for part in parts)
    if (dimension - 1) * lag >= shortest:
        raise RequestError(
            f"dataset.dimension: {dimension} delays of {lag} samples span more than the "
            f"{shortest} samples of the shortest part; accepted: fewer or shorter delays, or "
            "another dataset.train_fraction"
        )
    notes.append(f"{dimension} delays of {lag} samples, each part alone")
    return (
        [delay_embed(part, lag, dimension) for part in parts],
        delay_names(names, lag, dimension),
        notes,
    )


def _check_varies(raw: Array, cleaned: Array, names: tuple[str, ...]) -> None:
    ranges, left = np.ptp(raw, axis=0), np.ptp(cleaned, axis=0)
    constant = np.flatnonzero((ranges == 0) | (left <= 1e-9 * ranges))
    if len(constant):
        raise RequestError(
            f"dataset.path: column '{names[constant[0]]}' is constant in the training part, or "
            "nothing but the trend and cycles to remove; accepted: columns that vary"
        )
