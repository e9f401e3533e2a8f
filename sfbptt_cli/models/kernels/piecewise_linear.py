"""The piecewise-linear networks: forward and reverse pass, compiled.

z' = A z + W [φ(y); s; 1],  y = V z, or z where V is empty,  φ_i(y) = Σ_b a_b relu(y − t_ib) but
for the first `linear` units, of which φ(y) = y. A (M, 1), W = [W C h] (M, L + K + 1), V (L, M) or
(0, M), t (L, B), a (1, B).

`kept` (steps, L + K + 1 + rows of V, R): [φ(y); s; 1], and V z below. The reverse pass recomputes
which pieces are on.
"""

from __future__ import annotations

import numpy as np

from sfbptt_cli.common.compiled import compiled
from sfbptt_cli.models.kernels.elementwise import add, copy
from sfbptt_cli.models.kernels.observer import correct, uncorrect


@compiled
def forward(linear, states, kept, observer, weights):
    """Fill states[1:]: (steps + 1, M + K + 1, R), of which s and 1 are given."""
    A, W, V, t, a = weights
    M, (L, rows), last = len(A), (len(t), W.shape[1]), len(kept) - 1
    for k in range(len(states) - 1):
        here, there, keep = states[k], states[k + 1][:M], kept[min(k, last)]
        y = here[:M]
        if len(V):
            y = keep[rows:]
            np.dot(V, here[:M], y)
        copy(keep[L:rows], here[M:])
        _bend(linear, y, keep[:L], t, a)
        np.dot(W, keep[:rows], there)
        _keep_part(A, here, there)
        if len(observer[0]):
            correct(k, there, there[M:], observer)


@compiled
def reverse(linear, d, by_z, by_s, states, kept, observer, by_observer, weights, by_weights):
    """Turn d = ∂L/∂(last state) into that by the first; add the gradients of all else.

    by_z (steps, M, R): ∂L/∂z of every step, or of none; by_s (steps, K, R).
    """
    (A, W, V, t, a), (by_A, by_W, by_V, by_t, by_a) = weights, by_weights
    M, (L, rows), R = len(A), (len(t), W.shape[1]), d.shape[1]
    Wt, Vt = np.ascontiguousarray(W.T), np.ascontiguousarray(V.T)
    by_phi, part_W, part_V = np.empty((rows, R), W.dtype), np.empty_like(W), np.empty_like(V)
    through = np.empty((M, R), W.dtype)
    for k in range(len(kept) - 1, -1, -1):
        here, keep = states[k], kept[k]
        if len(by_z):
            add(d, by_z[k])
        if len(observer[0]):
            uncorrect(k, d, observer, by_observer)
        np.dot(d, keep[:rows].T, part_W)
        add(by_W, part_W)
        np.dot(Wt, d, by_phi)
        copy(by_s[k], by_phi[L : rows - 1])
        by_y = by_phi[:L]
        if len(V):
            _unbend(linear, keep[rows:], by_y, t, a, by_t, by_a)
            np.dot(by_y, here[:M].T, part_V)
            add(by_V, part_V)
            np.dot(Vt, by_y, through)
            _keep_part_reverse(A, here, d, through, by_A)
        else:
            _unbend(linear, here[:M], by_y, t, a, by_t, by_a)
            _keep_part_reverse(A, here, d, by_y, by_A)


@compiled
def _bend(linear, y, phi, t, a):
    """Compute φ(y), (L, R) -> (L, R)."""
    (L, R), B = y.shape, t.shape[1]
    zero = y.dtype.type(0)
    copy(phi[:linear], y[:linear])
    for i in range(linear, L):
        for b in range(B):
            threshold, slope = t[i, b], a[0, b]
            for j in range(R):
                above = y[i, j] - threshold
                piece = slope * (zero if above < zero else above)  # NaN stays
                phi[i, j] = piece if b == 0 else phi[i, j] + piece


@compiled
def _unbend(linear, y, by_phi, t, a, by_t, by_a):
    """Turn ∂L/∂φ into ∂L/∂y in place; add the gradients of thresholds and slopes."""
    (L, R), B = y.shape, t.shape[1]
    zero = y.dtype.type(0)
    steep = np.empty(R, y.dtype)
    for i in range(linear, L):
        for j in range(R):
            steep[j] = zero
        for b in range(B):
            threshold, slope = t[i, b], a[0, b]
            passed = along = zero
            for j in range(R):
                on = y[i, j] > threshold
                by_piece = by_phi[i, j] if on else zero
                passed += by_piece
                along += by_piece * y[i, j]
                steep[j] += slope if on else zero
            by_t[i, b] -= slope * passed
            by_a[0, b] += along - threshold * passed
        for j in range(R):
            by_phi[i, j] *= steep[j]


@compiled
def _keep_part(A, before, after):
    M, R = after.shape
    for i in range(M):
        for j in range(R):
            after[i, j] += A[i, 0] * before[i, j]


@compiled
def _keep_part_reverse(A, before, d, through, by_A):
    M, R = d.shape
    for i in range(M):
        a, total = A[i, 0], d.dtype.type(0)
        for j in range(R):
            total += d[i, j] * before[i, j]
            d[i, j] = a * d[i, j] + through[i, j]
        by_A[i, 0] += total
