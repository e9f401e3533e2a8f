"""When the training part is denoised, and that nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import as_dataset, composed

from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.denoising import teacher_of

_SMALL = (
    "dataset.train_steps=5000",
    "dataset.test_steps=300",
    "dataset.floor_trajectories=1",
)


def _config(*overrides: str):
    return typed_config(composed("train", *_SMALL, *overrides))


def test_noise_is_taken_off_the_training_part_alone(cache) -> None:
    noisy = _config("dataset.observation_noise=0.05")
    clean, seen = build_dataset(_config().dataset), build_dataset(noisy.dataset)
    teacher, said = teacher_of(noisy, seen)
    std = clean.train.std(axis=0)
    np.testing.assert_allclose((seen.train - clean.train).std(axis=0) / std, 0.05, rtol=0.05)
    assert ((teacher.train - clean.train).std(axis=0) / std).max() < 0.02
    np.testing.assert_array_equal(teacher.test, seen.test)
    assert said is not None
    assert said.startswith("denoised: 4.7% of a standard deviation taken off the training part, by")
    assert teacher.preprocessing[-1] == said
    # From the cache it is the same to the bit.
    np.testing.assert_array_equal(teacher_of(noisy, seen)[0].train, teacher.train)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("dataset.observation_noise=0.002",),
        ("dataset.observation_noise=0.05", "denoise=none"),
        ("dataset.observation_noise=0.05", "dataset.lag=10", "dataset.dimension=3"),
    ],
    ids=["clean", "too little", "none", "delay vectors"],
)
def test_other_data_are_trained_on_as_they_are(overrides: tuple[str, ...], cache) -> None:
    config = _config(*overrides)
    dataset = build_dataset(config.dataset)
    teacher, said = teacher_of(config, dataset)
    assert teacher is dataset
    assert said is None


def test_smooth_recordings_are_trained_on_as_they_are(cache) -> None:
    config = typed_config(composed("train", "dataset=csv", "dataset.path=x.csv"))
    phase = 0.05 * np.arange(5_000)
    dataset = as_dataset(np.stack([np.sin(phase), np.cos(1.3 * phase)], axis=1))
    assert teacher_of(config, dataset) == (dataset, None)
