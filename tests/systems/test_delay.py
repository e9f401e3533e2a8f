"""Delay equations against closed forms by the method of steps, and an independent solver."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import solve_ivp
from scipy.special import lambertw

from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.lyapunov.equations import spectrum_from_equations
from sfbptt_cli.lyapunov.settings import OrbitSettings
from sfbptt_cli.lyapunov.spectrum import kaplan_yorke_dimension
from sfbptt_cli.systems.delay import advance_a_delay, blocks_for, constant_history
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.system import System, Times, complete_parameters

Array = npt.NDArray[np.float64]

GLASS = SYSTEMS["mackey_glass"]
TIGHT = (1e-10, 1e-10)


def _equation(derivative: Any, start: tuple[float, ...], delay: float = 1.0) -> System:
    names = tuple(f"x{i}" for i in range(len(start)))
    spread = (0.1,) * len(start)
    return System("test", derivative, names, {"tau": delay}, start, spread, (), "", delay="tau")


def test_polynomials_of_the_method_of_steps() -> None:
    # x' = −x(t − 1) from 1: x(t) = Σ_k (−1)^k (t − k + 1)^k / k! over k ≤ t + 1.
    system = _equation(lambda _, past, tau: [-past[0]], (1.0,))
    times = 0.13 * np.arange(40)
    found = integrate(system, system.parameters, np.array([1.0]), Times(0, 40, 0.13), *TIGHT)
    expected = [
        sum((-1) ** k * (t - k + 1) ** k / math.factorial(k) for k in range(int(t) + 2))
        for t in times
    ]
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-13)


def test_exponentials_of_the_method_of_steps_in_two_variables() -> None:
    # x' = −x + b x(t − 1) from 1: b + (1 − b) e^−t, then b² + (b (1 − b) s + c) e^−s, s = t − 1;
    # y' = x − y has the same solution, a step of integration later.
    b = 0.4
    system = _equation(lambda now, past, tau: [-now[0] + b * past[0], now[0] - now[1]], (1.0, 1.0))
    times = 0.01 * np.arange(7, 201)
    found = integrate(system, system.parameters, np.array([1.0, 1.0]), Times(7, 194, 0.01), *TIGHT)
    first = b + (1 - b) * np.exp(-times)
    s, c = times - 1, b + (1 - b) / math.e - b**2
    second = b**2 + (b * (1 - b) * s + c) * np.exp(-s)
    np.testing.assert_allclose(found[:, 0], np.where(times <= 1, first, second), atol=1e-11)
    early = times <= 1  # y' = x − y: y = b + (1 − b + (1 − b) t) e^−t
    expected = b + (1 - b) * (1 + times) * np.exp(-times)
    np.testing.assert_allclose(found[early, 1], expected[early], atol=1e-11)


def test_mackey_glass_against_another_solver() -> None:
    """By the method of steps with the dense output of solve_ivp, at the ends of twelve delays."""
    p, past, ends = GLASS.parameters, lambda t: 0.8, [0.8]
    for _ in range(12):

        def derivative(t: float, x: Array, past: Any = past) -> Array:
            late = past(t)
            return p["beta"] * late / (1 + late ** p["n"]) - p["gamma"] * x

        span, options = (0, p["delay"]), {"dense_output": True, "rtol": 1e-12, "atol": 1e-13}
        solved = solve_ivp(derivative, span, ends[-1:], "DOP853", **options)
        past = lambda t, dense=solved.sol: float(dense(t)[0])  # noqa: E731
        ends.append(float(solved.y[0, -1]))
    found = integrate(GLASS, GLASS.parameters, np.array([0.8]), Times(0, 205, 1.0), *TIGHT)
    np.testing.assert_allclose(found[::17, 0], ends, atol=1e-9)


def test_halved_blocks_lose_error_at_high_order() -> None:
    start = np.array([1.2])

    def ends(blocks: int) -> Array:
        history = constant_history(start, blocks)
        advance = advance_a_delay(GLASS, GLASS.parameters, blocks)
        values = [history := advance(history) for _ in range(12)]
        return np.array([at_the_nodes[-1, -1, 0] for at_the_nodes in values])

    best = ends(32)
    errors = [np.abs(ends(blocks) - best).max() for blocks in (2, 4, 8)]
    assert errors[0] < 1e-4
    # Polynomials of degree 13: at least 2^8 a halving, until rounding.
    assert errors[1] < max(errors[0] / 256, 1e-12)
    assert errors[2] < 1e-12
    counts = [blocks_for(GLASS, GLASS.parameters, start, tol, tol) for tol in (1e-6, 1e-12)]
    assert counts[0] is not None
    assert counts[1] is not None
    assert counts[0] < counts[1]


def test_a_solution_that_explodes_fails() -> None:
    explodes = _equation(lambda now, past, tau: [now[0] ** 2 + 0 * past[0]], (1.0,))
    with pytest.raises(RunFailed, match=r"^dataset: test cannot be integrated"):
        integrate(explodes, explodes.parameters, np.array([1.0]), Times(0, 50, 0.1), *TIGHT)


def test_a_delay_is_a_time() -> None:
    with pytest.raises(RequestError) as refused:
        complete_parameters(GLASS, {"delay": -3.0})
    assert str(refused.value) == (
        "dataset.parameters.delay: -3.0 was given; accepted: a number above 0"
    )


@pytest.mark.parametrize("delay", [2.0, 4.0])
def test_exponents_at_a_fixed_point_are_the_roots_of_its_characteristic_equation(
    delay: float,
) -> None:
    # x = 1 rests; deviations: y' = −0.1 y − 0.4 y(t − τ), so that μ + 0.1 = −0.4 e^{−μτ} and
    # μ = W_k(−0.4 τ e^{0.1 τ}) / τ − 0.1; the pair with the largest real part has k = 0 and −1.
    parameters = complete_parameters(GLASS, {"delay": delay})
    root = complex(lambertw(-0.4 * delay * math.exp(0.1 * delay))) / delay - 0.1
    assert root.real < 0 < root.imag
    found = spectrum_from_equations(
        GLASS,
        parameters,
        1.0,
        OrbitSettings(exponents=2, steps=2000, transient=1000, trajectories=2),
    )
    np.testing.assert_allclose(found.exponents.mean(), root.real, rtol=1e-4)
    np.testing.assert_allclose(found.exponents, root.real, rtol=0.02)


def test_mackey_glass_is_chaotic_at_a_delay_of_17() -> None:
    found = spectrum_from_equations(
        GLASS,
        GLASS.parameters,
        1.0,
        OrbitSettings(exponents=3, steps=8000, transient=2000, trajectories=16),
    )
    # NeuroBench's data set states a Lyapunov time of 197, λ = 0.0051. Measured: 0.0052 ± 0.0001.
    assert found.exponents[0] == pytest.approx(1 / 197, rel=0.06)
    assert abs(found.exponents[1]) < 3e-4
    # Farmer (1982), Physica D 4, 366: a Lyapunov dimension of 2.10. Measured: 2.13.
    assert kaplan_yorke_dimension(found.exponents) == pytest.approx(2.10, abs=0.05)
    assert found.divergence is None


def test_all_exponents_of_a_delay_equation_are_too_many() -> None:
    with pytest.raises(ValueError, match="infinitely many"):
        spectrum_from_equations(GLASS, GLASS.parameters, 1.0, OrbitSettings())
