"""The tanh network, GRU and LSTM: forward and reverse pass, compiled.

A step multiplies y = [z; s; 1] with W: (rows, M + K + 1), then goes on element by element. What
that computes is kept for the way back, `kept` (steps, n · M, R), one M rows below the other:

| network | kept | what W y is |
|---|---|---|
| tanh | z' before a correction | its argument |
| GRU | r, u, q = W_n h + d, n | r, u before σ, q, what is added to r ⊙ q |
| LSTM | i, f, g, o, t = tanh(c') | i, f, g, o before σ, σ, tanh, σ |

The reverse pass makes of ∂L/∂(state'), d (S, R), and `kept` first D = ∂L/∂(W y), then adds
Wᵀ D to what reaches the state by itself.
"""

from __future__ import annotations

import numpy as np

from sfbptt_cli.common.compiled import compiled
from sfbptt_cli.models.kernels.elementwise import add, copy, sigmoid, tanh
from sfbptt_cli.models.kernels.observer import correct, uncorrect

TANH, GRU, LSTM = range(3)


@compiled
def forward(kind, states, kept, observer, weights):
    """Fill states[1:]: (steps + 1, M + K + 1 + S − M, R), of which s and 1 are given."""
    (W,) = weights
    rows, last = W.shape[1], len(kept) - 1
    M = W.shape[0] // (1, 4, 4)[kind]
    for k in range(len(states) - 1):
        here, there, keep = states[k], states[k + 1], kept[min(k, last)]
        np.dot(W, here[:rows], keep[: len(W)])
        z, after = there[:M].ravel(), there[rows:].ravel()
        if kind == TANH:
            _tanh_forward(keep.ravel(), z)
        elif kind == GRU:
            _gru_forward(keep.ravel(), here[:M].ravel(), z)
        else:
            _lstm_forward(keep.ravel(), here[rows:].ravel(), z, after)
        if len(observer[0]):
            correct(k, there[:M], there[rows:], observer)


@compiled
def reverse(kind, d, by_z, by_s, states, kept, observer, by_observer, weights, by_weights):
    """Turn d = ∂L/∂(last state) into that by the first; add the gradients of all else.

    by_z (steps, M, R): ∂L/∂z of every step, or of none; by_s (steps, K, R).
    """
    (W,), (by_W,) = weights, by_weights
    rows, columns = W.shape[1], d.shape[1]
    M = W.shape[0] // (1, 4, 4)[kind]
    Wt = np.ascontiguousarray(W.T)
    D, by_y = np.empty((len(W), columns), W.dtype), np.empty((rows, columns), W.dtype)
    part, turned = np.empty_like(W), np.empty((columns, rows), W.dtype)
    for k in range(len(kept) - 1, -1, -1):
        here, keep = states[k], kept[k]
        if len(by_z):
            add(d[:M], by_z[k])
        if len(observer[0]):
            uncorrect(k, d, observer, by_observer)
        if kind == TANH:
            _tanh_reverse(keep.ravel(), d.ravel(), D.ravel())
        elif kind == GRU:
            _gru_reverse(keep.ravel(), here[:M].ravel(), d.ravel(), D.ravel())
        else:
            _lstm_reverse(keep.ravel(), here[rows:].ravel(), d.ravel(), D.ravel())
        if kind == TANH:
            np.dot(D, here[:rows].T, part)
        else:  # of more rows the product takes two thirds of the time where y is turned before it
            _turn(here, turned)
            np.dot(D, turned, part)
        add(by_W, part)
        np.dot(Wt, D, by_y)
        add(d[:M], by_y[:M])
        copy(by_s[k], by_y[M : rows - 1])


@compiled
def _turn(y, turned):
    """Fill turned (R, rows) with the first rows of y."""
    for j in range(turned.shape[0]):
        for i in range(turned.shape[1]):
            turned[j, i] = y[i, j]


# Below, blocks of M rows are one after the other in memory: entry e of a block of n = M · R, and
# the same entry of the next block at n + e.


@compiled
def _tanh_forward(keep, after):
    one = keep.dtype.type(1)
    for e in range(keep.size):
        keep[e] = after[e] = tanh(keep[e], one)


@compiled
def _tanh_reverse(keep, d, D):
    one, zero = keep.dtype.type(1), keep.dtype.type(0)
    for e in range(keep.size):
        z = keep[e]
        D[e] = d[e] * (one - z * z)
        d[e] = zero


@compiled
def _gru_forward(keep, before, after):
    n = after.size
    one = keep.dtype.type(1)
    for e in range(n):
        r, u, q = sigmoid(keep[e], one), sigmoid(keep[n + e], one), keep[2 * n + e]
        new = tanh(keep[3 * n + e] + r * q, one)
        after[e] = new + u * (before[e] - new)
        keep[e], keep[n + e], keep[3 * n + e] = r, u, new


@compiled
def _gru_reverse(keep, before, d, D):
    n = d.size
    one = keep.dtype.type(1)
    for e in range(n):
        r, u, q, new = keep[e], keep[n + e], keep[2 * n + e], keep[3 * n + e]
        by_new = d[e] * (one - u) * (one - new * new)
        D[e] = by_new * q * r * (one - r)
        D[n + e] = d[e] * (before[e] - new) * u * (one - u)
        D[2 * n + e] = by_new * r
        D[3 * n + e] = by_new
        d[e] *= u


@compiled
def _lstm_forward(keep, before, h, after):
    n = h.size
    one = keep.dtype.type(1)
    for e in range(n):
        i, f = sigmoid(keep[e], one), sigmoid(keep[n + e], one)
        g, o = tanh(keep[2 * n + e], one), sigmoid(keep[3 * n + e], one)
        c = f * before[e] + i * g
        t = tanh(c, one)
        h[e] = o * t
        after[e] = c
        keep[e], keep[n + e], keep[2 * n + e], keep[3 * n + e], keep[4 * n + e] = i, f, g, o, t


@compiled
def _lstm_reverse(keep, before, d, D):
    n = before.size
    one, zero = keep.dtype.type(1), keep.dtype.type(0)
    for e in range(n):
        i, f, g, o, t = keep[e], keep[n + e], keep[2 * n + e], keep[3 * n + e], keep[4 * n + e]
        by_c = d[n + e] + d[e] * o * (one - t * t)
        D[e] = by_c * g * i * (one - i)
        D[n + e] = by_c * before[e] * f * (one - f)
        D[2 * n + e] = by_c * i * (one - g * g)
        D[3 * n + e] = d[e] * t * o * (one - o)
        d[e] = zero
        d[n + e] = by_c * f
