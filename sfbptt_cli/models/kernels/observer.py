"""The correction of a warm-up, compiled: forward and reverse."""

from __future__ import annotations

import numpy as np

from sfbptt_cli.common.compiled import compiled


@compiled
def correct(k, z, rest, observer):
    """Add K (x_t − B z) to the state, of which z (M, R) are the latents, rest (S − M, R) the others.

    observer: x (steps, N, R), K (S, N), B (N, M); the errors x_t − B z take the place of x, and z
    is kept in seen (steps, M, R).
    """
    errors, gain, weight, seen = observer
    seen[k] = z
    error = errors[k]
    error -= np.dot(weight, z)
    push = np.dot(gain, error)
    z += push[: len(z)]
    rest += push[len(z) :]


@compiled
def uncorrect(k, d, observer, by_observer):
    """Turn ∂L/∂(the corrected state), d (S, R), into that by the state before; add by K and B."""
    errors, gain, weight, seen = observer
    by_x, by_gain, by_weight = by_observer
    by_gain += np.dot(d, errors[k].T)
    by_x[k] = np.dot(gain.T, d)
    by_weight -= np.dot(by_x[k], seen[k].T)
    d[: weight.shape[1]] -= np.dot(weight.T, by_x[k])
