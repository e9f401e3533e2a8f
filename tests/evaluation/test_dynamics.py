"""The dynamics of generations whose nature is known."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from known_maps import Map
from torch import Tensor

from sfbptt_cli.evaluation.dynamics import Dynamics, attractor_dimension, dynamics
from sfbptt_cli.lyapunov.largest import largest_exponent
from sfbptt_cli.lyapunov.spectrum import GrowthRate, Spectrum

Array = npt.NDArray[np.float64]
SCALE = np.array([1.0, 10.0])
T = np.arange(1000)


def moving() -> Array:
    return np.column_stack([np.sin(0.1 * T), 10 * np.cos(0.1 * T)])


def dynamics_at(x: Array, value: float, error: float, **options: Any) -> Dynamics:
    return dynamics(x, SCALE, GrowthRate(value, error), 10_000, **options)


@pytest.mark.parametrize(
    ("lyapunov", "standard_error", "expected"),
    [
        (0.011, 0.001, Dynamics.CHAOTIC),
        (0.011, 0.0037, Dynamics.CYCLE),  # within three standard errors of zero
        (0.011, 0.0036, Dynamics.CHAOTIC),
        (2e-6, 0.0, Dynamics.CHAOTIC),
        (9e-7, 0.0, Dynamics.CYCLE),  # a growth of 0.9% in all
        (0.0, 0.001, Dynamics.CYCLE),
        (-0.2, 0.001, Dynamics.CYCLE),
        (-math.inf, 0.0, Dynamics.CYCLE),
        (0.1, math.inf, Dynamics.CHAOTIC),  # of one trajectory: no error is known
        (math.nan, math.inf, Dynamics.DIVERGED),  # every trajectory left the numbers
    ],
)
def test_the_exponent_decides_about_what_keeps_moving(
    lyapunov: float, standard_error: float, expected: Dynamics
) -> None:
    assert dynamics_at(moving(), lyapunov, standard_error) is expected


@pytest.mark.parametrize("exponent", [3e-5, 0.0, -9e-5])
def test_two_frequencies_are_a_torus_where_the_exponent_is_zero(exponent: float) -> None:
    golden = (1 + math.sqrt(5)) / 2
    two = np.sin(0.1 * T) + 0.3 * np.sin(0.1 * golden * T)
    torus = np.column_stack([two, 10 * np.cos(0.1 * T)])
    assert dynamics_at(torus, exponent, 1e-5 + abs(exponent) / 3) is Dynamics.TORUS
    assert dynamics_at(torus, exponent, 1e-4, second_is_zero=False) is Dynamics.CYCLE
    assert dynamics_at(torus, -2e-4, 1e-5) is Dynamics.CYCLE  # a long transient
    # Frequencies of 2 to 3 repeat after two maxima or three.
    locked = np.sin(0.2 * T) + 0.3 * np.sin(0.3 * T)
    locked = np.column_stack([locked, 10 * np.cos(0.1 * T)])
    assert dynamics_at(locked, exponent, 1e-5 + abs(exponent) / 3) is Dynamics.CYCLE


def test_what_comes_to_rest_is_a_fixed_point_whatever_the_exponent() -> None:
    resting = moving() * np.exp(-0.02 * T)[:, None] + 3.0
    for lyapunov in (-0.02, 0.5):
        assert dynamics_at(resting, lyapunov, 0.0) is Dynamics.FIXED_POINT
    assert dynamics_at(np.full((100, 2), 0.1), 0.0, 0.0) is Dynamics.FIXED_POINT


def test_a_fixed_point_rests_in_every_dimension_relative_to_its_scale() -> None:
    generated = np.zeros((1000, 2))
    generated[:, 1] = 1.3e-3 * np.sin(0.1 * T)  # standard deviation 0.92e-4 of scale 10
    assert dynamics_at(generated, -0.1, 0.0) is Dynamics.FIXED_POINT
    generated[:, 1] *= 1.2
    assert dynamics_at(generated, -0.1, 0.0) is Dynamics.CYCLE


def test_only_the_last_tenth_of_the_steps_decides_about_rest() -> None:
    generated = moving()
    generated[900:] = generated[900]
    assert dynamics_at(generated, 0.1, 0.0) is Dynamics.FIXED_POINT
    generated = moving()
    generated[910:] = generated[910]
    assert dynamics_at(generated, 0.1, 0.0) is Dynamics.CHAOTIC
    assert dynamics_at(moving()[:15], 0.1, 0.0) is Dynamics.CHAOTIC  # of which a tenth is one


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf, 1e308, 10_001.0, -10_001.0])
def test_a_single_lost_value_is_divergence(lost: float) -> None:
    generated = moving()
    generated[500, 1] = 9_999.0
    assert dynamics_at(generated, 0.01, 0.0) is Dynamics.CHAOTIC
    generated[500, 1] = lost
    assert dynamics_at(generated, 0.01, 0.0) is Dynamics.DIVERGED


def test_distance_is_counted_from_the_centre() -> None:
    centre = np.array([1e5, 0.0])
    assert dynamics_at(moving() + centre, 0.01, 0.0) is Dynamics.DIVERGED
    assert dynamics_at(moving() + centre, 0.01, 0.0, centre=centre) is Dynamics.CHAOTIC
    assert dynamics_at(moving(), 0.01, 0.0, centre=centre) is Dynamics.DIVERGED


def _runge_kutta(field: Callable[[Tensor], Tensor], h: float) -> Map:
    def step(x: Tensor) -> Tensor:
        k1 = field(x)
        k2 = field(x + h / 2 * k1)
        k3 = field(x + h / 2 * k2)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + field(x + h * k3))

    return Map(len(field(torch.zeros(1, 4))[0]), step)


def _van_der_pol(z: Tensor) -> Tensor:
    x, y = z[:, 0], z[:, 1]
    return torch.stack([y, (1 - x**2) * y - x], dim=1)


def _lorenz(z: Tensor) -> Tensor:
    x, y, z_ = z[:, 0], z[:, 1], z[:, 2]
    return torch.stack([10 * (y - x), x * (28 - z_) - y, x * y - 8 / 3 * z_], dim=1)


def _two_oscillators(z: Tensor) -> Tensor:
    a, b, c, d = z.unbind(dim=1)
    p, q, golden = 1 - a**2 - b**2, 1 - c**2 - d**2, (1 + math.sqrt(5)) / 2
    return torch.stack([a * p - b + 0.1 * c, b * p + a, c * q - golden * d, d * q + golden * c], 1)


def _twist(z: Tensor) -> Tensor:
    """Rotate by an angle that grows with the radius: a distance grows with time."""
    x, y = z.unbind(dim=1)
    angle = 0.3 + x**2 + y**2
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * x - s * y, s * x + c * y], dim=1)


def _delayed_logistic(z: Tensor) -> Tensor:
    return torch.stack([2.1 * z[:, 0] * (1 - z[:, 1]), z[:, 0]], dim=1)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (_runge_kutta(_van_der_pol, 0.1), Dynamics.CYCLE),
        (_runge_kutta(_two_oscillators, 0.1), Dynamics.TORUS),
        (_runge_kutta(_lorenz, 0.001), Dynamics.CHAOTIC),  # 0.0009 per step
        (Map(2, _twist), Dynamics.CYCLE),
        (Map(2, _delayed_logistic), Dynamics.TORUS),  # an invariant circle
    ],
    ids=["van der pol", "two oscillators", "lorenz", "twist", "invariant circle"],
)
def test_known_systems_are_named(model: Map, expected: Dynamics) -> None:
    begun = 0.4 + 0.2 * torch.rand(1, model.obs_dim, generator=torch.Generator().manual_seed(3))
    x = model.double().rollout(begun.double(), 14_000)[0][0, 4_000:]
    found = largest_exponent(model, x[:: len(x) // 16], steps=6_000, transient=0)
    free = x.numpy()
    assert dynamics(free, free.std(axis=0), found, 6_000, centre=free.mean(axis=0)) is expected


@pytest.mark.parametrize(
    ("exponents", "word", "dimension"),
    [
        ([-2e-3, -0.5, -1.0], Dynamics.CYCLE, 1.0),  # 0 within its error
        ([-0.1, -0.5, -1.0], Dynamics.CYCLE, 0.0),  # of a map
        ([1e-3, -2e-3, -1.0], Dynamics.TORUS, 2.0),
        ([-2e-3, -0.5, -1.0], Dynamics.FIXED_POINT, 0.0),
        ([0.5, -2e-3, -1.0], Dynamics.CHAOTIC, 2.498),
    ],
)
def test_the_dimension_of_what_a_model_does(
    exponents: list[float], word: Dynamics, dimension: float
) -> None:
    spectrum = Spectrum(np.array(exponents), np.full(3, 1e-3), trajectories=16)
    assert attractor_dimension(spectrum, 2_000, word) == pytest.approx(dimension, abs=1e-9)
