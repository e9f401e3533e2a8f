"""Datasets of recorded series, whatever file they come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Array, Dataset
from sfbptt_cli.data.settings import RecordedSettings

# With fewer test steps, spectrum and attractor cannot be measured.
MINIMUM_TEST_STEPS = 200


def recorded_dataset(
    settings: RecordedSettings,
    parts: Sequence[Array],
    variables: Sequence[str],
    dt: float,
    time_unit: str,
    notes: Sequence[str],
    window: int,
) -> Dataset:
    """Make a dataset of series (T, N), of which the last one tests and the others train.

    They are several trajectories if `settings.train_fraction` is None. Numbers that are no floats
    of at most 64 bits become float64. Raises RequestError if they are too short for `window` steps.
    """
    *trained, test = parts
    check_length(max(map(len, trained)), len(test), window, settings.path)
    lengths = tuple(map(len, trained)) if settings.train_fraction is None else ()
    notes = list(notes)
    if lengths:
        notes.append(f"{len(lengths)} trajectories train, the last one tests")
    if short := sum(n <= window for n in lengths):
        notes.append(f"{short} trajectories give no window: they have at most {window} steps")
    train = np.concatenate(trained) if lengths else trained[0]
    if train.dtype.kind != "f" or train.dtype.itemsize > 8:
        train, test = train.astype(np.float64), test.astype(np.float64)
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


def check_length(train: int, test: int, window: int, path: str | None) -> None:
    """Raise RequestError for too few `train` steps to train on or `test` steps to measure with."""
    if train < window + 1 or test < MINIMUM_TEST_STEPS:
        raise RequestError(
            f"dataset.path: '{path}' is too short: {train} training and {test} test steps; "
            f"accepted: at least window + 1 = {window + 1} and {MINIMUM_TEST_STEPS}"
        )
