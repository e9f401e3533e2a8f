"""Prediction error and valid prediction time, on errors constructed to be known."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from sfbptt_cli.metrics.prediction import (
    mean_log_errors,
    squared_errors,
    valid_prediction_steps,
)

Array = npt.NDArray[np.float64]


def test_squared_errors_are_means_over_variables() -> None:
    truth = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    predicted = truth + np.array([[1.0, 0.0], [0.0, -2.0], [3.0, 4.0]])
    np.testing.assert_allclose(squared_errors(truth, predicted), [0.5, 2, 12.5], rtol=1e-15)
    assert not squared_errors(truth, truth).any()


@pytest.mark.parametrize("lost", [np.nan, np.inf, 1e300])
def test_the_squared_error_of_a_diverged_prediction_is_infinite(lost: float) -> None:
    truth = np.zeros((10, 3))
    predicted = truth.copy()
    predicted[4, 1] = lost
    errors = squared_errors(truth, predicted)
    assert errors[4] == math.inf
    assert not np.delete(errors, 4).any()


def test_valid_prediction_steps_of_exponential_errors() -> None:
    # e(t) = e0 exp(0.09 t), normalised by 4, passes 0.5 at t = ln(0.5 · 4 / e0) / 0.09, hence
    # the next whole step is the first wrong one, and as many before it were right.
    rate, scale = 0.09, 4.0
    first = np.array([1e-3, 1e-2, 0.5, 3.0, 1e-9])
    truth = np.random.default_rng(0).normal(size=(5, 150, 2))
    error = first[:, None] * np.exp(rate * np.arange(150))
    predicted = truth + error[:, :, None] * np.array([0.6, -0.8])
    crossing = np.log(0.5 * scale / first) / rate
    assert crossing[3] < 0
    assert crossing[4] > 150
    expected = np.clip(np.ceil(crossing), 0, 150)  # the last never crosses: censored
    steps = valid_prediction_steps(truth, predicted, scale)
    assert steps.dtype == np.float64
    np.testing.assert_array_equal(steps, expected)
    later = valid_prediction_steps(truth, predicted, scale, threshold=1.0)
    np.testing.assert_array_equal(later[:3], np.ceil(np.log(1.0 * scale / first[:3]) / rate))


def test_an_error_that_returns_has_passed_and_one_at_the_threshold_has_not() -> None:
    truth = np.zeros((2, 5, 1))
    predicted = np.array([[0.1, 0.6, 0.1, 0.1, 0.1], [0.5, 0.5, 0.5, 0.5, 0.6]])[:, :, None]
    np.testing.assert_array_equal(valid_prediction_steps(truth, predicted, 1.0), [1, 4])


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf, 1e300])
def test_a_lost_prediction_has_passed(lost: float) -> None:
    truth = np.zeros((2, 6, 3))
    predicted = truth.copy()
    predicted[0, 4:, 1] = lost
    np.testing.assert_array_equal(valid_prediction_steps(truth, predicted, 1.0), [4, 6])


def test_mean_log_errors_grow_at_the_rate_of_each_start() -> None:
    rate, scale, first = 0.09, 4.0, np.array([1e-6, 1e-3])
    truth = np.random.default_rng(0).normal(size=(2, 50, 2))
    error = first[:, None] * np.exp(rate * np.arange(50))
    predicted = truth + error[:, :, None] * np.array([0.6, -0.8])
    expected = np.log(first / scale).mean() + rate * np.arange(50)
    np.testing.assert_allclose(mean_log_errors(truth, predicted, scale), expected, atol=1e-8)
    predicted[0, 30:] = np.nan
    predicted[1, 10] = truth[1, 10]
    found = mean_log_errors(truth, predicted, scale)
    assert (found[30:] == math.inf).all()
    assert np.isfinite(found[:30]).all(), "no error at all is a small one"
