"""Recorded series in files of arrays: NumPy, HDF5, MATLAB, netCDF, Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.patterns import expand
from sfbptt_cli.data.array_choice import Found, find_series
from sfbptt_cli.data.array_time import Recording, with_time
from sfbptt_cli.data.dataset import CHUNK, Dataset
from sfbptt_cli.data.kinds import ARRAYS
from sfbptt_cli.data.recorded import (
    MINIMUM_TEST_STEPS,
    check_same_variables,
    recorded_dataset,
    refusing_as,
    summary,
)
from sfbptt_cli.data.settings import ArraySettings
from sfbptt_cli.data.tables.timestamps import interval

Array = NDArray[Any]

_MOST_TRAJECTORIES = 100_000


def read_array_dataset(settings: ArraySettings) -> Dataset:
    """Read a (T, N) array, or (T,) as one variable, split in chronological order; or several.

    The first `train_fraction` of the steps trains, the rest tests. A `.npy` file is memory-mapped.
    A `path` with * names several files, a `key` with * several arrays of a file, and an array
    (K, T, N) holds several trajectories: then `train_fraction` is null, the last one (by name, in
    natural order) tests and the others train. With `test_path` all of `path` trains. Times, in the
    array or beside it, give dt and are no variable. Raises RequestError naming row and column
    (counted from 0) for what cannot be used: missing, empty, text, complex, NaN, Inf, constant, too
    short.
    """
    if settings.path is None:
        raise RequestError(
            f"dataset.path: nothing was given; accepted: a file, {', '.join(ARRAYS)}"
        )
    recording = read_recording(settings.path, settings)
    if settings.test_path is None:
        parts = _split(recording, settings.train_fraction, settings.path)
        notes = recording.notes
        if (others := len(recording.series) - 1) > 0:
            notes = [*notes, f"{others} trajectories train, {recording.labels[-1]} tests"]
    else:
        with refusing_as("dataset.test_path"):
            tested = read_recording(settings.test_path, settings)
        path = settings.test_path
        if (count := len(tested.series)) > 1:
            raise RequestError(
                f"dataset.test_path: '{path}' holds {count} trajectories; accepted: one"
            )
        check_same_variables(recording.names, tested.names, recording.dt, tested.dt, path)
        parts = [*recording.series, tested.series[0]]
        notes = [*recording.notes, *(f"test file: {note}" for note in tested.notes)]
    names, dt, unit = recording.names, recording.dt, recording.time_unit
    try:
        dataset = recorded_dataset(settings, parts, names, dt, unit, notes)
    except RequestError as error:
        rows, columns = recording.series[0].shape
        if rows >= columns:
            raise
        raise RequestError(
            f"{error}; rows are time here, {rows} of them, and columns variables, {columns}"
        ) from error
    rows = sum(map(len, recording.series))
    return replace(dataset, read=summary(rows, names, recording.clock, interval(dt, unit)))


def read_recording(path: str, settings: ArraySettings) -> Recording:
    """Read all series of the files that `path` names, as the settings choose them."""
    found: list[Found] = []
    for place in expand(path, "dataset.path"):
        for series in find_series(place, settings):
            if series.values.ndim != 3:
                found.append(series)
                continue
            # Empty ones take no room in a file, but as much memory as others.
            if len(found) + len(series.values) > _MOST_TRAJECTORIES:
                raise RequestError(
                    f"dataset.path: '{place}' has shape {series.values.shape}; accepted: at most "
                    f"{_MOST_TRAJECTORIES} trajectories"
                )
            found += [_trajectory(series, k) for k in range(len(series.values))]
    if not found:
        raise RequestError(f"dataset.path: '{path}' holds no trajectory; accepted: one or more")
    for series in found:
        _check_shape(series)
    found = _upright(found)
    first = found[0]
    for series in found:
        if series.values.shape[1] != first.values.shape[1] or series.names != first.names:
            raise RequestError(
                f"dataset.path: '{series.place}' has {_variables(series)} and '{first.place}' "
                f"{_variables(first)}; accepted: the same in every trajectory"
            )
    recording = with_time(found, settings)
    for place, series in zip(recording.places, recording.series, strict=True):
        _check_finite(series, place)
    return recording


def _trajectory(series: Found, k: int) -> Found:
    axis = series.time_axis
    return replace(
        series,
        label=f"trajectory {k + 1} of {series.label}",
        values=series.values[k],
        time_axis=None if axis is None else axis - 1,
    )


def _variables(series: Found) -> str:
    named = f" ({', '.join(series.names[:5])})" if series.names else ""
    return f"{series.values.shape[1]} variables{named}"


def _check_shape(series: Found) -> None:
    values, place = series.values, series.place
    if values.ndim not in (1, 2):
        raise RequestError(
            f"dataset.path: '{place}' has shape {values.shape}; accepted: (time, variables)"
        )
    if values.size == 0:
        raise RequestError(f"dataset.path: '{place}' is empty: shape {values.shape}")


def _upright(found: list[Found]) -> list[Found]:
    """Lay all arrays (time, variables).

    The file tells by the names of axes or by the length of its times. Else arrays of more columns
    than rows, with too few rows to test with, are (variables, time).
    """
    columns = [replace(s, values=s.values[:, None]) if s.values.ndim == 1 else s for s in found]
    shapes = [series.values.shape for series in columns]
    lying = all(rows < others for rows, others in shapes) and shapes[-1][0] < MINIMUM_TEST_STEPS
    turned = []
    for series in columns:
        values, axis = series.values, series.time_axis
        if axis is None and series.times is not None:
            fits = [i for i, n in enumerate(values.shape) if n == len(series.times)]
            axis = fits[0] if len(fits) == 1 else None
        if axis == 1 or (axis is None and lying):
            note = f"shape {values.shape} is read as (variables, time)"
            series = replace(series, values=values.T, notes=[*series.notes, note])
        elif axis is None and values.shape[0] < values.shape[1]:
            note = f"shape {values.shape} is read as (time, variables)"
            series = replace(series, notes=[*series.notes, note])
        turned.append(series)
    return turned


def _check_finite(series: Array, place: str) -> None:
    for first in range(0, len(series), CHUNK):
        bad = np.argwhere(~np.isfinite(series[first : first + CHUNK]))
        if len(bad):
            row, column = first + bad[0][0], bad[0][1]
            value = series[row, column]
            repaired = ", or dataset.missing=interpolate" if np.isnan(value) else ""
            raise RequestError(
                f"dataset.path: '{place}' row {row}, column {column} holds {value} "
                f"(counted from 0); accepted: finite numbers{repaired}"
            )


def _split(recording: Recording, train_fraction: float | None, path: str) -> Sequence[Array]:
    """Return the training part or the training trajectories, and the test part."""
    series = recording.series
    if len(series) == 1:
        if train_fraction is None:
            raise RequestError(
                f"dataset.train_fraction: null was given, but '{path}' holds one series; "
                "accepted: a number between 0 and 1, or a dataset.test_path"
            )
        end, start = recording.split(train_fraction)
        return [series[0][:end], series[0][start:]]
    if train_fraction is not None:
        raise RequestError(
            f"dataset.train_fraction: {train_fraction} was given, but '{path}' holds "
            f"{len(series)} trajectories; accepted: null (the last one tests, the others train), "
            "or a dataset.test_path"
        )
    return series
