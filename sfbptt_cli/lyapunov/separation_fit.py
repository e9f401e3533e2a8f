"""The exponential part of a separation curve and its slope.

No single window is right: the slope is the average over all windows, weighted by how much growth
a window covers and by how equal the slopes of its two halves are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

# A window has at least this many points of the curve, and this growth in e-folds.
_POINTS = 6
_GROWTH = 0.5
# A first step of at least this, and this many times the second, is noise: of the nearest neighbours
# it is the part that was near by chance. The curve counts from so many e-folds above it, where
# noise still takes 8% off its slope.
_JUMP = 0.3
_JUMP_RATIO = 3.0
ABOVE_NOISE = 1.25
# The difference of the slopes of the halves of a window, as a share of its slope, that costs a
# factor of e^½ of its weight.
_CURVATURE = 0.2


class SlopeFit(NamedTuple):
    """slope, its standard error over blocks of the data and its spread over windows, per step;
    the window of the greatest weight with its growth (e-folds) and curvature, the difference of
    the slopes of its halves as a share of its slope."""

    slope: float
    error: float
    spread: float
    window: tuple[int, int]
    growth: float
    curvature: float


def saturation(curve: Array) -> float:
    """Return the level at which a separation curve ends: the mean of the highest fifth."""
    return float(np.sort(curve)[-max(3, len(curve) // 5) :].mean())


def fit_slope(
    steps: Integers,
    blocks: Array,
    weights: Array,
    fit: tuple[int, int] | None = None,
    noise: float = -np.inf,
) -> SlopeFit | None:
    """Return the slope of the curve weights @ blocks where it grows exponentially.

    steps (K,); blocks (B, K): the mean log distance over each of B blocks of the data, with the
    blocks' shares `weights` (B,). A window ends a quarter of the whole rise, 2 e-folds at most,
    below the level of saturation: closer, the pairs that are ahead are already as far apart as they
    can be. It starts 1.25 e-folds above `noise`, the level of `noise_level`. Its weight is
    growth² · exp(−(curvature / 0.2)² / 2). With `fit`, (first, last) step, that window alone
    counts, and the spread is half the difference of its halves.
    None where no window grows by half an e-fold.
    """
    curve = weights @ blocks
    if fit is not None:
        first, last = np.searchsorted(steps, fit)
        last = min(int(last), len(steps) - 1)
        starts, ends = np.array([first]), np.array([last])
    else:
        starts, ends = _windows(curve, noise)
    slope = _slopes(steps.astype(float), np.vstack([curve, blocks]))
    slopes = slope(starts, ends)
    growth = slopes[0] * (steps[ends] - steps[starts])
    grown = np.flatnonzero(growth > (_GROWTH if fit is None else 0.0))
    if not len(grown):
        return None
    starts, ends, growth, slopes = starts[grown], ends[grown], growth[grown], slopes[:, grown]
    middle = (starts + ends) // 2
    curvature = (slope(middle, ends)[0] - slope(starts, middle)[0]) / slopes[0]
    # Relative to the straightest window, so that the weights of a curved curve do not underflow.
    cost = (curvature / _CURVATURE) ** 2 / 2 - 2 * np.log(growth)
    weight = np.exp(cost.min() - cost)
    best = int(weight.argmax())
    weight /= weight.sum()
    mean = float(slopes[0] @ weight)
    spread = float(np.sqrt(weight @ (slopes[0] - mean) ** 2))
    if fit is not None:
        spread = float(abs(curvature[0] * mean)) / 2
    error = float((slopes[1:] @ weight).std(ddof=1) / np.sqrt(len(blocks)))
    window = (int(steps[starts[best]]), int(steps[ends[best]]))
    return SlopeFit(mean, error, spread, window, float(growth[best]), float(curvature[best]))


def noise_level(first: Array) -> float:
    """Return the level to which distances jump in the first step, −∞ where they do not.

    first (3,): the curve at steps 0, 1, 2.
    """
    jump, rise = first[1] - first[0], first[2] - first[1]
    noisy = jump > _JUMP and jump > _JUMP_RATIO * rise
    return float(first[2]) if noisy else -np.inf


def _windows(curve: Array, noise: float) -> tuple[Integers, Integers]:
    """Return first and last points of every window between noise and saturation."""
    top = saturation(curve)
    clear = np.flatnonzero(curve > noise + ABOVE_NOISE)
    first = int(clear[0]) if len(clear) else len(curve)
    reached = np.flatnonzero(curve > top - min(2.0, (top - curve[0]) / 4))
    last = int(reached[0]) if len(reached) else len(curve)
    starts, ends = np.triu_indices(max(0, last - first), _POINTS - 1)
    return starts + first, ends + first


def _slopes(t: Array, curves: Array) -> Callable[[Integers, Integers], Array]:
    """Return least squares slopes (curves, windows) by cumulative sums; both ends are included."""

    def cumulative(values: Array) -> Array:
        return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, -1)], -1)

    sums = [cumulative(v) for v in (np.ones_like(t), t, t * t, curves, t * curves)]

    def slope(first: Integers, last: Integers) -> Array:
        n, x, xx, y, xy = (s[..., last + 1] - s[..., first] for s in sums)
        return (n * xy - x * y) / (n * xx - x * x)

    return slope
