"""Exponents of maps whose exponents are known."""

from __future__ import annotations

import math

import pytest
import torch
from known_maps import HENON, LOGISTIC, Map, linear, starts

from sfbptt_cli.lyapunov.largest import largest_exponent
from sfbptt_cli.lyapunov.spectrum import tau_predicted


def test_tau_of_the_published_exponents() -> None:
    # Mikhaeil et al. 2022, table of τ_pred, from their λ a step.
    assert [tau_predicted(value) for value in (0.0150, 0.0090, 0.016)] == [46, 77, 43]
    assert tau_predicted(5.0) == 1


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan])
def test_tau_needs_a_positive_exponent(value: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        tau_predicted(value)


def test_logistic_map_has_ln_2() -> None:
    found = largest_exponent(LOGISTIC, starts(1) + 0.3, steps=20_000, transient=100)
    assert found.value == pytest.approx(math.log(2), abs=4 * found.standard_error)
    assert 0 < found.standard_error < 2e-3


def test_henon_map_has_its_published_exponent() -> None:
    found = largest_exponent(HENON, starts(2), steps=20_000, transient=100)
    assert found.value == pytest.approx(0.41922, rel=0.005)
    assert HENON.readout.weight.dtype == torch.float32  # the model is left alone


@pytest.mark.parametrize("every", [1, 10])
def test_linear_map_has_its_largest_eigenvalue(every: int) -> None:
    model = linear([[0.9, 0.5], [0.0, 0.5]])
    found = largest_exponent(model, starts(2), steps=1_000, transient=0, every=every)
    assert found.value == pytest.approx(math.log(0.9), rel=1e-6)


@pytest.mark.parametrize("factor", [0.2, 0.11, 1e-3])
def test_a_strong_contraction_is_followed_step_by_step(factor: float) -> None:
    # Ten steps of it end below the rounding of states of order one.
    found = largest_exponent(Map(1, lambda x: 1 + factor * (x - 1)), starts(1), 200, transient=20)
    assert found.value == pytest.approx(math.log(factor), rel=1e-6)
    assert found.standard_error < 1e-6


def test_rotation_has_a_zero_exponent() -> None:
    c, s = math.cos(1.0), math.sin(1.0)
    found = largest_exponent(linear([[c, -s], [s, c]]), starts(2), 2_000, transient=0)
    assert found.value == pytest.approx(0, abs=1e-9)


def test_a_model_that_leaves_the_finite_numbers_has_no_exponent() -> None:
    found = largest_exponent(Map(1, lambda x: 1e3 * x), starts(1), steps=2_000, transient=0)
    assert math.isnan(found.value)
    collapsed = largest_exponent(Map(1, lambda x: 0 * x), starts(1), steps=100, transient=0)
    assert collapsed.value == -math.inf
