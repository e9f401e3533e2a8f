"""Exponents from data: published values, closed forms, brute force, and refusals. About 25 s."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy.signal import lfilter

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.rounding import rounding_step
from sfbptt_cli.data.time_scales import (
    autocorrelation_time,
    first_minimum_of_mutual_information,
    mean_period,
)
from sfbptt_cli.lyapunov.from_data import exponent_from_data
from sfbptt_cli.lyapunov.separation_curve import Pairs, find_pairs, log_distances, nearest_samples
from sfbptt_cli.lyapunov.separation_fit import fit_slope, noise_level
from sfbptt_cli.lyapunov.settings import NeighbourSettings
from sfbptt_cli.lyapunov.surrogates import iaaft, matching_ends
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.system import Times

LORENZ = ("lorenz", (("sigma", 10.0), ("rho", 28.0), ("beta", 8 / 3)), (1.0, 2.0, 20.0), 0.01)
ROSSLER = ("rossler", (("a", 0.15), ("b", 0.2), ("c", 10.0)), (1.0, -3.0, 0.5), 0.1)
WEAK = ("rossler", (("a", 0.2), ("b", 0.2), ("c", 5.7)), (1.0, -3.0, 0.5), 0.1)


@functools.cache
def longest(system):
    name, parameters, start, dt = system
    first = round(100 / dt)
    return integrate(name, dict(parameters), np.array(start), Times(first, 40_000, dt), 1e-9, 1e-9)


def trajectory(system, steps: int):
    return longest(system)[:steps]


def doubling_map(steps: int, seed: int):
    """x → 2x mod 1 exactly: the binary digits of x are coin tosses, shifted by one a step."""
    bits = np.random.default_rng(seed).integers(0, 2, steps + 60)
    return sum(bits[k : k + steps] * 0.5 ** (k + 1) for k in range(60))


def logistic_map(steps: int):
    x = np.empty(steps)
    x[0] = 0.37
    for t in range(1, steps):
        x[t] = 4 * x[t - 1] * (1 - x[t - 1])
    return x


@pytest.mark.parametrize("variables", [slice(None), slice(0, 1)])
@pytest.mark.parametrize(
    ("system", "steps", "truth", "within"),
    [
        (LORENZ, 40_000, 0.9057, 0.05),
        (LORENZ, 10_000, 0.9057, 0.15),
        (ROSSLER, 40_000, 0.0886, 0.07),
        (ROSSLER, 10_000, 0.0886, 0.15),
    ],
)
def test_published_exponents(system, steps, truth, within, variables):
    tested = 9 if steps < 20_000 else 0
    found = exponent_from_data(
        trajectory(system, steps)[:, variables], system[3], NeighbourSettings(surrogates=tested)
    )
    assert found.chaotic, found.reason
    assert found.value == pytest.approx(truth, rel=within)
    assert found.low < truth < found.high
    assert (found.dimension is None) == (variables == slice(None))


def test_rossler_of_weak_chaos():
    """The exponent of 0.0719 (or 0.0714) comes out up to 9% too low; the range says so."""
    found = exponent_from_data(trajectory(WEAK, 40_000), 0.1, NeighbourSettings(surrogates=5))
    assert found.chaotic, found.reason
    assert found.value == pytest.approx(0.0719, rel=0.1)
    assert found.low < 0.0719 < found.high


@pytest.mark.parametrize("series", [logistic_map(5_000), doubling_map(5_000, 0)])
def test_ln_2_of_maps(series):
    found = exponent_from_data(series, 1.0)
    assert found.chaotic, found.reason
    assert found.value == pytest.approx(math.log(2), rel=0.04)
    assert found.low < math.log(2) < found.high


def test_scale_shift_and_dt_do_not_matter():
    x = logistic_map(3_000)
    found = exponent_from_data(x, 1.0, NeighbourSettings(seed=3))
    moved = exponent_from_data(5.0 - 7.0 * x, 0.25, NeighbourSettings(seed=3))
    assert moved.value == pytest.approx(4 * found.value, rel=1e-6)
    assert moved.low == pytest.approx(4 * found.low, rel=1e-5)
    again = exponent_from_data(x, 1.0, NeighbourSettings(seed=3))
    assert (again.value, again.low, again.high) == (found.value, found.low, found.high)


def rounded(x, bits: int):
    """What an analog-digital converter makes of x: whole counts that cover its range."""
    return np.rint((x - x.min(axis=0)) / np.ptp(x, axis=0) * (2**bits - 1))


@pytest.mark.parametrize("bits", [6, 7, 9])
@pytest.mark.parametrize("variables", [slice(None), slice(0, 1)])
@pytest.mark.parametrize(("system", "truth"), [(LORENZ, 0.9057), (ROSSLER, 0.0886), (WEAK, 0.0714)])
def test_rounded_data_are_covered_or_refused(system, truth, variables, bits: int):
    x = trajectory(system, 10_000)[:, variables]
    settings = NeighbourSettings(surrogates=0)
    found = exponent_from_data(rounded(x, bits), system[3], settings)
    assert found.low < truth < found.high or "too coarsely rounded" in found.reason
    assert found.chaotic or bits < 9
    # Decimals of any unit are counts as well; equally near neighbours are drawn by rounding.
    again = exponent_from_data(0.05 * rounded(x, bits) - 3, system[3], settings)
    assert again.value == pytest.approx(found.value, rel=0.05, nan_ok=True)


@functools.cache
def coarse(name: str, dt: float):
    system = SYSTEMS[name]
    start = np.array(system.start)
    return integrate(system, system.parameters, start, Times(1_000, 16_000, dt), 1e-9, 1e-9)


@pytest.mark.parametrize("samples", [6, 10, 14, 20])
@pytest.mark.parametrize("variables", [slice(None), slice(0, 1)])
def test_few_samples_a_cycle_widen_the_range(samples: int, variables):
    """Of a Rössler cycle, 5.86 time units; the exponent comes out up to 25% too low."""
    x = coarse("rossler", 5.86 / samples)[:, variables]
    found = exponent_from_data(x, 5.86 / samples, NeighbourSettings(surrogates=0))
    assert found.chaotic
    assert found.low < 0.0714 < found.high


@pytest.mark.parametrize("samples", [14, 15, 16])
def test_the_lag_of_coarsely_sampled_data(samples: int):
    """The information rises right after its minimum, and falls below it at the next cycle."""
    dt = 0.75 / samples
    found = exponent_from_data(coarse("lorenz", dt)[:, :1], dt, NeighbourSettings(surrogates=2))
    assert found.lag is not None
    assert 3 <= found.lag <= 5
    assert found.chaotic
    assert found.value == pytest.approx(0.875, abs=0.015)


def test_steps_of_rounded_values():
    x = trajectory(LORENZ, 5_000)
    np.testing.assert_array_equal(rounding_step(x), 0)
    np.testing.assert_allclose(rounding_step(x.round(1)), 0.1, rtol=1e-9)
    np.testing.assert_allclose(rounding_step((7 * np.rint(x)).astype("float32")), 7, rtol=1e-6)
    three_digits = np.array([[float(f"{value:.3g}")] for value in np.exp(x[:, 0] / 10)])
    assert 0.0009 < rounding_step(three_digits)[0] < 0.0101
    np.testing.assert_array_equal(rounding_step(np.sin(2 * np.pi * T / 50)[:, None]), 0)
    np.testing.assert_array_equal(rounding_step(np.ones((100, 2))), 0)


def noise(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def ar2(steps: int, radius: float, period: float, seed: int):
    coefficients = [1, -2 * radius * math.cos(2 * math.pi / period), radius**2]
    return np.asarray(lfilter([1], coefficients, noise(steps + 5_000, seed=seed)))[5_000:]


T = np.arange(20_000)
SINE = np.sin(0.0617 * T)
TORUS = SINE + 0.6 * np.sin(0.0617 * (1 + math.sqrt(5)) / 2 * T)


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        (SINE, "periodic"),
        (SINE[:2_000], "periodic"),
        (np.sin(2 * math.pi * T / 50), "periodic"),
        (TORUS, "periodic"),
        (TORUS[:2_000], "periodic"),
        (SINE + 0.05 * noise(20_000, seed=1), "periodic"),
        (noise(2_000, seed=2), "does not grow exponentially"),
        (noise(20_000, 3, seed=3), "does not grow exponentially"),
        (ar2(2_000, 0.98, 30, seed=4), "not"),
        (ar2(20_000, 0.998, 60, seed=5), "not"),
        (ar2(5_000, 0.998, 60, seed=6), "not"),
        (noise(5_000, seed=7).cumsum(), ""),
        (noise(20_000, 3, seed=8).cumsum(axis=0), ""),
        (np.ones(1_000), "constant"),
    ],
)
def test_refused_as_not_chaotic(series, reason):
    found = exponent_from_data(series, 0.1)
    assert not found.chaotic
    assert found.reason
    assert reason in found.reason


def test_too_short():
    found = exponent_from_data(trajectory(LORENZ, 300), 0.01)
    assert not found.chaotic
    assert "too short: 300 samples" in found.reason
    assert math.isnan(found.value)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_noise_is_covered_or_refused(share):
    x = trajectory(LORENZ, 10_000)
    found = exponent_from_data(x + share * x.std(axis=0) * noise(10_000, 3, seed=1), 0.01)
    assert (found.low < 0.9057 < found.high) or "too noisy" in found.reason
    assert share < 0.05 or not found.chaotic


def test_theiler_window_is_exact():
    points = np.column_stack([np.sin(0.01 * T[:600]), np.cos(0.01 * T[:600])])
    points += 0.01 * noise(600, 2, seed=10)
    reference = np.arange(0, 600, 7)
    found = nearest_samples(points, reference, 80, 5)
    distance = np.linalg.norm(points[reference][:, None] - points[None], axis=2)
    distance[np.abs(reference[:, None] - np.arange(600)) <= 80] = np.inf
    np.testing.assert_array_equal(found, np.argsort(distance, axis=1, kind="stable")[:, :5])
    everything = nearest_samples(points, reference, 590, 3)
    assert (everything[(reference > 9) & (reference < 590)] == -1).all()
    assert everything[0].max() >= 591


def test_curve_is_that_of_brute_force():
    points = noise(400, 2, seed=11)
    pairs = find_pairs(points, 10, 30, 1_000, smooth=False)
    expected = []
    for i, j in zip(pairs.reference, pairs.neighbour, strict=True):
        others = [k for k in range(5, 400 - 30 - 5) if abs(k - i) > 10]
        assert j == min(others, key=lambda k: math.dist(points[i], points[k]))
        expected.append([math.log(math.dist(points[i + k], points[j + k])) for k in range(31)])
    assert len(expected) == 360
    np.testing.assert_allclose(log_distances(points, pairs, np.arange(31)), expected, atol=1e-12)


def test_the_neighbour_lies_between_samples():
    """Orbits of a circle at two phases: on the trajectory, the distance is zero."""
    t = 0.1 * T[:300]
    points = np.column_stack([np.sin(t), np.cos(t)])
    between = log_distances(points, find_pairs(points, 60, 50, 200, True), np.arange(0, 50, 5))
    samples = log_distances(points, find_pairs(points, 60, 50, 200, False), np.arange(0, 50, 5))
    assert between.max() < math.log(1e-4) < math.log(1e-2) < samples.min()
    exact = Pairs(np.array([20]), np.array([220]), np.array([0.3]))
    chord = 2 * math.sin(0.1 * 200.3 / 2)
    assert log_distances(points, exact, np.array([7]))[0, 0] == pytest.approx(
        math.log(abs(chord)), abs=1e-8
    )


def test_slope_of_a_known_curve():
    """Transient, exponential growth, saturation: the slope of the middle, and where it is."""
    steps = np.arange(0, 300, 2)
    curve = np.log(1 / (1 / (1e-3 * np.exp(0.04 * steps)) + 1)) - 2 * np.exp(-steps / 8)
    blocks = curve + np.linspace(-1, 1, 10)[:, None] * 1e-3 * steps
    found = fit_slope(steps, blocks, np.full(10, 0.1))
    assert found is not None
    assert found.slope == pytest.approx(0.04, rel=0.03)
    assert found.error == pytest.approx(np.linspace(-1, 1, 10).std(ddof=1) * 1e-3 / math.sqrt(10))
    assert found.window[0] <= 30
    assert 90 < found.window[1] < 150
    assert abs(found.curvature) < 0.2
    given = fit_slope(steps, blocks, np.full(10, 0.1), (60, 100))
    assert given is not None
    assert given.window == (60, 100)
    assert given.slope == pytest.approx(0.04, rel=0.03)
    assert fit_slope(steps, 0 * blocks, np.full(10, 0.1)) is None


def test_noise_level_is_the_jump_of_the_first_step():
    assert noise_level(np.array([-5.0, -3.0, -2.9])) == -2.9
    assert noise_level(np.array([-5.0, -4.3, -3.6])) == -math.inf


def test_given_settings_are_used():
    found = exponent_from_data(
        trajectory(LORENZ, 10_000),
        0.01,
        NeighbourSettings(
            lag=10, dimension=2, theiler=150, horizon=450, fit=(80, 250), references=500
        ),
    )
    assert (found.lag, found.dimension, found.theiler) == (10, 2, 150)
    assert found.curve[0][-1] <= 450
    assert found.references <= 500
    assert found.fit is not None
    np.testing.assert_allclose(found.fit, (80, 250), atol=3)
    steps, curve = found.curve
    inside = (steps >= found.fit[0]) & (steps <= found.fit[1])
    slope = np.polyfit(0.01 * steps[inside], curve[inside], 1)[0]
    assert found.value == pytest.approx(slope, rel=1e-8)


@pytest.mark.parametrize(
    ("series", "settings", "message"),
    [
        (np.zeros((2, 2, 2)), {}, "series:"),
        (np.array([1.0, math.nan]), {}, "series:"),
        (SINE, {"dt": 0.0}, "dt: 0.0"),
        (SINE, {"lag": 0}, "lag: 0"),
        (SINE, {"fit": (5, 5)}, "fit:"),
    ],
)
def test_requests_that_are_wrong(series, settings, message):
    dt = settings.pop("dt", 1.0)
    with pytest.raises(RequestError, match=message):
        exponent_from_data(series, dt, NeighbourSettings(**settings))


def test_surrogates_keep_values_and_spectra():
    data = trajectory(LORENZ, 4_000)
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    surrogate = iaaft(data, np.random.default_rng(0))
    spectrum, other = (np.abs(np.fft.rfft(x, axis=0)) for x in (data, surrogate))
    np.testing.assert_allclose(other, spectrum, atol=1e-6 * spectrum.max())
    np.testing.assert_allclose(np.corrcoef(surrogate.T), np.corrcoef(data.T), atol=1e-6)
    assert np.abs(np.sort(surrogate, axis=0) - np.sort(data, axis=0)).mean() < 0.1
    assert np.abs(np.corrcoef(surrogate[:, 0], data[:, 0])[0, 1]) < 0.5


def test_matching_ends():
    stretch = matching_ends(SINE[:1_000, None])
    assert len(stretch) >= 800
    assert abs(stretch[0, 0] - stretch[-1, 0]) < 0.1


def test_time_scales():
    assert mean_period(np.sin(2 * math.pi * T / 50)[:, None]) == pytest.approx(50, rel=1e-6)
    # Of AR(1) the autocorrelation is φ^lag.
    series = np.asarray(lfilter([1], [1, -0.95], noise(200_000, seed=12)))
    assert autocorrelation_time(series) == pytest.approx(1 / -math.log(0.95), abs=2)
    assert autocorrelation_time(np.column_stack([series, 1 - 3 * series])) == (
        autocorrelation_time(series)
    )
    assert autocorrelation_time(np.ones(100)) is None
    assert first_minimum_of_mutual_information(noise(5_000, seed=13)) is None
    # Lorenz x: 0.16 to 0.17 time units (Fraser and Swinney's criterion as usually reported).
    lorenz = trajectory(LORENZ, 20_000)[:, 0]
    assert first_minimum_of_mutual_information(lorenz) in range(14, 20)
    assert first_minimum_of_mutual_information(lorenz, longest=5) is None
