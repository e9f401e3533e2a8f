"""Standardising, windows, fingerprints."""

from __future__ import annotations

import dataclasses
import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import as_dataset
from scipy import stats

from sfbptt_cli.data import dataset
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.windows import Windows

Array = npt.NDArray[Any]

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT.parent / "shared" / "data" / "lorenz_paper.npy"
CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
def test_standardiser_against_numpy(
    monkeypatch: pytest.MonkeyPatch, dtype: type[Any], chunk: int
) -> None:
    monkeypatch.setattr(dataset, "CHUNK", chunk)
    random = np.random.default_rng(0).normal(size=(103, 3))
    series = (random * [1e3, 1.0, 20.0] + [0.0, 1e5, -30.0]).astype(dtype)
    found = Standardiser.of(series)
    exact = series.astype(np.float64)
    assert found.mean.dtype == found.std.dtype == np.float64
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, exact.std(axis=0), rtol=1e-12)
    standard = found.standardise(series)
    assert standard.dtype == np.float64
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(standard.std(axis=0), 1, rtol=1e-12)


def test_restore_undoes_standardise_on_any_leading_axes() -> None:
    standardiser = Standardiser(np.array([3.0, -200.0]), np.array([0.5, 40.0]))
    x = np.random.default_rng(1).normal(size=(2, 4, 5, 2))
    expected = np.stack([(x[..., 0] - 3) / 0.5, (x[..., 1] + 200) / 40], axis=-1)
    np.testing.assert_array_equal(standardiser.standardise(x), expected)
    np.testing.assert_allclose(standardiser.restore(standardiser.standardise(x)), x, atol=1e-13)
    np.testing.assert_allclose(standardiser.standardise(standardiser.restore(x)), x, atol=1e-14)


def _windows(series: Array, window: int, batch: tuple[int, int], seed: int = 0) -> Windows:
    count = series.shape[1]
    same = Standardiser(np.zeros(count), np.ones(count))
    return Windows(as_dataset(series), same, window, batch[1], batch[0], seed, CPU, torch.float64)


def test_windows_hold_exactly_the_values_of_the_series() -> None:
    series = np.random.default_rng(2).normal(size=(50, 3))
    standardiser = Standardiser.of(series)
    windows = Windows(as_dataset(series), standardiser, 7, 4, 6, 0, CPU, torch.float64)
    assert len(windows) == 6
    assert windows.starts(0).shape == (6, 4)
    starts = np.array([0, 13, 42, 13])
    expected = np.stack([standardiser.standardise(series)[s : s + 8] for s in starts])
    batch = windows.batch(starts)
    assert batch.shape == (4, 8, 3)
    np.testing.assert_array_equal(batch.numpy(), expected)
    with pytest.raises(IndexError):
        windows.batch(np.array([43]))


def test_windows_are_single_precision_unless_told() -> None:
    series = np.random.default_rng(3).normal(1e4, 1.0, size=(50, 1))
    windows = Windows(as_dataset(series), Standardiser.of(series), 5, 2, 1, 0, CPU)
    batch = windows.batch(np.array([1, 9]))
    assert batch.dtype == torch.float32
    # Standardised in double precision first: 1e4 ± 1 in single precision has an error of 5e-4.
    expected = ((series - series.mean()) / series.std())[1:7]
    np.testing.assert_allclose(batch[0].numpy(), expected, rtol=1e-6, atol=1e-7)


def test_windows_of_a_mapped_file_stay_on_disk(tmp_path: Path) -> None:
    series = np.random.default_rng(4).normal(size=(400_000, 2))  # 6.4 MB
    np.save(tmp_path / "series.npy", series)
    mapped = np.load(tmp_path / "series.npy", mmap_mode="r")
    tracemalloc.start()
    try:
        windows = _windows(mapped, window=100, batch=(10, 32))
        batch = windows.batch(windows.starts(0)[0])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert batch.nbytes == 32 * 101 * 2 * 8  # 52 kB
    assert peak < 10 * batch.nbytes
    first = windows.starts(0)[0, 0]
    np.testing.assert_array_equal(batch[0].numpy(), series[first : first + 101])


def test_starts_depend_on_seed_and_epoch_alone() -> None:
    series = np.random.default_rng(5).normal(size=(1000, 2))
    one, other = (_windows(series, 10, (20, 8), seed=3) for _ in range(2))
    forwards = [one.starts(epoch) for epoch in (0, 1, 2)]
    one.batch(forwards[0][0])
    torch.manual_seed(1)
    backwards = [other.starts(epoch) for epoch in (2, 1, 0)][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    seeds = [_windows(series, 10, (20, 8), seed).starts(0) for seed in (0, 1, 2)]
    for a, b in itertools.combinations([*forwards, *seeds], 2):
        assert np.mean(a == b) < 0.05  # by chance one in 990


def test_starts_are_uniform_from_the_first_to_the_last_possible() -> None:
    # 27 steps have 20 windows of 8.
    windows = _windows(np.zeros((27, 1)), window=7, batch=(50, 40), seed=1)
    starts = np.concatenate([windows.starts(epoch).ravel() for epoch in range(10)])
    counts = np.bincount(starts)
    assert len(counts) == 20
    assert counts.min() > 0
    assert stats.chisquare(counts).pvalue > 0.01
    assert windows.batch(np.array([0, 19])).shape == (2, 8, 1)


def _dataset(train: Array, test: Array, independent: Array | None) -> Dataset:
    return Dataset("test", train, test, independent, ("x", "y"), 1.0, "steps", None, "not given")


def test_fingerprint_changes_with_any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "CHUNK", 4)
    generator = np.random.default_rng(6)
    shapes = [(9, 2), (6, 2), (3, 6, 2)]
    parts = [generator.normal(size=shape) for shape in shapes]
    found = {_dataset(*parts).fingerprint()}
    places = [(i, place) for i, shape in enumerate(shapes) for place in np.ndindex(shape)]
    for i, place in places:
        changed = [part.copy() for part in parts]
        changed[i][place] = np.nextafter(changed[i][place], np.inf)
        found.add(_dataset(*changed).fingerprint())
    assert len(found) == 1 + len(places) == 1 + 18 + 12 + 36


def test_fingerprint_is_of_values_shapes_and_types_alone(tmp_path: Path) -> None:
    train, test = np.arange(20.0).reshape(10, 2), np.arange(12.0).reshape(6, 2)
    expected = _dataset(train, test, None).fingerprint()
    np.save(tmp_path / "train.npy", train)
    mapped = np.load(tmp_path / "train.npy", mmap_mode="r")
    for same in (mapped, np.asfortranarray(train), np.repeat(train, 2, axis=0)[::2]):
        assert _dataset(same, test, None).fingerprint() == expected
    renamed = dataclasses.replace(_dataset(train, test, None), name="x", dt=2.0, lambda_max=1.0)
    assert renamed.fingerprint() == expected
    whole = np.concatenate([train, test])
    others = [
        _dataset(train.astype(np.float32), test, None),
        _dataset(train.reshape(20, 1), test, None),
        _dataset(train, test, test[None]),
        _dataset(whole[:9], whole[9:], None),
    ]
    assert len({expected, *(other.fingerprint() for other in others)}) == 5
