"""Points of an attractor in few bytes, for a picture that can be turned."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.figures.arrays import correlation_steps

Array = NDArray[np.float64]

MOST_POINTS = 2_400  # of an attractor
# Steps are thinned out until the median step is this part of the attractor's extent.
_STEP_LENGTH = 0.03
_GAP = 65_535  # the code of a point that is not drawn
_VIEW_MARGIN = 0.3  # of the range of the truth; a point farther out is a gap


class Attractor(NamedTuple):
    """Points of truth and generation (n, 3), quantised; axes are those of the truth."""

    truth: NDArray[np.uint16]
    generated: NDArray[np.uint16]
    labels: tuple[str, ...]  # of one to three axes
    outside: float  # share of the generated points that is out of view
    flat: bool  # two variables: there is nothing to rotate
    low: Array  # (3,), of the view, in data units
    high: Array
    lag: int  # steps between two axes, of one variable

    def place(self, observed: Array) -> Array:
        """Return consecutive points of a cycle (order, N) in the view, (order, 3).

        Coordinates are shares of the view, from 0 to 1 for what is in it.
        """
        with np.errstate(over="ignore"):
            return (_on_axes(observed, self.lag) - self.low) / (self.high - self.low)


def attractor(truth: Array, generated: Array, variables: Sequence[str]) -> Attractor:
    """Quantise truth and free generation (T, N) to 16 bits, at most MOST_POINTS points.

    Three or more variables: the first three; one: x(t), x(t + lag), x(t + 2 lag) with the lag at
    which the autocorrelation of the truth falls to 1/e. Codes 0 to 65534 go from the lowest to the
    highest value of the truth, moved out by 0.3 of the range; 65535 is a gap.
    """
    labels, lag = tuple(variables[:3]), 0
    if truth.shape[1] == 1:
        lag = min(correlation_steps(truth[:, 0]), (len(truth) - 2) // 2)
        labels = (labels[0], f"{lag} steps later", f"{2 * lag} steps later")
    n = len(truth) - 2 * lag
    truth, generated = (_on_axes(x, lag)[:n] for x in (truth, generated))
    low, high = truth.min(axis=0), truth.max(axis=0)
    reach = np.where(high > low, high - low, 1.0)
    step = np.median(np.linalg.norm(np.diff(truth, axis=0) / reach, axis=1))
    stride = int(np.clip(_STEP_LENGTH / max(step, 1e-12), 1, max(n // MOST_POINTS, 1)))
    low, high = low - _VIEW_MARGIN * reach, low + (1 + _VIEW_MARGIN) * reach
    shown, codes = (_quantise(x[::stride][:MOST_POINTS], low, high) for x in (truth, generated))
    outside = float((codes == _GAP).any(axis=1).mean())
    return Attractor(shown, codes, labels, outside, len(variables) == 2, low, high, lag)


def _on_axes(x: Array, lag: int) -> Array:
    """Return series (T, N) on three axes, (T, 3): with a lag, delays of its one variable.

    The end follows the beginning, as after `lag` steps a model is as many points on in its cycle.
    """
    x = np.hstack([np.roll(x, -i * lag, axis=0) for i in range(3)]) if lag else x[:, :3]
    return np.pad(x, ((0, 0), (0, 3 - x.shape[1])))


def _quantise(x: Array, low: Array, high: Array) -> NDArray[np.uint16]:
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.round((x - low) / (high - low) * (_GAP - 1))
        seen = ((scaled >= 0) & (scaled < _GAP)).all(axis=1, keepdims=True)
    return np.where(seen, scaled, _GAP).astype(np.uint16)


def encode(codes: NDArray[np.uint16]) -> str:
    """Return the codes as little-endian bytes in base64."""
    return base64.b64encode(codes.astype("<u2").tobytes()).decode("ascii")


def decode_share(codes: NDArray[np.uint16]) -> Array:
    """Return codes as shares of the view, 0 to 1; NaN for a gap."""
    share = codes.astype(np.float64) / (_GAP - 1)
    share[(codes == _GAP).any(axis=1)] = np.nan
    return share
