"""The verdict on generations whose nature is known."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from sfbptt_cli.evaluation.verdict import Verdict, verdict

Array = npt.NDArray[np.float64]
SCALE = np.array([1.0, 10.0])
T = np.arange(1000)


def moving() -> Array:
    return np.column_stack([np.sin(0.1 * T), 10 * np.cos(0.1 * T)])


@pytest.mark.parametrize(
    ("lyapunov", "standard_error", "expected"),
    [
        (0.011, 0.001, Verdict.CHAOTIC),
        (0.011, 0.0056, Verdict.CYCLE),  # within two standard errors of zero
        (0.011, 0.0054, Verdict.CHAOTIC),
        (0.00011, 0.0, Verdict.CHAOTIC),
        (0.00009, 0.0, Verdict.CYCLE),  # below what a cycle's zero is estimated as
        (0.0, 0.001, Verdict.CYCLE),
        (-0.2, 0.001, Verdict.CYCLE),
        (-math.inf, 0.0, Verdict.CYCLE),
        (0.1, math.inf, Verdict.CHAOTIC),  # of one trajectory: no error is known
        (math.nan, math.inf, Verdict.DIVERGED),  # every trajectory left the numbers
    ],
)
def test_the_exponent_decides_about_what_keeps_moving(
    lyapunov: float, standard_error: float, expected: Verdict
) -> None:
    assert verdict(moving(), SCALE, lyapunov, standard_error) is expected


def test_what_comes_to_rest_is_a_fixed_point_whatever_the_exponent() -> None:
    resting = moving() * np.exp(-0.02 * T)[:, None] + 3.0
    for lyapunov in (-0.02, 0.5):
        assert verdict(resting, SCALE, lyapunov, 0.0) is Verdict.FIXED_POINT
    assert verdict(np.full((100, 2), 0.1), SCALE, 0.0, 0.0) is Verdict.FIXED_POINT


def test_a_fixed_point_rests_in_every_dimension_relative_to_its_scale() -> None:
    generated = np.zeros((1000, 2))
    generated[:, 1] = 1.3e-3 * np.sin(0.1 * T)  # standard deviation 0.92e-4 of scale 10
    assert verdict(generated, SCALE, -0.1, 0.0) is Verdict.FIXED_POINT
    generated[:, 1] *= 1.2
    assert verdict(generated, SCALE, -0.1, 0.0) is Verdict.CYCLE


def test_only_the_last_tenth_of_the_steps_decides_about_rest() -> None:
    generated = moving()
    generated[900:] = generated[900]
    assert verdict(generated, SCALE, 0.1, 0.0) is Verdict.FIXED_POINT
    generated = moving()
    generated[910:] = generated[910]
    assert verdict(generated, SCALE, 0.1, 0.0) is Verdict.CHAOTIC
    assert verdict(moving()[:15], SCALE, 0.1, 0.0) is Verdict.CHAOTIC  # of which a tenth is one


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf, 1e308, 10_001.0, -10_001.0])
def test_a_single_lost_value_is_divergence(lost: float) -> None:
    generated = moving()
    generated[500, 1] = 9_999.0
    assert verdict(generated, SCALE, 0.01, 0.0) is Verdict.CHAOTIC
    generated[500, 1] = lost
    assert verdict(generated, SCALE, 0.01, 0.0) is Verdict.DIVERGED


def test_distance_is_counted_from_the_centre() -> None:
    centre = np.array([1e5, 0.0])
    assert verdict(moving() + centre, SCALE, 0.01, 0.0) is Verdict.DIVERGED
    assert verdict(moving() + centre, SCALE, 0.01, 0.0, centre=centre) is Verdict.CHAOTIC
    assert verdict(moving(), SCALE, 0.01, 0.0, centre=centre) is Verdict.DIVERGED
