"""The correlation dimension of a set of points."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sfbptt_cli.metrics.trajectories import Array

# Points that distances are taken from and to.
_REFERENCES = 1_000
_POINTS = 4_000
# The share of all pairs whose distances count, and the share of those that noise may hold.
_NEAREST = 0.01


def correlation_dimension(
    points: npt.ArrayLike, theiler: int = 0, resolution: float = 0.0
) -> float:
    """Return Takens's estimate of the correlation dimension, D = 1 / mean ln(r₀ / r) over r < r₀.

    r₀ is the distance below which 1% of the pairs lie. Pairs at most `theiler` steps apart do not
    count (Theiler 1986). Distances below `resolution`, noise or the step of rounded values, are
    left out: the mean is that of distances between the two, whose density is that of r^D.

    Args:
        points: (T, d), in order of time, of which at most 4,000 are taken, evenly spread.

    Returns:
        D, no unit; NaN where the points are fewer than 100, or noise hides the distances.

    Source: Takens (1985); Grassberger and Procaccia (1983).
    """
    from scipy.spatial.distance import cdist

    x = np.asarray(points, dtype=np.float64)
    if len(x) < 100:
        return math.nan
    rows = np.linspace(0, len(x) - 1, min(_POINTS, len(x))).astype(np.intp)
    chosen = rows[:: max(1, len(rows) // _REFERENCES)]
    distance = cdist(x[chosen], x[rows])
    distance = distance[np.abs(chosen[:, None] - rows) > theiler]
    if not len(distance):
        return math.nan
    largest = float(np.quantile(distance, _NEAREST))
    inside = distance[(distance < largest) & (distance > max(resolution, 1e-12 * largest))]
    if not 2 * resolution < largest or len(inside) < 100:
        return math.nan
    return _exponent(
        np.log(largest / inside), math.log(largest / resolution) if resolution else None
    )


def _exponent(depths: Array, deepest: float | None) -> float:
    """Return the rate of exponentially distributed depths, cut at `deepest`, by maximum likelihood.

    1 / D = mean + deepest / (exp(D deepest) − 1), by fixed-point iteration.
    """
    mean = float(depths.mean())
    rate = 1 / mean
    if deepest is not None:
        for _ in range(200):
            rate = 1 / (mean + deepest / math.expm1(max(rate, 1e-3) * deepest))
    return rate
