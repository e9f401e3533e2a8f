"""Pairs of nearby states of one trajectory, and how their distance grows.

A neighbour is the nearest point of the trajectory, not the nearest sample of it. A sample is off
by up to half a step along the flow, a direction that does not grow and that hides the first e-folds
of the growth: at 100,000 samples of the Lorenz and Rössler systems two to three.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

# Below this share of the standard deviation a distance is rounding: exactly repeating data.
RESOLUTION = 1e-9
# Samples next to a reference of which the trajectory through the nearest one is taken.
_CANDIDATES = 64
# Nodes of the Lagrange interpolation between samples, from −2 to 3.
_NODES = np.arange(-2, 4)
# Samples kept free at both ends for interpolation.
MARGIN = 5
# Distances that one query of the tree may return at once.
_AT_ONCE = 2_000_000


class Pairs(NamedTuple):
    """References and neighbours: the sample and the share of a step after it, in [−1, 1]."""

    reference: Integers
    neighbour: Integers
    shift: Array


def is_smooth(points: Array) -> bool:
    """Return whether consecutive steps point the same way, as those of a finely sampled flow do."""
    steps = np.diff(points, axis=0)
    turn = np.linalg.norm(np.diff(steps, axis=0), axis=1)
    return bool(np.median(turn) < 0.7 * np.median(np.linalg.norm(steps, axis=1)))


def find_pairs(points: Array, theiler: int, horizon: int, references: int, smooth: bool) -> Pairs:
    """Return the nearest point of the trajectory to each of `references` samples of it.

    points (T, d); the samples are spread evenly. Neighbours at most `theiler` steps away in time
    never count (Theiler 1986); every pair can be followed for `horizon` steps. With `smooth`, the
    trajectory between samples is part of the search, to second order around the 64 nearest samples.
    """
    last = len(points) - horizon - MARGIN
    available = np.arange(MARGIN, last)
    chosen = np.linspace(0, len(available) - 1, min(references, len(available)))
    reference = available[chosen.astype(np.intp)]
    wanted = min(_CANDIDATES, len(available)) if smooth else 1
    near = nearest_samples(points[MARGIN:last], reference - MARGIN, theiler, wanted) + MARGIN
    found = near[:, 0] >= MARGIN
    reference, near = reference[found], near[found]
    if not smooth:
        return Pairs(reference, near[:, 0], np.zeros(len(reference)))
    shift, distance = _nearest_between(points, reference, np.maximum(near, MARGIN))
    distance[near < MARGIN] = np.inf
    rows, best = np.arange(len(reference)), distance.argmin(axis=1)
    return Pairs(reference, near[rows, best], shift[rows, best])


def nearest_samples(points: Array, reference: Integers, theiler: int, wanted: int) -> Integers:
    """Return the nearest samples more than `theiler` steps away, (references, wanted).

    The nearest is the first; −1 stands where there are fewer. The query grows until it has them,
    so that the exclusion is exact.
    """
    from scipy.spatial import KDTree

    tree = KDTree(points)
    result = np.full((len(reference), wanted), -1, dtype=np.intp)
    open_rows = np.arange(len(reference))
    count = min(len(points), 2 * wanted)
    while len(open_rows):
        short: list[Integers] = []
        for rows in np.array_split(open_rows, -(-len(open_rows) * count // _AT_ONCE)):
            found = np.reshape(tree.query(points[reference[rows]], k=count)[1], (-1, count))
            apart = np.abs(found - reference[rows][:, None]) > theiler
            # A stable sort on "inside the window" keeps the order of distance.
            order = np.argsort(~apart, axis=1, kind="stable")[:, :wanted]
            kept = np.where(
                np.take_along_axis(apart, order, 1), np.take_along_axis(found, order, 1), -1
            )
            result[rows, : kept.shape[1]] = kept
            short.append(rows[apart.sum(axis=1) < wanted])
        open_rows = np.concatenate(short)
        if count == len(points):
            break
        count = min(len(points), 2 * count)
    return result


def _nearest_between(points: Array, reference: Integers, near: Integers) -> tuple[Array, Array]:
    """Return the s in [−1, 1] that brings x(near + s) closest to the reference, and the distance.

    x(j + s) ≈ x_j + s v + s² a / 2 with central differences; three Gauss-Newton steps.
    """
    offset = points[reference][:, None] - points[near]
    velocity = (points[near + 1] - points[near - 1]) / 2
    acceleration = points[near + 1] - 2 * points[near] + points[near - 1]
    shift = np.zeros(near.shape)
    for _ in range(3):
        slope = velocity + shift[..., None] * acceleration
        rest = offset - shift[..., None] * (velocity + shift[..., None] * acceleration / 2)
        steepness = np.sum(slope * slope, axis=-1)
        step = np.sum(rest * slope, axis=-1) / np.where(steepness > 0, steepness, 1.0)
        shift = np.clip(shift + step, -1.0, 1.0)
    rest = offset - shift[..., None] * (velocity + shift[..., None] * acceleration / 2)
    return shift, np.linalg.norm(rest, axis=-1)


def log_distances(points: Array, pairs: Pairs, steps: Integers) -> Array:
    """Return ln |x(i + k) − x(j + s + k)| of each pair (Rosenstein et al. 1993).

    The shape is (references, steps); between samples x is a polynomial of degree 5 through six.
    """
    result = np.empty((len(pairs.reference), len(steps)))
    whole = np.floor(pairs.shift).astype(np.intp)
    weights = _lagrange(pairs.shift - whole)
    for column, k in enumerate(steps):
        start = pairs.neighbour + whole + k
        neighbour = np.zeros((len(start), points.shape[1]))
        for node, weight in zip(_NODES, weights, strict=True):
            if weight.any():
                neighbour += weight[:, None] * points[start + node]
        distance = np.linalg.norm(points[pairs.reference + k] - neighbour, axis=1)
        result[:, column] = np.log(np.maximum(distance, RESOLUTION))
    return result


def _lagrange(share: Array) -> Array:
    """Return the weight of each node (6, references) at a share of a step."""
    weights = np.ones((len(_NODES), len(share)))
    for i, node in enumerate(_NODES):
        for other in _NODES[node != _NODES]:
            weights[i] *= (share - other) / (node - other)
    return weights
