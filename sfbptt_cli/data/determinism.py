"""Do the observations determine what comes next, or does their past help, and how much of it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.time_scales import standardise

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

# Pasts that are compared, in steps.
_PASTS = (0, 1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160)
# A past is at most this share of the data.
_LONGEST_SHARE = 20
# Steps ahead that are predicted, as shares of a period; one step always.
_AHEAD = (1 / 12, 1 / 6, 1 / 3)
# Samples that predictors learn from, and samples that are predicted.
_LIBRARY = 12_000
_QUERIES = 1_500
# Blocks of the data, which teach and test in turn; each is longer than this many pasts.
_BLOCKS = 10
_BLOCK_PASTS = 4
# Variables that are predicted, and principal components of a past that predictors of first, second
# and third order, and neighbours, see.
_TARGETS = 6
_LINEAR, _QUADRATIC, _CUBIC = 30, 16, 7
_NEAR = (3, 7)
_NEIGHBOURS = (16, 64)
_RIDGE = 1e-7
# Errors, in variances, that no training reaches anyway, and the share by which errors are alike.
_NEGLIGIBLE = 5e-4
_ALIKE = 0.15
# Of the memory: errors within this share of the best are as good.
_NEARLY = 0.1
# Order of the differences that show noise beside a smooth signal, at most.
_ORDER = 8
# An observer needs several steps of correction: of a period, and times the memory.
_OF_PERIOD = 0.4
_TIMES_MEMORY = 2.0


@dataclass(frozen=True)
class Determinism:
    """What the past of a series adds to its present.

    noise (N,): standard deviation of the observation noise, in those of the variables.
    period: mean period in steps, noise taken out.
    pasts (W,), ahead (H,), errors (W, H): mean squared error, in variances, of predictions `ahead`
    steps from the last `pasts` + 1 observations. A longer past is never worse.
    gain: what the best past takes off the error of the present alone, in variances, as far as more
    data would not do the same. memory: shortest past in steps that does nearly as well as the best.
    warmup: steps of warm-up that suit the data, 0 where the present determines what comes next.
    reason: why, for people.
    """

    noise: Array
    period: float
    pasts: Integers
    ahead: Integers
    errors: Array
    gain: float
    memory: int
    warmup: int
    reason: str


@dataclass(frozen=True)
class _Samples:
    """Standardised series with the rows that teach and those that test."""

    x: Array  # (T, N), all trajectories one after another
    targets: Array  # (T, M), principal components of x, of unit variance together
    library: Integers
    queries: Integers

    def half(self) -> _Samples:
        """Return the same with every second row of the library."""
        return _Samples(self.x, self.targets, self.library[::2], self.queries)


def determinism(parts: Sequence[Array]) -> Determinism | None:
    """Compare predictions from the present with predictions from longer and longer pasts.

    parts: trajectories (T, N). Each past, as its principal components, is taken to what follows by
    linear, quadratic and cubic regression and by local linear maps between nearest neighbours; the
    best predictor of each counts. What predicts was learned in other blocks of the data. Where a
    past makes errors smaller by more than 5e-4 of the variance and 15%, and more data would not,
    the present does not determine what comes next: it is noisy, or variables are hidden.

    None where the data are too short or constant.
    """
    series = [np.asarray(part, dtype=float).reshape(len(part), -1) for part in parts]
    x = standardise(np.concatenate(series))
    varying = x.any(axis=0)
    if not varying.any():
        return None
    x = x[:, varying]
    ends = np.cumsum([len(part) for part in series])
    pieces = [x[end - len(part) : end] for part, end in zip(series, ends, strict=True)]
    longest = max(pieces, key=len)
    noise = np.zeros(len(varying))
    noise[varying] = _difference_noise(pieces)
    period = quiet_period(longest)
    limit = min(len(x) // _LONGEST_SHARE, len(longest) // 5)
    pasts = np.array([past for past in _PASTS if past <= limit])
    steps = {1, *(round(period * share) for share in _AHEAD if period * share < limit)}
    ahead = np.array(sorted(step for step in steps if step > 0))
    samples = _samples(x, [len(part) for part in pieces], int(pasts[-1]), int(ahead[-1]))
    if samples is None:
        return None
    errors = np.array([_errors(samples, int(past), ahead) for past in pasts])
    errors = np.minimum.accumulate(errors, axis=0)
    smallest = np.sqrt(np.minimum(errors[-1, 0], 1.0))
    noise = np.minimum(noise, smallest) if x.shape[1] == 1 else noise
    gains = errors[0] - errors[-1]
    sizeable = (gains > _NEGLIGIBLE) & (gains > _ALIKE * errors[-1])
    gain = _lasting_gain(samples, pasts, ahead, errors) if sizeable.any() else 0.0
    memory = max(_memory(pasts, errors[:, h]) for h in range(len(ahead)))
    warmup, reason = 0, "the present determines what comes next as well as any past"
    if gain > 0:
        steps = max(_TIMES_MEMORY * memory, _OF_PERIOD * period)
        warmup = max(1, min(round(steps), limit, 2 * _PASTS[-1]))
        reason = f"a past of {memory} steps takes {100 * gain:.2g}% of the variance off the error"
    return Determinism(noise, period, pasts, ahead, errors, gain, memory, warmup, reason)


def _memory(pasts: Integers, errors: Array) -> int:
    near = errors <= (1 + _NEARLY) * errors[-1] + _NEGLIGIBLE / 5
    return int(pasts[int(np.argmax(near))])


def _lasting_gain(samples: _Samples, pasts: Integers, ahead: Integers, errors: Array) -> float:
    """Return the greatest gain of the past over `ahead` that stays when the data grow.

    From n / 2 to n rows of the library; what neighbours that are nearer would give shrinks.
    """
    half = samples.half()
    before = _errors(half, 0, ahead)
    best = np.min([_errors(half, int(p), ahead) for p in _best_pasts(pasts, errors)], axis=0)
    gain, earlier = errors[0] - errors[-1], np.maximum(before - best, 0)
    lasting = np.where(earlier > gain, np.maximum(2 * gain - earlier, 0), gain)
    counts = (lasting > _NEGLIGIBLE) & (lasting > _ALIKE * errors[-1])
    return float(lasting[counts].max(initial=0.0))


def _best_pasts(pasts: Integers, errors: Array) -> set[int]:
    """Return the pasts that reach the least error at some horizon."""
    return {int(pasts[int(np.argmin(column))]) for column in errors.T}


def quiet_period(x: Array) -> float:
    """Return 1 / (mean frequency) in steps of (T, N), white noise taken out of the spectrum.

    The noise is the median power of the upper half of the frequencies.
    """
    power = np.sum(np.abs(np.fft.rfft(x - x.mean(axis=0), axis=0)) ** 2, axis=1)[1:]
    floor = np.median(power[len(power) // 2 :]) / math.log(2)
    quiet = np.maximum(power - floor, 0)
    # The part above the median of white noise's own scatter.
    if quiet.sum() > 0.6 * power.sum():
        power = np.where(power > 6 * floor, quiet, 0)
    frequency = np.arange(1, len(power) + 1) / len(x)
    weighted = float(power @ frequency)
    return float(power.sum()) / weighted if weighted > 0 else math.inf


def _difference_noise(pieces: Sequence[Array]) -> Array:
    """Return the standard deviation of white noise beside a smooth signal, at most: (N,).

    Of differences of order p, E (Δᵖ x)² = C(2p, p) σ² for white noise, and little of a signal that
    is smooth over p + 1 samples; the smallest over p = 1 … 8.
    """
    found = []
    for order in range(1, _ORDER + 1):
        squares = [np.diff(x, order, axis=0) ** 2 for x in pieces if len(x) > order]
        mean = np.concatenate(squares).mean(axis=0)
        found.append(np.sqrt(mean / math.comb(2 * order, order)))
    return np.min(found, axis=0)


def _samples(x: Array, lengths: Sequence[int], past: int, ahead: int) -> _Samples | None:
    """Choose the rows that teach and those that test; None where there are too few."""
    margin = past + ahead
    starts = np.cumsum([0, *lengths[:-1]])
    rows = [np.arange(s + past, s + n - ahead) for s, n in zip(starts, lengths, strict=True)]
    valid = np.concatenate(rows)
    if len(valid) < 4 * margin or len(valid) < 100:
        return None
    count = max(2, min(_BLOCKS, len(valid) // (_BLOCK_PASTS * margin)))
    block = np.arange(len(valid)) * count // len(valid)
    library, tested = valid[block % 2 == 0], valid[block % 2 == 1]
    # A row that tests shares no sample with one that teaches.
    after = np.searchsorted(library, tested)
    below = tested - library[np.maximum(after - 1, 0)]
    above = library[np.minimum(after, len(library) - 1)] - tested
    apart = ((after == 0) | (below > margin)) & ((after == len(library)) | (above > margin))
    queries = tested[apart]
    if len(queries) < 50:
        return None
    return _Samples(x, _targets(x), _thinned(library, _LIBRARY), _thinned(queries, _QUERIES))


def _thinned(rows: Integers, most: int) -> Integers:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.intp)]


def _targets(x: Array) -> Array:
    """Return x (T, N), or its leading principal components, scaled to a mean variance of 1."""
    if x.shape[1] <= _TARGETS:
        return x
    leading = x @ np.linalg.eigh(x.T @ x)[1][:, -_TARGETS:]
    return leading / np.sqrt(leading.var(axis=0).mean())


def _errors(samples: _Samples, past: int, ahead: Integers) -> Array:
    """Return the least mean squared error over the predictors, for each horizon: (H,)."""
    library, queries = samples.library, samples.queries
    known, asked = _pasts(samples.x, past, library, queries)
    answers = [samples.targets[library + h] - samples.targets[library] for h in ahead]
    truth = [samples.targets[queries + h] - samples.targets[queries] for h in ahead]
    answer, true = np.concatenate(answers, axis=1), np.concatenate(truth, axis=1)
    found = [
        _regressed(known, answer, asked, order, width)
        for order, width in ((1, _LINEAR), (2, _QUADRATIC), (3, _CUBIC))
    ]
    for width in {min(width, known.shape[1]) for width in _NEAR}:
        found += _local(known[:, :width], answer, asked[:, :width])
    squares = [((one - true) ** 2).mean(axis=0).reshape(len(ahead), -1).mean(axis=1) for one in found]
    return np.min(squares, axis=0)


def _pasts(x: Array, past: int, library: Integers, queries: Integers) -> tuple[Array, Array]:
    """Return the leading principal components of the last `past` + 1 rows, of both sets of rows."""
    if x.shape[1] > _QUADRATIC and past:
        x = x @ np.linalg.eigh(x.T @ x)[1][:, -_QUADRATIC:]

    def windows(rows: Integers) -> Array:
        return np.concatenate([x[rows - k] for k in range(past + 1)], axis=1)

    known, asked = windows(library), windows(queries)
    mean = known.mean(axis=0)
    some = known[:: max(1, len(known) // 3_000)] - mean
    width = min(max(_LINEAR, samples_width(x)), known.shape[1])
    axes = np.linalg.eigh(some.T @ some)[1][:, ::-1][:, :width]
    return (known - mean) @ axes, (asked - mean) @ axes


def samples_width(x: Array) -> int:
    return x.shape[1]


def _regressed(known: Array, answer: Array, asked: Array, order: int, width: int) -> Array:
    """Return ridge regression on all products of at most `order` of `width` components."""
    width = known.shape[1] if order == 1 else min(width, known.shape[1])
    scale = known[:, :width].std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    a, b = (_products(z[:, :width] / scale, order) for z in (known, asked))
    normal = a.T @ a
    normal.flat[:: len(normal) + 1] += _RIDGE * len(a)
    return b @ np.linalg.solve(normal, a.T @ answer)


def _products(z: Array, order: int) -> Array:
    columns, last = [np.ones((len(z), 1)), z], [(i,) for i in range(z.shape[1])]
    values = z
    for _ in range(order - 1):
        pairs = [(n, j) for n, i in enumerate(last) for j in range(i[-1], z.shape[1])]
        values = np.stack([values[:, n] * z[:, j] for n, j in pairs], axis=1)
        last = [(*last[n], j) for n, j in pairs]
        columns.append(values)
    return np.concatenate(columns, axis=1)


def _local(known: Array, answer: Array, asked: Array) -> list[Array]:
    """Return the means over nearest neighbours, and linear maps between them."""
    from scipy.spatial import KDTree

    most = min(max(_NEIGHBOURS), len(known))
    nearest = np.reshape(KDTree(known).query(asked, k=most)[1], (len(asked), -1))
    found = []
    for count in _NEIGHBOURS:
        some = nearest[:, :count]
        z, y = known[some], answer[some]
        z_mean, y_mean = z.mean(axis=1), y.mean(axis=1)
        z = z - z_mean[:, None]
        square = np.einsum("qki,qkj->qij", z, z)
        power = np.trace(square, axis1=1, axis2=2)
        square += (1e-4 * power + 1e-12)[:, None, None] * np.eye(z.shape[2])
        slope = np.linalg.solve(square, z.swapaxes(1, 2) @ (y - y_mean[:, None]))
        found += [y_mean, y_mean + np.einsum("qi,qij->qj", asked - z_mean, slope)]
    return found
