"""Observation noise, taken off by a regression on what comes before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.predictors import products, thinned
from sfbptt_cli.data.time_scales import standardise

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

# Steps before and after that are looked at; the search ends when so many in a row do no better.
_REACHES = (1, 2, 3, 5, 8, 12, 18, 27, 40)
_IN_VAIN = 2
# Numbers before and after that are looked at, at most: of many variables fewer steps.
_WIDEST = 600
# Principal components of them, and how many are multiplied with each other, by order.
_COMPONENTS = 30
_MULTIPLIED = {1: 0, 2: 16, 3: 12}
# Of the mean square of a column.
_RIDGE = 1e-7
# Rows that a choice is learned from and judged on, and those of the regression that is kept.
_LEARNED, _JUDGED, _KEPT = 30_000, 10_000, 200_000
_FEWEST = 200
# Stretches of the data that teach and judge in turn; each is longer than so many reaches.
_STRETCHES, _LONGER = 20, 8
# Rows at a time, so that memory stays small.
_CHUNK = 20_000


@dataclass(frozen=True)
class Denoised:
    """Trajectories (T, N) without most of their noise.

    reach: steps before and after from which a value was found; 0: the data are too short, or of
    more than 300 variables, and nothing was changed. removed (N,): root mean square of what was
    taken off, in standard deviations of the variables.
    """

    parts: list[Array]
    reach: int
    removed: Array


def denoise(parts: Sequence[Array], noise: Array) -> Denoised:
    """Take the noise off trajectories (T, N).

    noise (N,): its standard deviation, at most, in those of the variables.

    p is the ridge regression of x_t on polynomials of the principal components of x_{t−k}, …,
    x_{t−1}, x_{t+1}, …, x_{t+k}. They do not hold the noise of x_t, so where noise is independent
    from step to step, p learns the state and not what was observed of it. Of the residual the share
    that is noise is taken off, as by a Wiener filter,

        x_t − (x_t − p) · min(1, noise² / E (x − p)²),

    so nothing is taken that `noise` does not explain. The reach k and the order of the polynomials
    are those of the least residual where they were not fitted. Nearer than k to an end of a
    trajectory smaller reaches count. Source: Batson and Royer, Noise2Self, ICML 2019.
    """
    every = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])
    x, lengths = standardise(every), [len(part) for part in parts]
    found = _fitted(x, lengths)
    cleaned = x.copy()
    for i, fit in enumerate(found):
        rows = _inside(lengths, fit.reach)
        if i < len(found) - 1:
            longer = _inside(lengths, found[i + 1].reach)
            rows = np.setdiff1d(rows, longer, assume_unique=True)
        share = np.minimum(1, noise**2 / np.maximum(fit.error, np.finfo(float).tiny))
        cleaned[rows] -= share * (x[rows] - fit.at(rows))
    removed = np.sqrt(np.mean((cleaned - x) ** 2, axis=0))
    every = every + (cleaned - x) * every.std(axis=0)
    reach = found[-1].reach if found else 0
    return Denoised(np.split(every, np.cumsum(lengths)[:-1]), reach, removed)


class _Fit:
    """A polynomial of what is within `reach` steps of a value: fitted to some rows, known at any.

    error (N,): mean square of its residual in the rows `judged`, in variances.
    """

    def __init__(self, x: Array, reach: int, order: int, taught: Integers, judged: Integers):
        self.reach, self._order, self._x = reach, order, x
        some = self._neighbours(thinned(taught, _JUDGED))
        self._mean = some.mean(axis=0)
        some = some - self._mean
        axes = np.linalg.eigh(some.T @ some)[1][:, ::-1][:, :_COMPONENTS]
        scale = (some @ axes).std(axis=0)
        self._axes = axes[:, scale > 0] / scale[scale > 0]
        self.fit(taught)
        self.error = np.mean((x[judged] - self.at(judged)) ** 2, axis=0)

    def fit(self, rows: Integers) -> None:
        """Solve the normal equations of some rows."""
        size = self._columns(rows[:1]).shape[1]
        normal = _RIDGE * len(rows) * np.eye(size)
        right = np.zeros((size, self._x.shape[1]))
        for some in _chunks(rows):
            columns = self._columns(some)
            normal += columns.T @ columns
            right += columns.T @ self._x[some]
        self._solution = np.linalg.solve(normal, right)

    def at(self, rows: Integers) -> Array:
        """Return p at some rows: (rows, N)."""
        return np.concatenate([self._columns(some) @ self._solution for some in _chunks(rows)])

    def _columns(self, rows: Integers) -> Array:
        z = (self._neighbours(rows) - self._mean) @ self._axes
        multiplied = _MULTIPLIED[self._order]
        return np.concatenate([products(z[:, :multiplied], self._order), z[:, multiplied:]], axis=1)

    def _neighbours(self, rows: Integers) -> Array:
        steps = [k for k in range(-self.reach, self.reach + 1) if k]
        return np.concatenate([self._x[rows + k] for k in steps], axis=1)


def _fitted(x: Array, lengths: Sequence[int]) -> list[_Fit]:
    """Return the best fit of each reach, up to the best of all, which is fitted to more rows."""
    found: list[_Fit] = []
    for reach in _REACHES:
        rows = _inside(lengths, reach)
        wide = 2 * reach * x.shape[1] > _WIDEST
        if wide or len(rows) < _FEWEST or _best(found) < len(found) - _IN_VAIN:
            break
        count = max(2, min(_STRETCHES, len(rows) // (_LONGER * reach)))
        teaches = np.arange(len(rows)) * count // len(rows) % 2 == 0
        taught, judged = thinned(rows[teaches], _LEARNED), thinned(rows[~teaches], _JUDGED)
        fits = [_Fit(x, reach, order, taught, judged) for order in _MULTIPLIED]
        found.append(min(fits, key=lambda fit: float(fit.error.mean())))
    found = found[: _best(found) + 1]
    if found:
        found[-1].fit(thinned(_inside(lengths, found[-1].reach), _KEPT))
    return found


def _best(found: Sequence[_Fit]) -> int:
    """Return the place of the least error; -1 of none."""
    return min(range(len(found)), key=lambda i: float(found[i].error.mean()), default=-1)


def _inside(lengths: Sequence[int], reach: int) -> Integers:
    """Return the rows that have `reach` others of their trajectory before and after them."""
    starts = np.cumsum([0, *lengths[:-1]])
    rows = [np.arange(s + reach, s + n - reach) for s, n in zip(starts, lengths, strict=True)]
    return np.concatenate(rows)


def _chunks(rows: Integers) -> list[Integers]:
    return [rows[i : i + _CHUNK] for i in range(0, max(1, len(rows)), _CHUNK)]
