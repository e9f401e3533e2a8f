"""Power spectra and D_H, against scipy and closed forms."""

import math
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.signal import periodogram

from sfbptt_cli.metrics.spectrum import d_h, hellinger_distance, power_spectrum

Array = npt.NDArray[np.float64]


def noise(seed: int, steps: int, dimensions: int = 2) -> Array:
    return np.random.default_rng(seed).normal(size=(steps, dimensions))


def sine(cycles: float, phase: float = 0.0, steps: int = 10_000) -> Array:
    return np.sin(2 * np.pi * cycles * np.arange(steps) / steps + phase)[:, None]


@pytest.mark.parametrize("steps", [2, 3, 400, 401])
@pytest.mark.parametrize("smoothing", [0.0, 3.0, 20.0])
def test_power_spectrum_is_the_smoothed_periodogram(steps: int, smoothing: float) -> None:
    x = 5 * noise(0, steps) + 7
    power = periodogram((x - x.mean(0)) / x.std(0), detrend="constant", axis=0)[1][1:]
    if smoothing:
        power = gaussian_filter1d(power, smoothing, axis=0)
    spectrum = power_spectrum(x, smoothing)
    assert spectrum.shape == (steps // 2, 2)
    np.testing.assert_allclose(spectrum, power / power.sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize("bad", [np.full(50, 0.1), np.r_[np.ones(49), np.nan], np.full(50, np.inf)])
def test_a_dimension_without_spectrum_is_zero_and_leaves_the_others_alone(bad: Array) -> None:
    good = noise(0, 50, 1)
    spectrum = power_spectrum(np.column_stack([good, bad]))
    np.testing.assert_array_equal(spectrum[:, 1], 0)
    np.testing.assert_allclose(spectrum[:, :1], power_spectrum(good), rtol=1e-12)


def test_spectrum_of_values_whose_squares_overflow() -> None:
    x = noise(0, 100)
    np.testing.assert_allclose(power_spectrum(1e250 * x), power_spectrum(x), rtol=1e-9)


def test_hellinger_distances_of_known_histograms() -> None:
    p = np.array([[1.0, 0.5, 0.25, 0.0], [0.0, 0.5, 0.75, 0.0]])
    q = np.array([[0.0, 1.0, 0.25, 0.4], [1.0, 0.0, 0.75, 0.6]])
    expected = [1, math.sqrt(1 - math.sqrt(0.5)), 0, 1]  # the last p does not exist
    np.testing.assert_allclose(hellinger_distance(p, q), expected, rtol=1e-14)


def normalised(weights: list[float]) -> Array:
    return np.array(weights) / sum(weights)


WEIGHTS = st.lists(st.floats(1e-6, 1.0), min_size=5, max_size=5).map(normalised)


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, WEIGHTS, WEIGHTS)
def test_hellinger_distance_is_the_metric_of_its_definition(p: Array, q: Array, r: Array) -> None:
    distance = float(hellinger_distance(p, q))
    assert 0 <= distance <= 1
    assert distance == float(hellinger_distance(q, p))
    assert hellinger_distance(p, p) == 0
    # 1 − Σ √(pq) is known to about 1e-16 only, its root to 1e-8.
    definition = math.sqrt(max(0.0, 1 - float(np.sqrt(p * q).sum())))
    assert distance == pytest.approx(definition, rel=1e-9, abs=5e-8)
    by_way_of_r = float(hellinger_distance(p, r)) + float(hellinger_distance(r, q))
    assert distance <= by_way_of_r + 1e-12


@pytest.mark.parametrize("apart", [10, 40, 80])
def test_d_h_of_two_sines_is_that_of_two_gaussians(apart: int) -> None:
    # Two lines smoothed by σ = 20 bins, far from both ends: 1 − H² = exp(−d²/(8σ²)), but for the
    # kernel's end at 4σ = 80 bins, which leaves the part of √(pq) within 80 − d/2 of its middle.
    kept = math.erf((80.5 - apart / 2) / (20 * math.sqrt(2))) / math.erf(80.5 / (20 * math.sqrt(2)))
    expected = math.sqrt(1 - math.exp(-(apart**2) / (8 * 20**2)) * kept)
    assert d_h(sine(1000), sine(1000 + apart)) == pytest.approx(expected, abs=1e-5)


def test_d_h_tells_frequencies_apart_but_not_phases() -> None:
    assert d_h(sine(100), sine(1000)) == pytest.approx(1, abs=1e-12)
    assert d_h(sine(100), sine(100, phase=1.0)) < 1e-7
    both = d_h(np.column_stack([sine(100), sine(100)]), np.column_stack([sine(100), sine(1000)]))
    assert both == pytest.approx(0.5, abs=1e-7)  # averaged over dimensions


def test_d_h_compares_the_first_common_steps() -> None:
    truth, generated = noise(0, 300), noise(1, 200)
    assert d_h(truth, truth.copy()) == 0.0
    assert d_h(truth, generated) == d_h(truth[:200], generated)
    assert d_h(generated, truth) == d_h(generated, truth[:200])


def test_unit_and_origin_of_a_dimension_do_not_matter() -> None:
    truth, generated = np.cumsum(noise(0, 500), axis=0), noise(1, 500)
    unit, origin = np.array([1.0, 1e3]), np.array([0.0, -50.0])
    moved = d_h(truth, unit * generated + origin)
    assert moved == pytest.approx(d_h(truth, generated), rel=1e-9)
    assert d_h(unit * truth + origin, generated) == pytest.approx(moved, rel=1e-9)
    assert 0.1 < moved < 0.9


@pytest.mark.parametrize("lost", [0.1, np.nan, np.inf])
def test_d_h_of_a_generation_without_spectrum_is_one(lost: float) -> None:
    truth = noise(0, 200)
    generated = truth.copy()
    generated[-150:, 1] = lost
    expected = 0.5 if not np.isfinite(lost) else d_h(truth[:, 1:], generated[:, 1:]) / 2
    assert d_h(truth, generated) == expected
    assert d_h(truth, np.full_like(truth, lost)) == 1
    assert d_h(np.full_like(truth, 0.1), truth) == 1


def test_a_single_common_step_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 steps"):
        d_h(noise(0, 9), noise(0, 1))


def test_importing_the_metrics_does_not_load_scipy() -> None:
    code = (
        "import sys, sfbptt_cli; before = set(sys.modules); import sfbptt_cli.metrics;"
        "sys.exit(any(m.split('.')[0] == 'scipy' for m in set(sys.modules) - before))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
