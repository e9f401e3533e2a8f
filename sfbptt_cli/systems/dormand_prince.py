"""The method of order 8 of Dormand and Prince with the step control of Hairer's DOP853, compiled.

Hairer, Nørsett and Wanner (1993), Solving Ordinary Differential Equations I, section II.5. In the
order of its operations it is `scipy.integrate.ode` with `dop853`, so that trajectories of fields
without powers are equal to the bit on x86-64, and the twentyfold time of calls into Python is
saved. It has no test for stiffness, which stops that one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.integrate import DOP853

from sfbptt_cli.common.compiled import compiled
from sfbptt_cli.systems.system import Array, Times

_STAGES = 12
_A, _B = np.ascontiguousarray(DOP853.A), np.ascontiguousarray(DOP853.B)
_E5 = np.ascontiguousarray(DOP853.E5[:_STAGES])  # an error estimate of order 5
# Another one, of order 3: a solution with three of the stages, 1, 9 and 12.
_BHH = (0.244094488188976377952755905512, 0.733846688281611857341361741547, 3 / 136)
_SAFETY, _LARGEST, _SMALLEST = 0.9, 6.0, 0.3  # of the ratio of two steps
_MOST_STEPS = 100_000  # between two kept states
_ROUNDING = 2.220446049250313e-16
# Kept states between two looks at Ctrl-C, some 20 ms; at the call itself numba may make an error
# of another kind of it.
_AT_ONCE = 20_000


def follow(
    field: Any, parameters: Array, start: Array, times: Times, rtol: float, atol: float
) -> Array | None:
    """Return the states (steps, N) at `times` after start (N,); None where that fails.

    field: a `compiled_field`.
    """
    first, steps, dt = times
    states = np.empty((first + steps, len(start)))
    states[0] = start
    y, work = np.array(start, dtype=np.float64), np.empty((_STAGES + 1, len(start)))
    for done in range(0, len(states) - 1, _AT_ONCE):
        part = states[done : done + _AT_ONCE + 1]
        if not _follow(field, parameters, part, done, dt, rtol, atol, work[:-1], y, work[-1]):
            return None
    return states[first:] if np.isfinite(states).all() else None


@compiled(exact=True)
def _first_step(field, parameters, y, rtol, atol, longest, k, y1):
    """Return a step h with h⁸ max(‖y'‖, ‖y''‖) = 0.01, y'' by a step of Euler."""
    slope = size = 0.0
    for i in range(len(y)):
        scale = atol + rtol * abs(y[i])
        slope += (k[0, i] / scale) ** 2
        size += (y[i] / scale) ** 2
    h = 1e-6 if slope <= 1e-10 or size <= 1e-10 else math.sqrt(size / slope) * 0.01
    h = min(h, longest)
    for i in range(len(y)):
        y1[i] = y[i] + h * k[0, i]
    field(y1.ctypes, parameters.ctypes, k[1].ctypes)
    bend = 0.0
    for i in range(len(y)):
        bend += ((k[1, i] - k[0, i]) / (atol + rtol * abs(y[i]))) ** 2
    steepest = max(math.sqrt(bend) / h, math.sqrt(slope))
    follows = max(1e-6, h * 1e-3) if steepest <= 1e-15 else (0.01 / steepest) ** (1 / 8)
    return min(100 * h, follows, longest)


@compiled(exact=True)
def _stages(field, parameters, y, h, k, y1):
    """Fill in the slopes k (stage, N) after the first."""
    for i in range(len(y)):
        y1[i] = y[i] + h * _A[1, 0] * k[0, i]
    field(y1.ctypes, parameters.ctypes, k[1].ctypes)
    for stage in range(2, _STAGES):
        for i in range(len(y)):
            slope = _A[stage, 0] * k[0, i]
            for j in range(1, stage):
                slope += _A[stage, j] * k[j, i]
            y1[i] = y[i] + h * slope
        field(y1.ctypes, parameters.ctypes, k[stage].ctypes)


@compiled(exact=True)
def _solution(y, h, rtol, atol, k, y1):
    """Write the solution after the step to y1 and return its error, of which 1 is accepted."""
    error5 = error3 = 0.0
    for i in range(len(y)):
        slope, fifth = _B[0] * k[0, i], _E5[0] * k[0, i]
        for j in range(1, _STAGES):
            slope += _B[j] * k[j, i]
            fifth += _E5[j] * k[j, i]
        y1[i] = y[i] + h * slope
        scale = atol + rtol * max(abs(y[i]), abs(y1[i]))
        third = slope - _BHH[0] * k[0, i] - _BHH[1] * k[8, i] - _BHH[2] * k[11, i]
        error3 += (third / scale) ** 2
        error5 += (fifth / scale) ** 2
    both = error5 + 0.01 * error3
    if both <= 0:
        both = 1.0
    return h * error5 * math.sqrt(1 / (len(y) * both))


@compiled(exact=True)
def _advance(field, parameters, y, t, end, rtol, atol, k, y1):
    """Take y (N,) from t to end; return whether that succeeds."""
    field(y.ctypes, parameters.ctypes, k[0].ctypes)
    longest = end - t
    h = _first_step(field, parameters, y, rtol, atol, longest, k, y1)
    last = rejected = False
    for _ in range(_MOST_STEPS + 1):
        if 0.1 * h <= abs(t) * _ROUNDING:
            return False
        if t + 1.01 * h - end > 0:
            h, last = end - t, True
        _stages(field, parameters, y, h, k, y1)
        error = _solution(y, h, rtol, atol, k, y1)
        if error <= 1:
            field(y1.ctypes, parameters.ctypes, k[0].ctypes)
            for i in range(len(y)):
                y[i] = y1[i]
            t += h
            if last:
                return True
            shorter = max(1 / _LARGEST, min(1 / _SMALLEST, error ** (1 / 8) / _SAFETY))
            following = min(h / shorter, longest)
            if rejected:
                following = min(following, h)
            h, rejected = following, False
        else:
            h /= 1 / _SMALLEST
            last, rejected = False, True
    return False


@compiled(exact=True)
def _follow(field, parameters, states, first, dt, rtol, atol, k, y, y1):
    """Fill in states (kept, N) after the first, which is y, that at dt · first."""
    for i in range(1, len(states)):
        t = first + i
        if not _advance(field, parameters, y, dt * (t - 1), dt * t, rtol, atol, k, y1):
            return False
        for j in range(len(y)):
            states[i, j] = y[j]
    return True
