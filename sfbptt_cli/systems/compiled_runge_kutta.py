"""Classical Runge-Kutta steps of many states, compiled; `runge_kutta.py` has them for arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from sfbptt_cli.common.compiled import compiled
from sfbptt_cli.systems.system import Array


def follow(field: Any, parameters: Array, states: Array, h: float, steps: int) -> Array:
    """Return states (N, ...) after so many steps of h; field: a `compiled_field`.

    Equal to the bit to `runge_kutta`, but for powers in the field.
    """
    rows = np.ascontiguousarray(states.reshape(len(states), -1).T)
    work = np.empty((5, rows.shape[1]))
    with np.errstate(all="ignore"):
        _follow(field, parameters, rows, h, steps, work[:4], work[4])
    return rows.T.reshape(states.shape)


@compiled(exact=True)
def _follow(field, parameters, rows, h, steps, k, y):
    n = rows.shape[1]
    for row in range(len(rows)):
        x = rows[row]
        for _ in range(steps):
            field(x.ctypes, parameters.ctypes, k[0].ctypes)
            for stage in range(1, 4):
                part = h if stage == 3 else h / 2
                for i in range(n):
                    y[i] = x[i] + part * k[stage - 1, i]
                field(y.ctypes, parameters.ctypes, k[stage].ctypes)
            for i in range(n):
                x[i] = x[i] + h / 6 * (k[0, i] + 2 * (k[1, i] + k[2, i]) + k[3, i])
