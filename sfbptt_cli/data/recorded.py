"""Datasets of recorded series, whatever file they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Array, Dataset
from sfbptt_cli.data.settings import RecordedSettings

# With fewer test steps, spectrum and attractor cannot be measured.
MINIMUM_TEST_STEPS = 200


def recorded_dataset(
    settings: RecordedSettings,
    train: Array,
    test: Array,
    variables: Sequence[str],
    dt: float,
    time_unit: str,
    notes: Iterable[str] = (),
    lengths: tuple[int, ...] = (),
) -> Dataset:
    """Make a dataset of a training part (T, N) and a test part (T', N).

    `lengths` are those of the training trajectories where there are several, one after another.
    """
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


def describe_trajectories(lengths: Sequence[int], window: int) -> list[str]:
    """Return notes on several training trajectories: how many, and how many are too short."""
    if not lengths:
        return []
    notes = [f"{len(lengths)} trajectories train, the last one tests"]
    if short := sum(n <= window for n in lengths):
        notes.append(f"{short} trajectories give no window: they have at most {window} steps")
    return notes
