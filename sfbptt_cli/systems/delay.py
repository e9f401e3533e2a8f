"""Delay equations x'(t) = f(x(t), x(t − τ)) by collocation, the history on the same grid.

Bellen and Zennaro (2003), Numerical Methods for Delay Differential Equations, chapter 5. A delay is
cut into equal blocks, and a block's solution is the polynomial whose derivative is that of a
polynomial through f at the block's nodes. The nodes of the block one delay ago lie exactly one
delay ago: nothing is interpolated, and the kinks of the solution at multiples of the delay, which
the start of a constant history makes, lie on borders of blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.polynomial import chebyshev

from sfbptt_cli.systems.system import Array, System, Times

# Chebyshev points a block, both ends among them.
_NODES = 13
_MOST_BLOCKS = 256
# Sweeps of the fixed-point iteration; one that needs more is cut into shorter blocks.
_SWEEPS = 40
# Delays over which two grids are compared.
_COMPARED = 10

_POINTS = (1 - np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))) / 2
_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(2 * _POINTS - 1, _NODES - 1))
# Values at the nodes to the integrals from the block's beginning (of length 1) to each node.
_INTEGRALS = (
    chebyshev.chebvander(2 * _POINTS - 1, _NODES)
    @ chebyshev.chebint(np.eye(_NODES), lbnd=-1, scl=0.5)
    @ _COEFFICIENTS
)

Advance = Callable[[Array], Array]


def advance_a_delay(system: System, parameters: Mapping[str, float], blocks: int) -> Advance:
    """Return the map from one delay to the next, both (block, node, N, ...) at the nodes.

    Where the iteration does not converge, the result is not finite.
    """
    assert system.delay is not None
    length = parameters[system.delay] / blocks

    def solve_block(begin: Array, past: Array) -> Array:
        x = np.broadcast_to(begin, past.shape)
        delayed = past.swapaxes(0, 1)
        for _ in range(_SWEEPS):
            derivative = system.derivative(x.swapaxes(0, 1), delayed, **parameters)
            slopes = np.stack(derivative, axis=1)
            following = begin + length * np.tensordot(_INTEGRALS, slopes, axes=1)
            change = np.abs(following - x).max()
            x = following
            # Rounding; what a NaN or overflow leaves is the caller's to see.
            if not change > 1e-13 * np.abs(x).max():
                return x
        return np.full_like(x, np.nan)

    def advance(history: Array) -> Array:
        following = np.empty_like(history)
        begin = history[-1, -1]
        for block, past in enumerate(history):
            following[block] = solve_block(begin, past)
            begin = following[block, -1]
        return following

    return advance


def constant_history(start: Array, blocks: int) -> Array:
    """Return (block, node, N, ...) of a history that is start (N, ...) throughout."""
    return np.broadcast_to(start, (blocks, _NODES, *start.shape)).copy()


def blocks_for(
    system: System, parameters: Mapping[str, float], start: Array, rtol: float, atol: float
) -> int | None:
    """Return the least number of blocks, a power of 2, that are enough; None beyond 256.

    Twice as many change the solution by less than atol + rtol |x| over the first ten delays.
    """
    before: Array | None = None
    blocks = 2
    while blocks <= _MOST_BLOCKS:
        advance = advance_a_delay(system, parameters, blocks)
        history, borders = constant_history(start, blocks), []
        for _ in range(_COMPARED):
            history = advance(history)
            borders.append(history[blocks // 2 - 1 :: blocks // 2, -1])
        after = np.concatenate(borders)
        if before is not None and np.all(np.abs(after - before) <= atol + rtol * np.abs(after)):
            return blocks // 2
        before, blocks = after, 2 * blocks
    return None


def integrate_delayed(
    system: System,
    parameters: Mapping[str, float],
    start: Array,
    times: Times,
    rtol: float,
    atol: float,
) -> Array | None:
    """Return (steps, N) at `times` after a history of start (N,); None where it fails.

    The states between the nodes are those of the polynomials.
    """
    assert system.delay is not None
    with np.errstate(all="ignore"):
        blocks = blocks_for(system, parameters, start, rtol, atol)
        if blocks is None:
            return None
        advance = advance_a_delay(system, parameters, blocks)
        length = parameters[system.delay] / blocks
        # In blocks; time 0 is the end of the history. A time on a border belongs to the block
        # that ends there.
        first, steps, dt = times
        place = np.arange(first, first + steps, dtype=np.float64) * (dt / length)
        block = np.maximum(np.ceil(place).astype(int) - 1, -1)
        history = constant_history(start, blocks)
        states = np.empty((steps, len(start)))
        states[block < 0] = start
        for delay in range(math.ceil((place[-1] + 1) / blocks)):
            history = advance(history)
            low, high = np.searchsorted(block, [delay * blocks, (delay + 1) * blocks])
            if high > low:
                inside = block[low:high]
                share = place[low:high] - inside
                states[low:high] = _at(history[inside - delay * blocks], share)
            if not np.isfinite(history).all():
                return None
    return states


def _at(values: Array, place: Array) -> Array:
    """Evaluate polynomials of values (time, node, N) at the nodes, each at a place in [0, 1]."""
    weights = chebyshev.chebvander(2 * place - 1, _NODES - 1) @ _COEFFICIENTS
    return np.einsum("tp,tpn->tn", weights, values)
