"""Noise that is taken off, against signals that are known without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from sfbptt_cli.data.denoising import denoise
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.data.simulated import simulate_dataset

Array = NDArray[np.float64]


def _circle(steps: int, cycles: float) -> Array:
    phase = 2 * np.pi * cycles * np.arange(steps) / steps
    return np.sqrt(2) * np.stack([np.cos(phase), np.sin(phase)], axis=1)


def _noisy(signals: Sequence[Array], level: float) -> list[Array]:
    rng = np.random.default_rng(0)
    return [x + level * rng.standard_normal(x.shape) for x in signals]


def _rms(x: Array) -> float:
    return float(np.sqrt(np.mean(x**2)))


def test_a_circle_keeps_what_least_squares_leaves() -> None:
    """A phase and an amplitude from 2 k points of two numbers: sigma / √(2 k) of each is left."""
    signal = _circle(20_000, 400)
    found = denoise(_noisy([signal], 0.1), np.full(2, 0.1))
    assert found.reach == 40
    assert _rms(found.parts[0][40:-40] - signal[40:-40]) == pytest.approx(0.1 / 80**0.5, rel=0.25)


def test_chaos_keeps_a_fifth_of_the_noise() -> None:
    settings = SimulatedSettings(
        name="lorenz", system="lorenz", dt=0.01, train_steps=20_000, test_steps=200
    )
    signal = simulate_dataset(settings).train
    signal = (signal - signal.mean(axis=0)) / signal.std(axis=0)
    found = denoise(_noisy([signal], 0.05), np.full(3, 0.05))
    assert _rms(found.parts[0] - signal) < 0.01
    np.testing.assert_allclose(found.removed, 0.05, rtol=0.05)


def test_nothing_is_taken_off_that_noise_does_not_explain() -> None:
    signal = _noisy([_circle(5_000, 100)], 0.2)
    np.testing.assert_array_equal(denoise(signal, np.zeros(2)).parts[0], signal[0])
    some = denoise(signal, np.array([0.05, 0.0]))
    assert 0 < some.removed[0] < 0.05
    assert some.removed[1] == 0


def test_smooth_data_stay_even_where_they_are_taken_for_noisy() -> None:
    signal = _circle(5_000, 100)
    assert _rms(denoise([signal], np.full(2, 0.05)).parts[0] - signal) < 1e-3


def test_trajectories_do_not_see_each_other() -> None:
    """Up to its ends each is nearer to its signal than what was observed."""
    signals = [_circle(2_000, 40), -_circle(3_000, 60)[::-1]]
    noisy = _noisy(signals, 0.1)
    found = denoise(noisy, np.full(2, 0.1))
    for x, before, signal in zip(found.parts, noisy, signals, strict=True):
        assert len(x) == len(signal)
        np.testing.assert_array_equal(x[[0, -1]], before[[0, -1]])
        ends = np.r_[1:30, len(signal) - 30 : len(signal) - 1]
        assert _rms(x[ends] - signal[ends]) < 0.6 * _rms(before[ends] - signal[ends])


@pytest.mark.parametrize(("steps", "copies"), [(150, 1), (1_000, 151)], ids=["short", "wide"])
def test_too_few_steps_or_too_many_variables_stay_as_they_are(steps: int, copies: int) -> None:
    data = _noisy([np.tile(_circle(steps, 3), copies)], 0.1)
    found = denoise(data, np.full(2 * copies, 0.1))
    assert found.reach == 0
    np.testing.assert_array_equal(found.parts[0], data[0])


def test_a_constant_variable_stays_beside_noisy_ones() -> None:
    flat = np.concatenate([_noisy([_circle(2_000, 40)], 0.1)[0], np.full((2_000, 1), 7.0)], axis=1)
    kept = denoise([flat], np.array([0.1, 0.1, 0.0]))
    np.testing.assert_array_equal(kept.parts[0][:, 2], 7.0)
    assert kept.removed[0] > 0.05
