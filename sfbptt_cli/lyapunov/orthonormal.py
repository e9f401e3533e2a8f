"""Orthonormal frames, many at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.compiled import compiled

# What is left of a vector, as a share of it, below which it is made orthogonal once more.
_LEFT = 1e-6
_MOST = 4  # times


@compiled
def _reduce(rows, j, i):
    """Subtract from row j its part along the unit vector of row i."""
    along = 0.0
    for m in range(rows.shape[1]):
        along += rows[j, m] * rows[i, m]
    for m in range(rows.shape[1]):
        rows[j, m] -= along * rows[i, m]


@compiled
def _reduce_by_four(rows, j, i):
    """Subtract from row j its parts along the unit vectors of rows i to i + 3, in one go."""
    a = b = c = d = 0.0
    for m in range(rows.shape[1]):
        x = rows[j, m]
        a += x * rows[i, m]
        b += x * rows[i + 1, m]
        c += x * rows[i + 2, m]
        d += x * rows[i + 3, m]
    for m in range(rows.shape[1]):
        taken = a * rows[i, m] + b * rows[i + 1, m] + c * rows[i + 2, m] + d * rows[i + 3, m]
        rows[j, m] -= taken


@compiled
def _length(rows, j):
    square = 0.0
    for m in range(rows.shape[1]):
        square += rows[j, m] * rows[j, m]
    return math.sqrt(square)


@compiled
def orthonormalise(frames: NDArray[np.float64], lengths: NDArray[np.float64]) -> None:
    """Make the rows of frames (count, k, N) orthonormal; lengths (count, k) are those left of them.

    Modified Gram-Schmidt in blocks of four: A = R Q, lengths the diagonal of R, in a quarter of the
    time of LAPACK's reflections for 60 × 60. A and R Q differ by rounding (Björck 1967), as there;
    the frame is orthonormal to rounding / 1e-6, as a row of which less is left is made orthogonal
    again. That is enough for exponents: A = R Q holds for any frame, so that the products of R grow
    as they should, and what a frame lacks enters once, at the end. A row that is wiped out stays
    zero.
    """
    k = frames.shape[1]
    for c in range(len(frames)):
        rows, left = frames[c], lengths[c]
        for j in range(k):
            left[j] = _length(rows, j)
        for j in range(k):
            whole, left[j] = left[j], _length(rows, j)
            for _ in range(_MOST):
                if not left[j] < _LEFT * whole:  # nor NaN
                    break
                for i in range(j):
                    _reduce(rows, j, i)
                whole, left[j] = left[j], _length(rows, j)
            if left[j] != 0:
                for m in range(rows.shape[1]):
                    rows[j, m] /= left[j]
            block = j - j % 4
            for i in range(j + 1, min(block + 4, k)):
                _reduce(rows, i, j)
            if j == block + 3:
                for i in range(j + 1, k):
                    _reduce_by_four(rows, i, block)
