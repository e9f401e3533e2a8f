"""Trajectories of a system: ordinary equations by Dormand and Prince, others by collocation.

Fields that numba compiles are followed by compiled code, twenty times as fast as scipy, which
follows the others. There a field reads the variables as plain floats, three times faster than numpy
scalars.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.systems.delay import integrate_delayed
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.maps import iterate
from sfbptt_cli.systems.system import Array, System, Times


def integrate(
    system: System | str,
    parameters: Mapping[str, float],
    start: Array,
    times: Times,
    rtol: float,
    atol: float,
) -> Array:
    """Solve a system, given itself or by its name in SYSTEMS, from an initial condition.

    start (N,), a constant history of delay equations; returns (steps, N), the states at `times`
    after it. Maps are iterated, delay equations solved by collocation (`delay.py`), others by
    DOP853 (Dormand and Prince, order 8; `dormand_prince.py`), which, unlike LSODA at such
    tolerances, is never taken for stiff. After 20
    time units at rtol = atol = 1e-10 a Lorenz trajectory is exact to 1e-4 where dt = 0.01 keeps the
    integrator's steps short, and to 0.1 where the tolerances decide them (tested against a 40-digit
    solution). Raises RunFailed where it does not succeed.
    """
    if isinstance(system, str):
        system = SYSTEMS[system]
    if system.discrete:
        states = iterate(system, parameters, start, times)
    elif system.delay is None:
        states = _follow(system, parameters, start, times, rtol, atol)
    else:
        states = integrate_delayed(system, parameters, start, times, rtol, atol)
    if states is None:
        raise RunFailed(
            f"dataset: {system.name} cannot be integrated with {dict(parameters)}, dt = {times.dt}"
        )
    return states


def _follow(
    system: System,
    parameters: Mapping[str, float],
    start: Array,
    times: Times,
    rtol: float,
    atol: float,
) -> Array | None:
    from sfbptt_cli.systems.compiled_field import compiled_field  # 0.6 s to import
    from sfbptt_cli.systems.dormand_prince import follow

    values = np.array([parameters[name] for name in system.parameters])
    field = compiled_field(system, values)
    if field is not None:
        states = follow(field, values, start, times, rtol, atol)
        if states is not None:
            return states
    # In Python a field may raise, which tells why it fails.
    return _integrate_ordinary(system, parameters, start, times, rtol, atol)


def _integrate_ordinary(
    system: System,
    parameters: Mapping[str, float],
    start: Array,
    times: Times,
    rtol: float,
    atol: float,
) -> Array | None:
    from scipy.integrate import ode

    derivative = system.derivative
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

    first, steps, dt = times
    solver = ode(float_derivative).set_integrator("dop853", rtol=rtol, atol=atol, nsteps=100_000)
    solver.set_initial_value(start, 0.0)
    states = np.empty((steps, len(start)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # RunFailed below reports the same
        for i in range(first + steps):
            state = start if i == 0 else solver.integrate(dt * i)
            if raised or not solver.successful():
                break
            if i >= first:
                states[i - first] = state
    if raised and not isinstance(raised[0], ArithmeticError):  # overflow, division by zero
        raise raised[0]
    succeeded = not raised and solver.successful() and np.isfinite(states).all()
    return states if succeeded else None
