"""Dynamical systems: equations, parameters, published exponents; integrated by scipy.

A vector field reads the variables as plain floats (three times faster in the integrator than
numpy scalars) and works on arrays, one a variable, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.errors import RequestError, RunFailed, choices, nearest

Array = NDArray[np.float64]


class KnownExponent(NamedTuple):
    """A largest Lyapunov exponent, per time unit, and the parameters it holds for."""

    parameters: dict[str, float]
    value: float
    source: str


@dataclass(frozen=True)
class System:
    """An autonomous system of ordinary differential equations."""

    derivative: Callable[..., Sequence[Any]]  # N values and the parameters by name -> N values
    variables: tuple[str, ...]
    parameters: dict[str, float]
    start: tuple[float, ...]  # in the basin of the attractor
    spread: tuple[float, ...]  # standard deviations of random starts around it
    exponents: tuple[KnownExponent, ...]
    citation: str


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


_TANGENT_FLOW = "tangent flow of the equations (QR)"

SYSTEMS: dict[str, System] = {
    "lorenz": System(
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
            ),
            KnownExponent(
                {"sigma": 10.0, "rho": 38.0, "beta": 8 / 3},
                1.105,
                _TANGENT_FLOW,
            ),
        ),
        citation="Lorenz (1963), Deterministic nonperiodic flow, J. Atmos. Sci. 20, 130",
    ),
    "rossler": System(
        derivative=rossler,
        variables=("x", "y", "z"),
        parameters={"a": 0.2, "b": 0.2, "c": 5.7},
        start=(1.0, 1.0, 0.5),
        spread=(0.3, 0.3, 0.1),
        exponents=(
            KnownExponent({"a": 0.2, "b": 0.2, "c": 5.7}, 0.0714, "Sprott (2003): 0.0714"),
            KnownExponent({"a": 0.15, "b": 0.2, "c": 10.0}, 0.0886, _TANGENT_FLOW),
        ),
        citation="Rössler (1976), An equation for continuous chaos, Phys. Lett. A 57, 397",
    ),
    "duffing": System(
        derivative=duffing,
        variables=("x", "v", "cos", "sin"),
        parameters={"alpha": -1.0, "beta": 1.0, "delta": 0.3, "gamma": 0.5, "omega": 1.2},
        start=(1.0, 0.0, 1.0, 0.0),
        spread=(0.3, 0.3, 0.0, 0.0),  # the drive keeps its amplitude of 1
        exponents=(),
        citation="Duffing (1918); Guckenheimer and Holmes (1983), section 2.2",
    ),
    "lorenz96": System(
        derivative=lorenz96,
        variables=tuple(f"x{i + 1}" for i in range(20)),
        parameters={"forcing": 8.0},
        start=(8.0,) * 20,
        spread=(1.0,) * 20,
        exponents=(),
        citation="Lorenz (1996), Predictability: a problem partly solved, ECMWF seminar",
    ),
}


def complete_parameters(name: str, given: Mapping[str, float]) -> dict[str, float]:
    """The system's parameters with the given ones in place of their defaults.

    Raises RequestError for a parameter that the system does not have.
    """
    known = SYSTEMS[name].parameters
    for key in given:
        if key not in known:
            raise RequestError(
                f"dataset.parameters.{key}: {name} has no such parameter; "
                f"accepted: {choices(known)}{nearest(key, known)}"
            )
    return {**known, **{key: float(value) for key, value in given.items()}}


def known_exponent(name: str, parameters: Mapping[str, float]) -> KnownExponent | None:
    """The published largest exponent (per time unit) where it was computed for these parameters."""
    for known in SYSTEMS[name].exponents:
        if all(
            np.isclose(parameters[key], known.parameters[key], rtol=1e-12, atol=0)
            for key in parameters
        ):
            return known
    return None


def integrate(
    name: str,
    parameters: Mapping[str, float],
    start: Array,
    first: int,
    steps: int,
    dt: float,
    rtol: float,
    atol: float,
) -> Array:
    """Solve the system from an initial condition.

    start (N,); returns (steps, N): the states at the times dt·(first, …, first + steps − 1) after
    it. Integrator: DOP853 (Dormand and Prince, order 8) in the compiled form of
    `scipy.integrate.ode`, ten times faster than `solve_ivp` and, unlike LSODA at such tolerances,
    never taken for stiff. After 20 time units at rtol = atol = 1e-10 a Lorenz trajectory is exact
    to 1e-4 where dt = 0.01 keeps the integrator's steps short, and to 0.1 where the tolerances
    decide them (tested against a 40-digit solution). Raises RunFailed where it does not succeed.
    """
    from scipy.integrate import ode  # 0.4 s to import

    derivative = SYSTEMS[name].derivative
    raised: list[BaseException] = []

    def float_derivative(_: float, state: Array) -> Sequence[Any]:
        # After an exception (Ctrl-C, too) the compiled integrator would go on calling, for ever;
        # one raised between two calls arrives as the cause of a SystemError. NaN makes it stop.
        try:
            return derivative(state.tolist(), **parameters)
        except SystemError as error:
            raised.append(error.__cause__ or error)
        except BaseException as error:
            raised.append(error)
        return [np.nan] * len(state)

    solver = ode(float_derivative).set_integrator("dop853", rtol=rtol, atol=atol, nsteps=100_000)
    solver.set_initial_value(start, 0.0)
    states = np.empty((steps, len(start)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the message below says what the warnings say
        for i in range(first + steps):
            state = start if i == 0 else solver.integrate(dt * i)
            if raised or not solver.successful():
                break
            if i >= first:
                states[i - first] = state
    if raised and not isinstance(raised[0], ArithmeticError):  # overflow, division by zero
        raise raised[0]
    succeeded = not raised and solver.successful() and np.isfinite(states).all()
    if not succeeded:
        raise RunFailed(f"dataset: {name} cannot be integrated with {dict(parameters)}, dt = {dt}")
    return states
