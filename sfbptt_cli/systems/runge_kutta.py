"""Classical Runge-Kutta steps of many states at once, short enough for the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.systems.system import Array, System

Field = Callable[[Array], Array]
Advance = Callable[[Array, int], Array]  # states (N, ...) and a number of steps to states

# Largest difference between one step and two half steps, in standard deviations of a variable.
_TOLERANCE = 1e-5
_SHORTEST = 128  # steps an observation interval
_FEW = 10  # variables, up to which compiled fields are faster than arrays of many states


def vector_field(system: System, parameters: Mapping[str, float]) -> Field:
    """Return the field as a function of states (N, ...)."""

    def vectorised(x: Array) -> Array:
        derivative = np.empty_like(x)
        for i, value in enumerate(system.derivative(x, **parameters)):
            derivative[i] = value
        return derivative

    def state_by_state(x: Array) -> Array:
        states = x.reshape(len(x), -1).T.tolist()
        derivatives = [system.derivative(state, **parameters) for state in states]
        return np.array(derivatives, dtype=np.float64).T.reshape(x.shape)

    return vectorised if system.vectorised else state_by_state


def runge_kutta(field: Field, x: Array, h: float) -> Array:
    """Return x(t + h) from x(t) by the classical method of order 4 (Kutta 1901)."""
    k1 = field(x)
    k2 = field(x + h / 2 * k1)
    k3 = field(x + h / 2 * k2)
    k4 = field(x + h * k3)
    return x + h / 6 * (k1 + 2 * (k2 + k3) + k4)


def advance_by(system: System, parameters: Mapping[str, float], h: float) -> Advance:
    """Return the map of states (N, ...) to those after some Runge-Kutta steps of h."""
    field = vector_field(system, parameters)
    in_arrays = repeated(lambda x: runge_kutta(field, x, h))
    if system.vectorised and len(system.start) > _FEW:
        return in_arrays
    from sfbptt_cli.systems.compiled_field import compiled_field  # numba takes 0.4 s to import
    from sfbptt_cli.systems.compiled_runge_kutta import follow

    values = np.array([parameters[name] for name in system.parameters])
    compiled = compiled_field(system, values)
    if compiled is None:
        return in_arrays
    return lambda x, steps: follow(compiled, values, x, h, steps)


def repeated(step: Field) -> Advance:
    """Return what applies a map of states several times."""

    def advance(x: Array, steps: int) -> Array:
        for _ in range(steps):
            x = step(x)
        return x

    return advance


def scale_of(system: System, states: Array) -> Array:
    """Return a standard deviation for each variable of states (N, samples).

    No less than a hundredth of its root mean square and a thousandth of its start, so that an
    offset of 1e-6 of it is far above rounding at a fixed point, too.
    """
    start = np.abs(system.start) + np.array(system.spread)
    size = np.sqrt(np.square(states).mean(axis=1))
    scale = np.maximum.reduce([states.std(axis=1), 1e-2 * size, 1e-3 * start])
    return np.where(scale > 0, scale, scale.max() or 1.0)


def inner_steps(field: Field, states: Array, scale: Array, dt: float) -> int:
    """Return how many Runge-Kutta steps cover dt, a power of 2.

    It is the least with which one step and two half steps differ by less than 1e-5 standard
    deviations at all states (N, samples) of the attractor. Raises RunFailed where 128 do not
    suffice.
    """
    count = 1
    with np.errstate(all="ignore"):
        while count <= _SHORTEST:
            h = dt / count
            halves = runge_kutta(field, runge_kutta(field, states, h / 2), h / 2)
            difference = np.abs(runge_kutta(field, states, h) - halves) / scale[:, None]
            if difference.max() <= _TOLERANCE:
                return count
            count *= 2
    raise RunFailed(f"dataset: the equations are too stiff for {_SHORTEST} steps a dt = {dt}")
