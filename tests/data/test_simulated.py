"""Simulated datasets: their cache, what is observed, and noise."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data import simulated
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.embedding import estimate_dimension, estimate_lag
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.data.simulated import simulate_dataset
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.runge_kutta import runge_kutta, vector_field
from sfbptt_cli.systems.stochastic import integrate_noisy
from sfbptt_cli.systems.system import System, Times

Array = npt.NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT.parent / "shared" / "data" / "lorenz_paper.npy"

SETTINGS: dict[str, Any] = {
    "system": "lorenz",
    "dt": 0.02,
    "train_steps": 300,
    "test_steps": 200,
    "floor_trajectories": 2,
    "transient": 50,
    "rtol": 1e-8,
    "atol": 1e-8,
}


def _simulate(**changes: Any) -> Dataset:
    return simulate_dataset(SimulatedSettings(**{"name": "test", **SETTINGS, **changes}))


def _parts(data: Dataset) -> list[Array]:
    assert data.independent is not None
    return [data.train, data.test, *data.independent]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SFBPTT_CACHE", str(folder))
    return folder


@pytest.fixture
def no_simulation(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what forbids every later integration."""

    def refuse(*_: object) -> None:
        raise AssertionError("integrated, and not taken from the cache")

    return lambda: monkeypatch.setattr(simulated, "integrate", refuse)


def test_trajectories_start_at_seeded_points_and_have_the_lengths_asked_for(cache: Path) -> None:
    data = _simulate(transient=0, seed=5)
    assert [part.shape for part in _parts(data)] == [(300, 3), *[(200, 3)] * 3]
    assert data.variables == ("x", "y", "z")
    first = np.stack([part[0] for part in _parts(data)])
    drawn = np.random.default_rng(5).standard_normal((4, 3))
    np.testing.assert_array_equal(first, np.array([1.0, 1.0, 25.0]) + drawn)
    later = _simulate(transient=120, seed=5)
    np.testing.assert_array_equal(later.train[:180], data.train[120:])
    assert len(list(cache.glob("*.npz"))) == 2


def test_a_cache_hit_is_bit_equal_and_integrates_nothing(
    cache: Path, no_simulation: Callable[[], None]
) -> None:
    simulated = _simulate()
    no_simulation()
    cached = _simulate(name="another name", lambda_max=0.5)
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


# Earlier versions wrote no digest, so that their files are read whatever they hold.
@pytest.mark.parametrize("digest", [True, False])
@pytest.mark.parametrize("damage", ["cut", "bit", "lacking"])
def test_a_damaged_cache_is_replaced(
    cache: Path, no_simulation: Callable[[], None], damage: str, digest: bool
) -> None:
    before = _simulate()
    (file,) = cache.glob("*.npz")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= damage == "bit"
    file.write_bytes(content[:-1] if damage == "cut" else content)
    if damage == "lacking":
        np.savez(file, allow_pickle=False, train=before.train)
    if not digest:
        file.with_suffix(".lock").write_text("")
    assert _simulate().fingerprint() == before.fingerprint()
    no_simulation()
    assert _simulate().fingerprint() == before.fingerprint()
    assert sorted(p.suffix for p in cache.iterdir()) == [".lock", ".npz"]


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


# What is observed.


def test_observed_variables_are_columns_of_the_whole_in_the_order_asked_for() -> None:
    whole, seen = _simulate(), _simulate(observed=["z", "x"])
    assert whole.variables == ("x", "y", "z")
    assert whole.preprocessing == ()
    assert seen.variables == ("z", "x")
    assert seen.preprocessing == ("observed: z, x of x, y, z",)
    for part, expected in zip(_parts(seen), _parts(whole), strict=True):
        np.testing.assert_array_equal(part, expected[:, [2, 0]])


def test_delays_leave_the_lengths_and_reach_back_before_the_first_row() -> None:
    # Each trajectory is as much longer as its delays span: row t holds x(t + 20), x(t + 10), x(t).
    longer = _simulate(train_steps=320, test_steps=220)
    data = _simulate(observed=["x", "z"], lag=10, dimension=3)
    assert data.variables == ("x t-0", "x t-10", "x t-20", "z t-0", "z t-10", "z t-20")
    assert [len(part) for part in _parts(data)] == [300, 200, 200, 200]
    for part, states in zip(_parts(data), _parts(longer), strict=True):
        rows = len(part)
        columns = [states[20 - k : 20 - k + rows, v] for v in (0, 2) for k in (0, 10, 20)]
        np.testing.assert_array_equal(part, np.stack(columns, axis=1))


