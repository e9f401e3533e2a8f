"""Recorded series in text files: read, repaired, cleaned, split, embedded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.arrays import check_length, tell_trajectories
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.embedding import delay_embed, delay_names, estimate_dimension, estimate_lag
from sfbptt_cli.data.preprocessing import Cleaning, clean, smooth_all
from sfbptt_cli.data.sampling import Readings, Repairs, Series, regularise
from sfbptt_cli.data.tables.table import Table, TableFormat, read_table, split_table
from sfbptt_cli.data.tables.timestamps import parse_times

# The series that `dataset=temperature` reads when no path is given; its licence lies beside it.
SHIPPED = Path(__file__).parents[1] / "shipped" / "sea_surface_temperature.csv.gz"
_SHIPPED_COLUMN = "temperature (celsius)"
_SHIPPED_TIME = "time (UTC)"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CsvSource:
    """What is read, and how it becomes a dataset."""

    name: str = "csv"
    path: str | None = None
    columns: tuple[str, ...] | None = None  # None: every column of numbers
    time_column: str | None = None
    trajectory_column: str | None = None  # its text tells the trajectory that a row belongs to
    time_format: str | None = None  # signs of datetime.strptime, or number; None: found
    time_unit: str | None = None  # of dates: seconds, minutes, hours, days (None); else any name
    dt: float | None = None  # time units between two rows, of a file without time stamps (None: 1)
    lag: int | str = 1  # between two delays, samples, or auto
    dimension: int | str = 1  # number of delays of each column, or auto; 1: no embedding
    # The first part trains, the rest tests; None with a trajectory column: the last one tests.
    train_fraction: float | None = 0.8
    lambda_max: float | None = None  # per time unit
    form: TableFormat = field(default_factory=TableFormat)
    repairs: Repairs = field(default_factory=Repairs)
    cleaning: Cleaning = field(default_factory=Cleaning)


def read_csv_dataset(source: CsvSource, window: int) -> Dataset:
    """The dataset, with a sentence for everything that was done to the readings.

    In this order: repair and resample; split in chronological order, or by trajectory; trend and
    cycles, fitted to the training part; smoothing and delay embedding of each part alone, so that
    no delay vector has values of both. `window` is the length of a training sequence, in steps.
    Raises RequestError with row and column for what cannot be used.
    """
    return _dataset(_table(source, "dataset.columns"), source, window)


def read_temperature(source: CsvSource, column: str | None, window: int) -> Dataset:
    """`read_csv_dataset` of one column; without a path, of the sea-surface series shipped here."""
    if source.path is None:
        source = replace(source, path=str(SHIPPED), time_column=source.time_column or _SHIPPED_TIME)
        column = column or _SHIPPED_COLUMN
    chosen = None if column is None else (column,)
    table = _table(replace(source, columns=chosen), "dataset.column")
    if len(table.names) > 1:
        raise RequestError(f"dataset.column: nothing was given; accepted: {', '.join(table.names)}")
    return _dataset(table, source, window)


def _table(source: CsvSource, columns_field: str) -> Table:
    if source.path is None:
        raise RequestError("dataset.path: nothing was given; accepted: a .csv or .csv.gz file")
    return read_table(
        Path(source.path),
        source.columns,
        source.time_column,
        source.form,
        columns_field,
        source.trajectory_column,
    )


def _dataset(table: Table, source: CsvSource, window: int) -> Dataset:
    _require_fraction(source)
    if table.labels is not None:
        return _of_trajectories(table, source, window)
    series, unit, notes = _series(table, source)
    assert source.train_fraction is not None
    end, start = _split(series, source.train_fraction, notes)
    check_length(end, len(series.values) - start, window, str(source.path))
    *parts, cleaned = clean(series.values, end, start, series.dt, unit, source.cleaning)
    _check_varies(series.values[:end], parts[0], table.names)
    (train, test), variables, embedded = _embed(parts, table.names, source.lag, source.dimension)
    check_length(len(train), len(test), window, str(source.path))
    return Dataset(
        name=source.name,
        train=train,
        test=test,
        independent=None,
        variables=variables,
        dt=series.dt,
        time_unit=unit,
        lambda_max=source.lambda_max,
        lambda_source="dataset.lambda_max" if source.lambda_max is not None else "not given",
        preprocessing=(*table.notes, *notes, *cleaned, *embedded),
    )


def _require_fraction(source: CsvSource) -> None:
    """RequestError unless `train_fraction` splits one series, or is None for several."""
    if source.trajectory_column is None and source.train_fraction is None:
        raise RequestError(
            "dataset.train_fraction: null was given; accepted: a number between 0 and 1, or "
            "dataset.trajectory_column as well"
        )
    if source.trajectory_column is not None and source.train_fraction is not None:
        raise RequestError(
            f"dataset.train_fraction: {source.train_fraction} was given; accepted with "
            "dataset.trajectory_column: null (the last trajectory tests, the others train)"
        )


def _of_trajectories(table: Table, source: CsvSource, window: int) -> Dataset:
    """Every trajectory regularised, smoothed and embedded alone; the last one tests."""
    cleaning = source.cleaning
    for name, off in (("trend", "none"), ("yearly_cycle", 0), ("daily_cycle", 0)):
        if (given := getattr(cleaning, name)) != off:
            raise RequestError(
                f"dataset.{name}: {given} was given; accepted with dataset.trajectory_column: {off}"
            )
    notes, parts, intervals, unit = list(table.notes), [], {}, "steps"
    for label, part in split_table(table):
        series, unit, told = _series(part, source)
        notes += [f"trajectory '{label}': {sentence}" for sentence in told]
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
    if cleaning.smoothing > 0:
        parts = smooth_all(parts, cleaning.smoothing)
        notes.append(f"Gaussian filter of sigma {cleaning.smoothing:g} samples, each alone")
    _check_varies(np.concatenate(parts[:-1]), np.concatenate(parts[:-1]), table.names)
    embedded, variables, told = _embed(parts, table.names, source.lag, source.dimension)
    *trained, test = embedded
    lengths = tuple(map(len, trained))
    check_length(max(lengths), len(test), window, str(source.path))
    return Dataset(
        name=source.name,
        train=np.concatenate(trained),
        test=test,
        independent=None,
        variables=variables,
        dt=dt,
        time_unit=unit,
        lambda_max=source.lambda_max,
        lambda_source="dataset.lambda_max" if source.lambda_max is not None else "not given",
        preprocessing=(*notes, *told, *tell_trajectories(lengths, window)),
        train_lengths=lengths,
    )


def _series(table: Table, source: CsvSource) -> tuple[Series, str, list[str]]:
    """The regular series, its time unit, and notes."""
    if table.stamps is None:
        unit = source.time_unit or "steps"
        dt = 1.0 if source.dt is None else source.dt
        times = dt * np.arange(len(table.lines), dtype=np.float64)
    else:
        assert source.time_column is not None
        if source.dt is not None:
            raise RequestError(
                f"dataset.dt: {source.dt:g} was given, but column '{source.time_column}' holds "
                "the times; accepted: null, and dataset.resample for another interval"
            )
        times, unit = parse_times(
            table.stamps, table.lines, source.time_column, source.time_format, source.time_unit
        )
    readings = Readings(times, table.values, table.lines, table.names, unit)
    series, notes = regularise(readings, source.repairs)
    return series, unit, notes


def _split(series: Series, train_fraction: float, notes: list[str]) -> tuple[int, int]:
    """Where the training part ends and the test part begins, in samples.

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
    parts: list[Array], names: tuple[str, ...], lag: int | str, dimension: int | str
) -> tuple[list[Array], tuple[str, ...], list[str]]:
    """Delay vectors of each part, names of the variables, and notes on the estimates."""
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
