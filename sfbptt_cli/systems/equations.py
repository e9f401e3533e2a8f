"""Equations of the systems, their parameters and published exponents.

A vector field takes plain floats, and arrays, one a variable, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sfbptt_cli.systems.maps import MAPS
from sfbptt_cli.systems.system import KnownExponent, System


def lorenz(state: Sequence[Any], sigma: float, rho: float, beta: float) -> Sequence[Any]:
    """x' = σ(y − x), y' = x(ρ − z) − y, z' = xy − βz (Lorenz 1963)."""
    x, y, z = state
    return [sigma * (y - x), x * (rho - z) - y, x * y - beta * z]


def rossler(state: Sequence[Any], a: float, b: float, c: float) -> Sequence[Any]:
    """x' = −y − z, y' = x + a y, z' = b + z(x − c) (Rössler 1976)."""
    x, y, z = state
    return [-y - z, x + a * y, b + z * (x - c)]


def duffing(
    state: Sequence[Any], alpha: float, beta: float, delta: float, gamma: float, omega: float
) -> Sequence[Any]:
    """x'' + δx' + αx + βx³ = γ cos ωt, its drive (cos ωt, sin ωt) being two more variables.

    x' = v, v' = −δv − αx − βx³ + γu, u' = −ωw, w' = ωu (Duffing 1918), so that it is autonomous.
    """
    x, v, u, w = state
    return [v, -delta * v - alpha * x - beta * x * x * x + gamma * u, -omega * w, omega * u]


def lorenz96(state: Sequence[Any], forcing: float) -> Sequence[Any]:
    """x_i' = (x_{i+1} − x_{i−2}) x_{i−1} − x_i + F, indices on a ring (Lorenz 1996)."""
    n = len(state)
    return [
        (state[(i + 1) % n] - state[i - 2]) * state[i - 1] - state[i] + forcing for i in range(n)
    ]


def mackey_glass(
    state: Sequence[Any], delayed: Sequence[Any], beta: float, gamma: float, n: float, delay: float
) -> Sequence[Any]:
    """x' = β x(t − delay) / (1 + x(t − delay)ⁿ) − γ x (Mackey and Glass 1977)."""
    (x,), (past,) = state, delayed
    return [beta * past / (1 + past**n) - gamma * x]


_TANGENT_FLOW = "tangent flow of the equations (QR)"

_ALL = (
    System(
        name="lorenz",
        derivative=lorenz,
        variables=("x", "y", "z"),
        parameters={"sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
        start=(1.0, 1.0, 25.0),
        spread=(1.0, 1.0, 1.0),
        exponents=(
            KnownExponent(
                {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
                0.9057,
                "Viswanath (1998), Lyapunov exponents from random Fibonacci sequences to the "
                "Lorenz equations: 0.90566",
                2.062,
            ),
            KnownExponent({"sigma": 10.0, "rho": 38.0, "beta": 8 / 3}, 1.105, _TANGENT_FLOW, 2.075),
        ),
        citation="Lorenz (1963), Deterministic nonperiodic flow, J. Atmos. Sci. 20, 130",
    ),
    System(
        name="rossler",
        derivative=rossler,
        variables=("x", "y", "z"),
        parameters={"a": 0.2, "b": 0.2, "c": 5.7},
        start=(1.0, 1.0, 0.5),
        spread=(0.3, 0.3, 0.1),
        exponents=(
            KnownExponent({"a": 0.2, "b": 0.2, "c": 5.7}, 0.0714, "Sprott (2003): 0.0714", 2.013),
            KnownExponent({"a": 0.15, "b": 0.2, "c": 10.0}, 0.0886, _TANGENT_FLOW, 2.009),
        ),
        citation="Rössler (1976), An equation for continuous chaos, Phys. Lett. A 57, 397",
    ),
    System(
        name="duffing",
        derivative=duffing,
        variables=("x", "v", "cos", "sin"),
        parameters={"alpha": -1.0, "beta": 1.0, "delta": 0.3, "gamma": 0.5, "omega": 1.2},
        start=(1.0, 0.0, 1.0, 0.0),
        spread=(0.3, 0.3, 0.0, 0.0),  # the drive keeps its amplitude of 1
        exponents=(),
        citation="Duffing (1918); Guckenheimer and Holmes (1983), section 2.2",
    ),
    System(
        name="lorenz96",
        derivative=lorenz96,
        variables=tuple(f"x{i + 1}" for i in range(20)),
        parameters={"forcing": 8.0},
        start=(8.0,) * 20,
        spread=(1.0,) * 20,
        exponents=(),
        citation="Lorenz (1996), Predictability: a problem partly solved, ECMWF seminar",
    ),
    System(
        name="mackey_glass",
        derivative=mackey_glass,
        variables=("x",),
        parameters={"beta": 0.2, "gamma": 0.1, "n": 10.0, "delay": 17.0},
        start=(1.2,),
        spread=(0.1,),
        exponents=(),
        citation="Mackey and Glass (1977), Oscillation and chaos in physiological control systems, "
        "Science 197, 287",
        delay="delay",
    ),
)

SYSTEMS: dict[str, System] = {system.name: system for system in (*_ALL, *MAPS)}
