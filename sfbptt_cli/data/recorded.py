"""Datasets of recorded series, whatever file they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Array, Dataset
from sfbptt_cli.data.settings import RecordedSettings

# With fewer test steps, spectrum and attractor cannot be measured.
MINIMUM_TEST_STEPS = 200
# Squares and sums of larger numbers, or of the inverse of it, leave the range of float64.
_LARGEST = 1e100
# The least that a variable varies, in its own size: some hundred steps of float64.
_DIGITS = 1e-13
# Variables that are named in a line.
_SHOWN = 8


def recorded_dataset(
    settings: RecordedSettings,
    parts: Sequence[Array],
    variables: Sequence[str],
    dt: float,
    time_unit: str,
    notes: Sequence[str],
) -> Dataset:
    """Make a dataset of series (T, N), of which the last one tests and the others train.

    They are several trajectories if `settings.train_fraction` is None, or there are several before
    the last. Numbers that are no floats of at most 64 bits become float64. Raises RequestError if
    they are too short, constant, or too large or too small to compute with.
    """
    *trained, test = parts
    check_length(max(map(len, trained)), len(test), settings.path)
    several = settings.train_fraction is None or len(trained) > 1
    lengths = tuple(map(len, trained)) if several else ()
    notes = list(notes)
    train = np.concatenate(trained) if lengths else trained[0]
    if train.dtype.kind != "f" or train.dtype.itemsize > 8:
        train, test = train.astype(np.float64), test.astype(np.float64)
    _check_scale(train, test, variables, settings.path)
    return Dataset(
        name=settings.name,
        train=train,
        test=test,
        independent=None,
        variables=tuple(variables),
        dt=dt,
        time_unit=time_unit,
        lambda_max=settings.lambda_max,
        lambda_source="not given" if settings.lambda_max is None else "dataset.lambda_max",
        preprocessing=tuple(notes),
        train_lengths=lengths,
    )


def check_length(train: int, test: int, path: str | None) -> None:
    """Raise RequestError for too few `train` steps to train on or `test` steps to measure with."""
    if train < 2 or test < MINIMUM_TEST_STEPS:
        raise RequestError(
            f"dataset.path: '{path}' is too short: {train} training and {test} test steps; "
            f"accepted: at least 2 and {MINIMUM_TEST_STEPS}"
        )


def _check_scale(train: Array, test: Array, variables: Sequence[str], path: str | None) -> None:
    """Raise RequestError for a variable that cannot be standardised and squared in float64."""
    low, high = train.min(axis=0).astype(np.float64), train.max(axis=0).astype(np.float64)
    size = np.maximum(np.abs(low), np.abs(high))
    size_of_test = np.maximum(np.abs(test.min(axis=0)), np.abs(test.max(axis=0)))
    for i, name in enumerate(variables):
        column = f"dataset.path: column '{name}' of '{path}'"
        if low[i] == high[i]:
            raise RequestError(
                f"{column} is constant in the training part; accepted: columns that vary (those of "
                "dataset.columns)"
            )
        if max(size[i], size_of_test[i]) > _LARGEST or high[i] - low[i] < 1 / _LARGEST:
            raise RequestError(
                f"{column} has values from {low[i]:g} to {high[i]:g} in the training part, up to "
                f"{size_of_test[i]:g} in the test part; accepted: sizes from {1 / _LARGEST:g} to "
                f"{_LARGEST:g} (another unit)"
            )
        if high[i] - low[i] < _DIGITS * size[i]:
            raise RequestError(
                f"{column} varies between {low[i]!r} and {high[i]!r}, within the rounding of "
                "64-bit numbers; accepted: a variable without that offset"
            )


def summary(rows: int, names: Sequence[str], clock: str | None, interval: str) -> str:
    """Describe in a line what was read; `interval` is that of the samples, in words."""
    shown = [f"'{name}'" for name in names[:_SHOWN]]
    if (more := len(names) - _SHOWN) > 0:
        shown.append(f"{more} more")
    time = "rows counted as time" if clock is None else f"time from '{clock}'"
    return f"{rows} rows of {', '.join(shown)}; {time}; dt = {interval}"


def check_measured(truth: Array, variables: Sequence[str], part: str) -> None:
    """Raise RequestError for a variable that is constant in what is measured, (T, N) of `part`."""
    constant = np.flatnonzero(truth.max(axis=0) == truth.min(axis=0))
    if len(constant):
        raise RequestError(
            f"dataset: '{variables[constant[0]]}' is constant in the {len(truth)} {part} steps "
            "that are measured, where neither attractor nor spectrum has a scale; accepted: "
            "variables that vary there (dataset.columns names some), other evaluation.steps or "
            "evaluation.part, or another dataset.train_fraction"
        )


@contextmanager
def refusing_as(field: str) -> Iterator[None]:
    """Name `field` in refusals of the file that is read within, not `dataset.path`."""
    try:
        yield
    except RequestError as error:
        message = str(error).replace("dataset.path:", f"{field}:", 1)
        raise RequestError(message) from error


def check_same_variables(
    variables: Sequence[str], tested: Sequence[str], dt: float, tested_dt: float, path: str
) -> None:
    """Raise RequestError where a test file has other variables or another interval."""
    if tuple(variables) != tuple(tested):
        raise RequestError(
            f"dataset.test_path: '{path}' has test data of other variables: "
            f"{_listed(tested)}; accepted: those of dataset.path, {_listed(variables)}"
        )
    if not np.isclose(dt, tested_dt, rtol=1e-3, atol=0):
        raise RequestError(
            f"dataset.test_path: '{path}' is sampled every {tested_dt:g}, dataset.path every "
            f"{dt:g}; accepted: one interval"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
