"""What the past adds to the present: known systems, seen whole, in part, and through noise."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from sfbptt_cli.data.determinism import determinism
from sfbptt_cli.data.predictors import predictions, regression
from sfbptt_cli.data.time_scales import cycle_length
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.system import Times


@functools.cache
def simulated(name: str, dt: float, steps: int = 5_000):
    system = find_system(name, "sfbptt")
    drawn = np.random.default_rng(5).standard_normal(len(system.start))
    start = np.array(system.start) + np.array(system.spread) * drawn
    return integrate(system, system.parameters, start, Times(2_000, steps, dt), 1e-9, 1e-9)


def noisy(x, share: float):
    drawn = np.random.default_rng(1).standard_normal(x.shape)
    return x + share * x.std(axis=0) * drawn


LORENZ = functools.partial(simulated, "lorenz", 0.01)


@pytest.mark.parametrize(
    "series",
    [
        lambda: LORENZ(),
        lambda: LORENZ()[:1_000],
        lambda: LORENZ().round(3),
        lambda: simulated("rossler", 0.1),
        lambda: simulated("lorenz96", 0.02),
        lambda: simulated("duffing", 0.1),
        lambda: simulated("henon", 1.0),
        lambda: noisy(0 * LORENZ() + 1e-9, 1.0) + np.random.default_rng(2).normal(size=(5_000, 3)),
    ],
    ids=["lorenz", "short", "rounded", "rossler", "lorenz96", "duffing", "henon", "white"],
)
def test_a_whole_state_needs_no_past(series) -> None:
    found = determinism([series()])
    assert found is not None
    assert (found.gain, found.memory, found.warmup) == (0, 0, 0)


@pytest.mark.parametrize(
    ("series", "least", "most"),
    [
        (lambda: LORENZ()[:, :1], 20, 80),
        (lambda: simulated("rossler", 0.1)[:, :1], 15, 60),
        (lambda: simulated("mackey_glass", 1.0), 14, 60),
        (lambda: simulated("duffing", 0.1)[:, :3], 10, 60),
        (lambda: simulated("lorenz96", 0.02)[:, ::2], 10, 60),
        (lambda: simulated("henon", 1.0)[:, :1], 1, 5),
        (lambda: noisy(LORENZ(), 0.05), 40, 60),
        (lambda: noisy(LORENZ(), 0.1), 40, 60),
        (lambda: noisy(LORENZ(), 0.05)[:, :1], 40, 80),
    ],
    ids=["x", "rossler x", "delay", "cos", "half", "henon x", "5%", "10%", "5% of x"],
)
def test_hidden_variables_and_noise_need_a_past(series, least: int, most: int) -> None:
    found = determinism([series()])
    assert found is not None
    assert found.gain > 5e-4
    assert 1 <= found.memory <= found.warmup
    assert least <= found.warmup <= most
    assert (np.diff(found.errors, axis=0) <= 0).all()


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_the_noise_of_a_flow(share: float) -> None:
    found = determinism([noisy(LORENZ(), share)])
    assert found is not None
    np.testing.assert_allclose(found.noise, share, rtol=0.05)
    clean = determinism([LORENZ()])
    assert clean is not None
    assert clean.noise.max() < 1e-6


def test_spikes_are_no_noise() -> None:
    """Of 5,000 steps 100 are of a spike that lasts two steps, ten standard deviations high."""
    rng = np.random.default_rng(0)
    x = np.sin(np.arange(5_000) / 20)
    for start in range(50, 5_000, 100):
        x[start : start + 2] += 10
    x = x / x.std()
    found = determinism([(x + 0.05 * rng.standard_normal(len(x)))[:, None]])
    assert found is not None
    np.testing.assert_allclose(found.noise, 0.05, rtol=0.1)
    # Rounded to steps of 0.1, most values are those before them.
    rounded = determinism([(np.round(10 * np.sin(np.arange(5_000) / 200)) / 10)[:, None]])
    assert rounded is not None
    assert rounded.noise[0] > 0.01


def test_trajectories_scales_and_constants_do_not_matter() -> None:
    x = LORENZ()[:, :1]
    whole = determinism([x])
    parts = determinism([3 - 5 * part for part in np.split(x, [1_000, 1_500, 3_000])])
    flat = determinism([np.column_stack([x, np.ones(len(x))])])
    assert whole is not None
    assert parts is not None
    assert flat is not None
    assert parts.warmup == pytest.approx(whole.warmup, rel=0.3)
    assert flat.warmup == whole.warmup
    assert flat.noise[1] == 0


def test_nothing_is_found_in_what_is_too_short_or_constant() -> None:
    assert determinism([np.ones((1_000, 2))]) is None
    assert determinism([LORENZ()[:60]]) is None
    assert determinism([LORENZ()[k : k + 3] for k in range(0, 300, 3)]) is None


def test_predictors_of_known_functions() -> None:
    rng = np.random.default_rng(0)
    known, asked = rng.standard_normal((500, 3)), rng.standard_normal((50, 3))

    def cubic(z):
        return np.stack([1 + z[:, 0] * z[:, 1] * z[:, 2] - z[:, 1] ** 2, z[:, 2] ** 3], axis=1)

    # The ridge is 1e-7 of the mean square.
    np.testing.assert_allclose(regression(known, cubic(known), asked, 3), cubic(asked), atol=1e-4)
    every = predictions(known, cubic(known), asked, 3)
    assert min(np.abs(one - cubic(asked)).max() for one in every) < 1e-4
    assert {one.shape for one in every} == {(50, 2)}


def test_cycles() -> None:
    t = np.arange(20_000)
    sine = np.sin(2 * np.pi * t / 37)[:, None]
    assert cycle_length(sine) == pytest.approx(37, rel=1e-3)
    assert cycle_length(noisy(sine, 0.3)) == pytest.approx(37, rel=0.1)
    assert cycle_length(np.ones((100, 2))) == np.inf
    # Of Rössler x and y the mean time between maxima is 5.86 time units; z has narrow pulses.
    assert cycle_length(simulated("rossler", 0.1)) == pytest.approx(58.6, rel=0.1)


def test_the_horizon_is_that_of_the_errors() -> None:
    """An autoregressive process x' = a x + noise: the error h steps ahead is 1 − a^(2h)."""
    a, drawn = 0.9995, np.random.default_rng(3).standard_normal(40_000)
    x = np.empty_like(drawn)
    x[0] = 0.0
    for t in range(1, len(x)):
        x[t] = a * x[t - 1] + math.sqrt(1 - a * a) * drawn[t]
    found = determinism([x[:, None]])
    assert found is not None
    expected = math.log(1 - 0.001 - 2 * (1 - a**2)) / (2 * math.log(a))
    assert found.horizon == pytest.approx(expected, rel=0.5)
    white = determinism([np.random.default_rng(4).normal(size=(3_000, 2))])
    assert white is not None
    assert white.horizon <= 2
    sine = determinism([np.sin(0.1 * np.arange(4_000))[:, None]])
    assert sine is not None
    assert sine.horizon == sine.ahead[-1]
