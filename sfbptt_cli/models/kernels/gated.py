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
from sfbptt_cli.models.kernels.activations import sigmoid, tanh
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
        if kind == TANH:
            _tanh_forward(keep, there)
        elif kind == GRU:
            _gru_forward(keep, here, there[:M])
        else:
            _lstm_forward(keep, here[rows:], there[:M], there[rows:])
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
    part = np.empty_like(W)
    for k in range(len(kept) - 1, -1, -1):
        here, keep = states[k], kept[k]
        if len(by_z):
            d[:M] += by_z[k]
        if len(observer[0]):
            uncorrect(k, d, observer, by_observer)
        if kind == TANH:
            _tanh_reverse(keep, d, D)
        elif kind == GRU:
            _gru_reverse(keep, here, d, D)
        else:
            _lstm_reverse(keep, here[rows:], d, D)
        np.dot(D, here[:rows].T, part)
        by_W += part
        np.dot(Wt, D, by_y)
        d[:M] += by_y[:M]
        by_s[k] = by_y[M : rows - 1]


@compiled
def _tanh_forward(keep, after):
    M, R = keep.shape
    one = keep.dtype.type(1)
    for i in range(M):
        for j in range(R):
            keep[i, j] = tanh(keep[i, j], one)
            after[i, j] = keep[i, j]


@compiled
def _tanh_reverse(keep, d, D):
    M, R = keep.shape
    one, zero = keep.dtype.type(1), keep.dtype.type(0)
    for i in range(M):
        for j in range(R):
            z = keep[i, j]
            D[i, j] = d[i, j] * (one - z * z)
            d[i, j] = zero


@compiled
def _gru_forward(keep, before, after):
    M, R = after.shape
    one = keep.dtype.type(1)
    for i in range(M):
        for j in range(R):
            r, u = sigmoid(keep[i, j], one), sigmoid(keep[M + i, j], one)
            n = tanh(keep[3 * M + i, j] + r * keep[2 * M + i, j], one)
            keep[i, j], keep[M + i, j], keep[3 * M + i, j] = r, u, n
            after[i, j] = n + u * (before[i, j] - n)


@compiled
def _gru_reverse(keep, before, d, D):
    M, R = d.shape
    one = keep.dtype.type(1)
    for i in range(M):
        for j in range(R):
            r, u, q, n = keep[i, j], keep[M + i, j], keep[2 * M + i, j], keep[3 * M + i, j]
            by_h = d[i, j]
            by_n = by_h * (one - u) * (one - n * n)
            D[i, j] = by_n * q * r * (one - r)
            D[M + i, j] = by_h * (before[i, j] - n) * u * (one - u)
            D[2 * M + i, j] = by_n * r
            D[3 * M + i, j] = by_n
            d[i, j] = by_h * u


@compiled
def _lstm_forward(keep, before, h, after):
    M, R = h.shape
    one = keep.dtype.type(1)
    for i in range(M):
        for j in range(R):
            a, f = sigmoid(keep[i, j], one), sigmoid(keep[M + i, j], one)
            g, o = tanh(keep[2 * M + i, j], one), sigmoid(keep[3 * M + i, j], one)
            c = f * before[i, j] + a * g
            t = tanh(c, one)
            keep[i, j], keep[M + i, j], keep[2 * M + i, j], keep[3 * M + i, j] = a, f, g, o
            keep[4 * M + i, j] = t
            after[i, j] = c
            h[i, j] = o * t


@compiled
def _lstm_reverse(keep, before, d, D):
    M, R = before.shape
    one, zero = keep.dtype.type(1), keep.dtype.type(0)
    for i in range(M):
        for j in range(R):
            a, f, g, o = keep[i, j], keep[M + i, j], keep[2 * M + i, j], keep[3 * M + i, j]
            t, by_h = keep[4 * M + i, j], d[i, j]
            by_c = d[M + i, j] + by_h * o * (one - t * t)
            D[i, j] = by_c * g * a * (one - a)
            D[M + i, j] = by_c * before[i, j] * f * (one - f)
            D[2 * M + i, j] = by_c * a * (one - g * g)
            D[3 * M + i, j] = by_h * t * o * (one - o)
            d[i, j] = zero
            d[M + i, j] = by_c * f
