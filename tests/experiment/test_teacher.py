"""When the training part is denoised, and that nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import as_dataset, composed

from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import DatasetSettings
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.denoising import teacher_of
from sfbptt_cli.experiment.memory import memory_of
from sfbptt_cli.experiment.training import prepare

_SMALL = (
    "dataset.train_steps=5000",
    "dataset.test_steps=300",
    "dataset.floor_trajectories=1",
)


def _config(*overrides: str) -> TrainSettings:
    return typed_config(composed("train", *_SMALL, *overrides))


def _teacher(described: DatasetSettings, dataset: Dataset) -> tuple[Dataset, str | None]:
    return teacher_of(described, dataset, lambda: memory_of(dataset))


def test_noise_is_taken_off_the_training_part_alone() -> None:
    noisy = _config("dataset.observation_noise=0.05")
    clean, seen = build_dataset(_config().dataset), build_dataset(noisy.dataset)
    teacher, said = _teacher(noisy.dataset, seen)
    std = clean.train.std(axis=0)
    np.testing.assert_allclose((seen.train - clean.train).std(axis=0) / std, 0.05, rtol=0.05)
    assert ((teacher.train - clean.train).std(axis=0) / std).max() < 0.02
    np.testing.assert_array_equal(teacher.test, seen.test)
    assert said is not None
    assert said.startswith("denoised: 4.6% of a standard deviation taken off the training part, by")
    assert teacher.preprocessing[-1] == said
    # From the cache it is the same to the bit.
    np.testing.assert_array_equal(_teacher(noisy.dataset, seen)[0].train, teacher.train)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("dataset.observation_noise=0.002",),
        ("dataset.observation_noise=0.05", "dataset.lag=10", "dataset.dimension=3"),
    ],
    ids=["clean", "too little", "delay vectors"],
)
def test_other_data_are_trained_on_as_they_are(overrides: tuple[str, ...]) -> None:
    config = _config(*overrides)
    dataset = build_dataset(config.dataset)
    teacher, said = _teacher(config.dataset, dataset)
    assert teacher is dataset
    assert said is None


def test_smooth_and_random_recordings_are_trained_on_as_they_are() -> None:
    config = typed_config(composed("train", "dataset=csv", "dataset.path=x.csv"))
    phase = 0.05 * np.arange(5_000)
    dataset = as_dataset(np.stack([np.sin(phase), np.cos(1.3 * phase)], axis=1))
    assert _teacher(config.dataset, dataset) == (dataset, None)
    dataset = as_dataset(np.random.default_rng(0).normal(size=(3_000, 2)))
    assert _teacher(config.dataset, dataset) == (dataset, None)


def test_a_run_trains_on_what_denoise_says(tmp_path: Path) -> None:
    noise = "dataset.observation_noise=0.05"
    # The warm-up is given, as it would follow the noise and shift the windows.
    kept = prepare(_config(noise, "warmup=10", "denoise=none"), {}, tmp_path, {})
    assert kept.teacher is kept.dataset
    run = prepare(_config(noise, "warmup=10"), {}, tmp_path, {})
    windows = [r.trainer.windows for r in (kept, run)]
    seen, taught = (w.batch(w.starts(0)[0]) for w in windows)
    assert 0.03 < (seen - taught).std() < 0.06
    # Some noise is left, and free runs start from all of it; the loss sees what is left.
    assert run.horizon.gain == kept.horizon.gain == 0.2
    assert kept.horizon.loss_scale == pytest.approx(4 * 0.05**2, rel=0.1)
    assert run.horizon.loss_scale == 1e-3
    # What is stored and measured is the data as they were recorded.
    assert run.dataset.fingerprint() == kept.dataset.fingerprint()


@pytest.mark.parametrize(
    ("overrides", "warmup", "epochs"),
    [
        ((), 10, 60),
        (("dataset.observation_noise=0.05",), 40, 120),
        (("dataset.process_noise=0.1",), 10, 120),
        (("dataset.observed=[x,y]",), 10, 60),
    ],
)
def test_noisy_data_are_trained_for_longer(
    overrides: tuple[str, ...], warmup: int, epochs: int, tmp_path: Path
) -> None:
    run = prepare(_config(*overrides), {}, tmp_path, {})
    assert run.horizon.warmup >= warmup
    assert run.trainer.epochs == run.config.epochs == epochs
