"""Arrays before they are drawn: shapes, limits, and where a generation ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def matrix(values: ArrayLike, variables: Sequence[str]) -> Array:
    """Return a float64 copy of `values` (steps, variables); ValueError for another shape."""
    array = np.array(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != len(variables):
        raise ValueError(f"shape {array.shape}: should be (steps, {len(variables)} variables)")
    return array


def limits(x: Array, margin: float) -> tuple[Array, Array]:
    """Return lowest and highest value of each column, (N,), moved out by `margin` of the range."""
    x = x[np.isfinite(x).all(axis=1)]
    low, high = x.min(axis=0), x.max(axis=0)
    room = margin * np.where(high > low, high - low, np.maximum(np.abs(low), 1))
    return low - room, high + room


def framed(truth: Array, generated: Array) -> tuple[Array, Array, Array, list[str]]:
    """Return a generation (S, N) up to its first NaN, where axes end (N,), words for the legend.

    The axes are those of the truth (T, N), up to three times as wide where the generation needs it.
    """
    y, words = finite_part(generated)
    low, high = limits(truth, margin=0.1)
    reach = high - low
    y = np.clip(y, low - 9 * reach, high + 9 * reach)  # near enough to be drawn
    bottom = np.clip(y.min(axis=0, initial=np.inf), low - reach, low)
    return y, bottom, np.clip(y.max(axis=0, initial=-np.inf), high, high + reach), words


def finite_part(y: Array) -> tuple[Array, list[str]]:
    """Return the steps of y (S, N) before the first NaN or infinity, and words for its legend."""
    broken = ~np.isfinite(y).all(axis=1)
    n = int(broken.argmax()) if broken.any() else len(y)
    return y[:n], ["reconstruction"] + [f"diverged after {n} step{'s' * (n != 1)}"] * (n < len(y))


def correlation_steps(x: Array) -> int:
    """Return the first lag at which the autocorrelation of x (T,) is below 1/e, in steps."""
    power = np.abs(np.fft.rfft(np.nan_to_num(x - np.nanmean(x)), 2 * len(x))) ** 2  # zero-padded
    correlation = np.fft.irfft(power)[: len(x)]
    return max(int((correlation < correlation[0] / np.e).argmax()), 1)
