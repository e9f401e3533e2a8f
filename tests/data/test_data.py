"""Standardising, windows, simulated datasets with their cache, fingerprints."""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import yaml
from conftest import as_dataset
from scipy import stats

from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.data import dataset, simulated
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.data.simulated import simulate_dataset
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.systems.equations import SYSTEMS

Array = npt.NDArray[Any]

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT.parent / "shared" / "data" / "lorenz_paper.npy"
CPU = torch.device("cpu")

SETTINGS: dict[str, Any] = {
    "name": "test",
    "system": "lorenz",
    "parameters": {},
    "dt": 0.01,
    "train_steps": 300,
    "test_steps": 200,
    "floor_trajectories": 2,
    "transient": 50,
    "seed": 0,
    "scaling": "none",
    "rtol": 1e-8,
    "atol": 1e-8,
    "lambda_max": None,
}


def _simulate(**changes: Any) -> Dataset:
    return simulate_dataset(SimulatedSettings(**{**SETTINGS, **changes}))


def _parts(data: Dataset) -> dict[str, Array]:
    assert data.independent is not None
    return {"train": data.train, "test": data.test, "independent": data.independent}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SFBPTT_CACHE", str(folder))
    return folder


@pytest.fixture
def no_simulation(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called, it forbids every later integration."""

    def refuse(*_: object) -> None:
        raise AssertionError("integrated, and not taken from the cache")

    return lambda: monkeypatch.setattr(simulated, "integrate", refuse)


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


def test_trajectories_start_at_seeded_points_and_have_the_lengths_asked_for(cache: Path) -> None:
    data = _simulate(transient=0, seed=5)
    assert [part.shape for part in _parts(data).values()] == [(300, 3), (200, 3), (2, 200, 3)]
    assert data.variables == ("x", "y", "z")
    first = np.stack([data.train[0], data.test[0], *_parts(data)["independent"][:, 0]])
    drawn = np.random.default_rng(5).standard_normal((4, 3))
    np.testing.assert_array_equal(first, np.array([1.0, 1.0, 25.0]) + drawn)
    later = _simulate(transient=120, seed=5)
    np.testing.assert_array_equal(later.train[:180], data.train[120:])
    assert len(list(cache.glob("*.npz"))) == 2


def test_trajectories_differ_from_one_another(cache: Path) -> None:
    data = _simulate(transient=1000, floor_trajectories=3)
    trajectories = [data.train[:200], data.test, *_parts(data)["independent"]]
    assert len(trajectories) == 5
    for a, b in itertools.combinations(trajectories, 2):
        assert np.sqrt(np.mean((a - b) ** 2)) > 3  # of a standard deviation of 8


def test_a_cache_hit_is_bit_equal_and_integrates_nothing(
    cache: Path, no_simulation: Callable[[], None]
) -> None:
    simulated = _simulate()
    no_simulation()
    cached = _simulate(name="another name", lambda_max=0.5)
    for name, part in _parts(simulated).items():
        np.testing.assert_array_equal(_parts(cached)[name], part)
    assert cached.fingerprint() == simulated.fingerprint()
    _simulate(scaling="common")
    _simulate(parameters={"beta": 8 / 3, "sigma": 10, "rho": 28.0})
    with pytest.raises(AssertionError, match="not taken from the cache"):
        _simulate(seed=1)
    assert len(list(cache.glob("*.npz"))) == 1


CHANGES = [
    {"system": "other"},
    *({"parameters": {name: 9.0}} for name in ("sigma", "rho", "beta")),
    {"dt": 0.011},
    {"train_steps": 301},
    {"test_steps": 201},
    {"floor_trajectories": 3},
    {"transient": 51},
    {"seed": 1},
    {"rtol": 1e-13},
    {"atol": 1e-13},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_setting_of_the_simulation_changes_the_key(
    cache: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    lorenz = SYSTEMS["lorenz"]
    other = dataclasses.replace(lorenz, derivative=lambda state, **_: [-x for x in state])
    monkeypatch.setitem(SYSTEMS, "other", other)
    # So that the tolerances, and not dt, decide the integrator's steps.
    long = {"dt": 0.1}
    before, after = _simulate(**long), _simulate(**{**long, **change})
    assert len(list(cache.glob("*.npz"))) == 2
    assert after.fingerprint() != before.fingerprint()


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "one bit": _flip,
    "random": lambda data: np.random.default_rng(0).bytes(len(data)),
    "text": lambda data: b"no array\n",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_is_replaced(
    cache: Path, no_simulation: Callable[[], None], damage: Callable[[bytes], bytes]
) -> None:
    before = _simulate()
    (file,) = cache.glob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    assert _simulate().fingerprint() == before.fingerprint()
    no_simulation()
    assert _simulate().fingerprint() == before.fingerprint()
    assert sorted(p.suffix for p in cache.iterdir()) == [".lock", ".npz"]


@pytest.mark.parametrize("content", [{}, {"train": np.zeros((300, 3))}], ids=["empty", "lacking"])
def test_a_cache_without_its_arrays_is_replaced(cache: Path, content: dict[str, Array]) -> None:
    before = _simulate()
    (file,) = cache.glob("*.npz")
    np.savez(file, allow_pickle=False, **content)
    assert _simulate().fingerprint() == before.fingerprint()
    with np.load(file) as stored:
        np.testing.assert_array_equal(stored["test"], before.test)


def test_a_failed_simulation_leaves_no_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RunFailed("lost")

    monkeypatch.setattr(simulated, "integrate", fail)
    with pytest.raises(RunFailed):
        _simulate()
    assert [p.suffix for p in cache.iterdir()] == [".lock"]


def _simulate_beside_another(barrier: Any, marker: Path, results: Any) -> None:
    integrate = simulated.integrate

    def counted(*arguments: Any) -> Array:
        with marker.open("a") as file:
            file.write("x")
        time.sleep(0.05)
        return integrate(*arguments)

    simulated.integrate = counted
    barrier.wait(timeout=30)
    results.put(_simulate().fingerprint())


def test_processes_that_start_together_simulate_once(cache: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.SimpleQueue()
    marker = tmp_path / "integrations"
    arguments = (barrier, marker, results)
    started = [context.Process(target=_simulate_beside_another, args=arguments) for _ in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join(timeout=60)
    assert [process.exitcode for process in started] == [0, 0, 0]
    assert len({results.get() for _ in started}) == 1
    assert len(marker.read_text()) == 4  # trajectories
    assert len(list(cache.glob("*.npz"))) == 1


def test_common_scaling_has_one_mean_and_one_scale(cache: Path) -> None:
    raw, scaled = _simulate(), _simulate(scaling="common")
    assert scaled.train.mean() == pytest.approx(0, abs=1e-14)
    assert scaled.train.std() == pytest.approx(1, rel=1e-14)
    mean, std = raw.train.mean(), raw.train.std()
    for name, part in _parts(scaled).items():
        np.testing.assert_allclose(part * std + mean, _parts(raw)[name], rtol=1e-12)
    ratios = [data.train.var(axis=0) / data.train.var(axis=0).sum() for data in (raw, scaled)]
    np.testing.assert_allclose(*ratios, rtol=1e-12)
    assert ratios[0].max() > 1.05 * ratios[0].min()  # another scale a variable would be seen


def test_an_unknown_system_is_refused(cache: Path) -> None:
    with pytest.raises(RequestError) as refused:
        _simulate(system="lorentz")
    message = "dataset.system: 'lorentz' is unknown; accepted: "
    assert str(refused.value).startswith(message)
    assert str(refused.value).endswith("(did you mean 'lorenz'?)")
    with pytest.raises(RequestError, match=r"^dataset.parameters.r: lorenz has no such parameter"):
        _simulate(parameters={"r": 28.0})
    assert not cache.exists()


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


@pytest.mark.skipif(not PAPER.is_file(), reason=f"the paper's Lorenz file is not at {PAPER}")
def test_lorenz_paper_has_the_statistics_of_the_papers_file(cache: Path) -> None:
    config = yaml.safe_load((ROOT / "configs/dataset/lorenz_paper.yaml").read_text())
    keys = ("system", "parameters", "dt", "scaling")
    given = {key: config[key] for key in keys}
    ours = _simulate(**given, train_steps=25_000, transient=1000, seed=1).train
    theirs = np.load(PAPER)
    assert theirs.mean() == pytest.approx(0, abs=1e-6)
    assert theirs.std() == pytest.approx(1, rel=1e-6)
    # Measured for six seeds: at most 0.010 and 0.022; rho = 28 is 0.06 and 0.13 away.
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.03)
