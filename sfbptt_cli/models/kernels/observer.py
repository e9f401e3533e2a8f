"""The readout of free steps and the correction of a warm-up, compiled: forward and reverse."""

from __future__ import annotations

import numpy as np

from sfbptt_cli.common.compiled import compiled
from sfbptt_cli.models.kernels.elementwise import add, copy, subtract


@compiled
def correct(k, z, rest, observer):
    """Add K (x_t − B z) to the state: its latents z (M, R) and the rest (S − M, R).

    observer: x (steps, N, R), K (S, N), B (N, M); the errors x_t − B z take the place of x, and z
    is kept in seen (steps, M, R).
    """
    errors, gain, weight, seen = observer
    copy(seen[k], z)
    error = errors[k]
    subtract(error, np.dot(weight, z))
    push = np.dot(gain, error)
    add(z, push[: len(z)])
    add(rest, push[len(z) :])


@compiled
def uncorrect(k, d, observer, by_observer):
    """Turn ∂L/∂(the corrected state), d (S, R), into that by the state before; add by K and B."""
    errors, gain, weight, seen = observer
    by_x, by_gain, by_weight = by_observer
    add(by_gain, np.dot(d, errors[k].T))
    np.dot(gain.T, d, by_x[k])
    subtract(by_weight, np.dot(by_x[k], seen[k].T))
    subtract(d[: weight.shape[1]], np.dot(weight.T, by_x[k]))


@compiled
def read_out(states, weight, predicted):
    """Fill predicted (steps, N, R) with B z of states[1:]."""
    for k in range(len(predicted)):
        np.dot(weight, states[k + 1][: weight.shape[1]], predicted[k])


@compiled
def read_out_reverse(by_x, states, weight, by_z, by_weight):
    """Fill ∂L/∂z (steps, M, R) from ∂L/∂x̂ (steps, N, R); add by B."""
    for k in range(len(by_x)):
        np.dot(weight.T, by_x[k], by_z[k])
        add(by_weight, np.dot(by_x[k], states[k + 1][: weight.shape[1]].T))
