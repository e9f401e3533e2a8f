"""Predict what follows from what is known: polynomial regression and local linear maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Components that the predictor of third order, and neighbours, see.
_CUBIC = 7
_NEAR = (3, 7)
_NEIGHBOURS = (16, 64)
# Of regression: of the mean square of a column. Of neighbours: of their scatter.
_RIDGE, _LOCAL_RIDGE = 1e-7, 1e-4


def predictions(known: Array, answers: Array, asked: Array, pairs: int) -> list[Array]:
    """Return what each predictor learns from (known, answers) and gives for `asked`.

    known (L, D), answers (L, M), asked (Q, D): columns of `known` in order of importance. Each
    prediction is (Q, M): ridge regression on products of at most one, two (of the first `pairs`
    components) and three of them, and the means and local linear maps of 16 and 64 nearest
    neighbours in 3 and 7 of them.
    """
    width = known.shape[1]
    orders = ((1, width), (2, min(width, pairs)), (3, min(width, _CUBIC)))
    found = [regression(known[:, :some], answers, asked[:, :some], order) for order, some in orders]
    for some in sorted({min(some, width) for some in _NEAR}):
        found += _neighbours(known[:, :some], answers, asked[:, :some])
    return found


def regression(known: Array, answers: Array, asked: Array, order: int) -> Array:
    """Return ridge regression on all products of at most `order` components: (Q, M)."""
    scale = known.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    taught, wanted = (products(z / scale, order) for z in (known, asked))
    normal = taught.T @ taught
    normal.flat[:: len(normal) + 1] += _RIDGE * len(taught)
    return wanted @ np.linalg.solve(normal, taught.T @ answers)


def products(z: Array, order: int) -> Array:
    """Return 1 and all products of at most `order` columns of (T, D)."""
    columns, values = [np.ones((len(z), 1)), z], z
    last = np.arange(z.shape[1])  # the last factor of each product
    for _ in range(order - 1):
        left, right = np.nonzero(last[:, None] <= np.arange(z.shape[1]))
        values, last = values[:, left] * z[:, right], right
        columns.append(values)
    return np.concatenate(columns, axis=1)


def _neighbours(known: Array, answers: Array, asked: Array) -> list[Array]:
    """Return the means over nearest neighbours, and the linear maps between them: (Q, M) each."""
    from scipy.spatial import KDTree

    most = min(max(_NEIGHBOURS), len(known))
    nearest = np.reshape(KDTree(known).query(asked, k=most)[1], (len(asked), most))
    found = []
    for count in _NEIGHBOURS:
        some = nearest[:, :count]
        z, y = known[some], answers[some]
        z_mean, y_mean = z.mean(axis=1), y.mean(axis=1)
        z = z - z_mean[:, None]
        square = z.swapaxes(1, 2) @ z
        power = np.trace(square, axis1=1, axis2=2)
        ridge = _LOCAL_RIDGE * power + np.finfo(float).tiny ** 0.5
        square += ridge[:, None, None] * np.eye(z.shape[2])
        slope = np.linalg.solve(square, z.swapaxes(1, 2) @ (y - y_mean[:, None]))
        found += [y_mean, y_mean + np.einsum("qi,qij->qj", asked - z_mean, slope)]
    return found


def thinned(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most so many of the rows, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.intp)]