def test_automatic_delays_are_those_of_the_training_trajectory() -> None:
    data = _simulate(observed=["x"], lag="auto", dimension="auto", dt=0.01, train_steps=5000)
    lag = int(data.variables[1].removeprefix("x t-"))
    plain = _simulate(observed=["x"], dt=0.01, train_steps=5000).train[:, 0]
    assert lag == estimate_lag(plain)[0] > 5
    assert data.obs_dim == estimate_dimension(plain, lag)[0] > 1
    assert len(data.train) == 5000
    assert data.preprocessing[0].startswith(f"lag {lag} samples estimated")
    given = _simulate(observed=["x"], lag=lag, dimension=data.obs_dim, dt=0.01, train_steps=5000)
    assert given.fingerprint() == data.fingerprint()


@pytest.mark.parametrize("changes", [{}, {"observed": ["x", "y"], "lag": 3, "dimension": 2}])
def test_common_scaling_has_one_mean_and_one_scale(changes: dict[str, Any]) -> None:
    raw, scaled = _simulate(**changes), _simulate(**changes, scaling="common")
    mean, std = raw.train.mean(), raw.train.std()
    for part, expected in zip(_parts(scaled), _parts(raw), strict=True):
        np.testing.assert_allclose(part, (expected - mean) / std, rtol=1e-12)


# Noise.


def test_observation_noise_is_on_the_training_trajectory_alone() -> None:
    settings = {"train_steps": 20_000, "observed": ["x", "z"]}
    clean, noisy = _simulate(**settings), _simulate(**settings, observation_noise=0.05)
    for part, expected in zip(_parts(noisy)[1:], _parts(clean)[1:], strict=True):
        np.testing.assert_array_equal(part, expected)
    noise = (noisy.train - clean.train) / clean.train.std(axis=0)
    # Of 20,000 values the standard deviation is known to 0.5%, correlations to 0.7%.
    np.testing.assert_allclose(noise.std(axis=0), 0.05, rtol=0.02)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=4 * 0.05 / math.sqrt(20_000))
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]) < 0.03
    fourth = np.mean(noise**4) / np.var(noise) ** 2
    assert fourth == pytest.approx(3, abs=0.15)  # Gaussian
    assert "noise of 0.05 standard deviations" in " ".join(noisy.preprocessing)


def test_observation_noise_is_seeded_and_not_stored(cache: Path) -> None:
    first, again = (_simulate(observation_noise=0.1) for _ in range(2))
    assert first.fingerprint() == again.fingerprint()
    assert len(list(cache.glob("*.npz"))) == 1
    clean, other = _simulate(), _simulate(observation_noise=0.1, seed=1)
    noises = [first.train - clean.train, other.train - _simulate(seed=1).train]
    assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.1


def test_delays_hold_the_same_noise_at_the_same_time() -> None:
    data = _simulate(observed=["x"], lag=5, dimension=2, observation_noise=0.1)
    np.testing.assert_array_equal(data.train[5:, 1], data.train[:-5, 0])


def _register(patch: pytest.MonkeyPatch, derivative: Any, start: Sequence[float]) -> System:
    names = tuple(f"x{i}" for i in range(len(start)))
    system = System("test", derivative, names, {}, tuple(start), (1.0,) * len(start), (), "")
    patch.setitem(SYSTEMS, "test", system)
    return system


def test_process_noise_of_a_linear_system_has_its_closed_forms() -> None:
    # Ornstein and Uhlenbeck: dx = −a x dt + σ dW has the variance σ²/2a and correlates as e^−at.
    rates = np.array([0.5, 2.0])
    system = System(
        "test", lambda x: [-0.5 * x[0], -2 * x[1]], ("x", "y"), {}, (0, 0), (1, 1), (), ""
    )
    clean, sigma = np.ones((10, 2)), np.array([0.3, 1.0])
    generator = np.random.default_rng(0)
    count = 500
    states = integrate_noisy(
        system, {}, np.zeros((count, 2)), sigma, clean, Times(40, 20, 0.25), generator
    )
    # 500 trajectories of five time units: 3% at most.
    variance = sigma**2 / (2 * rates)
    np.testing.assert_allclose(states.var(axis=(0, 1)), variance, rtol=0.1)
    after = (states[:, 4:] * states[:, :-4]).mean(axis=(0, 1)) / variance
    np.testing.assert_allclose(after, np.exp(-rates), atol=0.08)
    assert abs(np.mean(states[..., 0] * states[..., 1])) < 0.1 * math.sqrt(variance.prod())


def test_process_noise_is_in_standard_deviations_a_root_of_time() -> None:
    lorenz, dt = SYSTEMS["lorenz"], 0.002
    settings = {"dt": dt, "transient": 2000, "train_steps": 4000}
    clean, noisy = _simulate(**settings), _simulate(**settings, process_noise=0.2)
    field = vector_field(lorenz, lorenz.parameters)
    for part in _parts(noisy):
        left = part[1:] - runge_kutta(field, part[:-1].T, dt).T
        expected = 0.2 * clean.train.std(axis=0) * math.sqrt(dt)
        np.testing.assert_allclose(left.std(axis=0), expected, rtol=5 / math.sqrt(2 * len(left)))
    assert noisy.preprocessing == ("process noise of 0.2 standard deviations a √time unit",)


def test_process_noise_is_seeded_and_stored(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _simulate(process_noise=0.1)
    assert len(list(cache.glob("*.npz"))) == 2  # that without noise gives the unit
    others = [_simulate(process_noise=0.1, seed=1), _simulate(process_noise=0.2), _simulate()]
    prints = {first.fingerprint(), *(other.fingerprint() for other in others)}
    assert len(prints) == 4
    monkeypatch.setattr(simulated, "integrate_noisy", None)
    assert _simulate(process_noise=0.1).fingerprint() == first.fingerprint()


def test_the_drive_of_duffing_has_no_noise() -> None:
    data = _simulate(system="duffing", dt=0.1, process_noise=0.1, lambda_max=0.1)
    for part in _parts(data):
        np.testing.assert_allclose(np.hypot(part[:, 2], part[:, 3]), 1, atol=1e-4)


def test_mackey_glass_is_observed_with_delays_of_its_own() -> None:
    glass = {"system": "mackey_glass", "dt": 1.0, "lambda_max": 0.005}
    data = _simulate(**glass, lag=6, dimension=4)
    assert data.variables == ("x t-0", "x t-6", "x t-12", "x t-18")
    plain = _simulate(**glass, train_steps=318, test_steps=218)
    np.testing.assert_array_equal(data.train[:, 3], plain.train[:300, 0])


# Refusals.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system": "lorentz"}, "dataset.system: 'lorentz' is unknown; accepted: "),
        ({"parameters": {"r": 28.0}}, "dataset.parameters.r: lorenz has no such parameter"),
        (
            {"observed": ["x", "w"]},
            "dataset.observed: 'w' was given; accepted: x, y, z",
        ),
        (
            {"observed": ["x", "x"]},
            "dataset.observed: a variable stands twice; accepted: different ones",
        ),
        (
            {"lag": "auto", "dimension": 3},
            "dataset.lag: auto was given for 3 variables; "
            "accepted: a number, or one observed variable",
        ),
        (
            {"lag": 3, "dimension": "auto"},
            "dataset.dimension: auto was given for 3 variables; "
            "accepted: a number, or one observed variable",
        ),
        (
            {"system": "mackey_glass", "process_noise": 0.1},
            "dataset.process_noise: 0.1 was given, and mackey_glass is a delay equation; "
            "accepted: 0",
        ),
        ({"dt": None}, "dataset.dt: null was given; accepted: a number above 0"),
    ],
)
def test_what_cannot_be_observed_is_refused(
    cache: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError) as refused:
        _simulate(**changes)
    assert str(refused.value).startswith(message)
    assert not cache.exists()
