"""Do the observations determine what comes next, or does their past help, and how much of it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.predictors import predictions, thinned
from sfbptt_cli.data.time_scales import cycle_length, standardise

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

# Pasts that are compared, in steps; the comparison ends when so many in a row add nothing.
_PASTS = (0, 1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80)
_IN_VAIN = 4
# A past is at most this share of the data.
_LONGEST_SHARE = 20
# Steps ahead that are predicted, as shares of a cycle; one step always.
_AHEAD = (1 / 8, 1 / 4, 1 / 2)
# Samples that predictors learn from, and samples that are predicted.
_LIBRARY = 8_000
_QUERIES = 1_000
_FEWEST = 50
# Blocks of the data, which teach and test in turn; each is longer than this many pasts.
_BLOCKS = 10
_BLOCK_PASTS = 4
# Components that are predicted, and those that a past is reduced to.
_TARGETS = 6
_COMPONENTS = 30
# Components that are multiplied with each other: of a past, and of the present alone, at most.
_PAIRS, _PAIRS_PRESENT = 16, 40
# Gains, in variances, that no training would notice, and as a share of the error that is left.
_NEGLIGIBLE = 5e-4
_ALIKE = 0.3
# Of the next step, the present alone leaves more of the mean square increment than this, and more
# than this many times the error from the past, where it does not determine it.
_OPEN = 1e-3
_WORSE = 1.15
# Errors within this share of the best are as good.
_NEARLY = 0.1
# Errors, in variances, of what is predicted, and of what is predicted without one.
_PREDICTED = 0.001
_EXACT = 1e-12
# Order of the differences that show noise beside a smooth signal, at most.
_ORDER = 8
# Median of the square of a standard normal variable.
_MEDIAN = 0.45494
# A state that is corrected step by step settles later than a regression needs: so much of a cycle,
# and so many times the memory.
_OF_CYCLE = 0.4
_TIMES_MEMORY = 2.0
# Steps in which noise is averaged, and the variance of what is left of the next step when the past
# is known, beyond which there is some: noise of 1%.
_AVERAGED = 40
_NOISY = 1e-4


@dataclass(frozen=True)
class Determinism:
    """What the past of a series adds to its present.

    noise (N,): standard deviation of the observation noise, at most, in those of the variables.
    cycle: steps of a typical cycle. pasts (W,), ahead (H,), errors (W, H): mean squared error, in
    variances, of predictions `ahead` steps from the last `pasts` + 1 observations; a longer past is
    never worse. gain: what the best past takes off the error of the present alone, in variances, as
    far as more data would not do the same. memory: the shortest past in steps that does nearly as
    well as the best. warmup: steps of warm-up that suit the data, 0 where the present determines
    what comes next as well as any past. horizon: steps ahead that the best past predicts to 0.1%
    of the variance beside twice what it leaves of one step, at least 1.
    """

    noise: Array
    cycle: float
    pasts: Integers
    ahead: Integers
    errors: Array
    gain: float
    memory: int
    warmup: int
    horizon: int

    @property
    def noisy(self) -> bool:
        """Whether the past leaves more than 1e-4 of the variance of the next step open."""
        return bool(self.errors[-1, 0] > _NOISY)


@dataclass(frozen=True)
class _Samples:
    """Standardised series, with the rows that teach and those that test."""

    x: Array  # (T, N), all trajectories one after another
    targets: Array  # (T, M): x, or its leading principal components at a mean variance of 1
    library: Integers
    queries: Integers


def determinism(parts: Sequence[Array]) -> Determinism | None:
    """Compare predictions from the present with predictions from longer and longer pasts.

    parts: trajectories (T, N). The principal components of each past are taken to what follows by
    the predictors of `predictions`, of which the best counts; they learn in other blocks of the
    data than they predict. Where a past takes off more than 5e-4 of the variance, and more than 30%
    of what is left, and more data would not, the present does not determine what comes next: it is
    noisy, or something is hidden. The warm-up is then twice the memory, at least 0.4 of a cycle,
    and at least 40 steps where there is noise.

    None where the data are too short or constant.
    """
    series = [np.asarray(part, dtype=float).reshape(len(part), -1) for part in parts]
    x = standardise(np.concatenate(series))
    varying = np.asarray(x.any(axis=0))
    if not varying.any():
        return None
    x = x[:, varying]
    lengths = [len(part) for part in series]
    pieces = np.split(x, np.cumsum(lengths)[:-1])
    cycle = cycle_length(max(pieces, key=len))
    limit = min(len(x) // _LONGEST_SHARE, max(lengths) // 5)
    pasts = [past for past in _PASTS if past <= limit]
    steps = (round(cycle * share) for share in _AHEAD if cycle * share < limit)
    ahead = np.unique([1, *(step for step in steps if step > 1)])
    samples = _samples(x, lengths, pasts[-1] + int(ahead[-1]))
    if samples is None:
        return None
    each = _compared(samples, pasts, ahead)
    errors = np.minimum.accumulate(each.mean(axis=2), axis=0)
    gain, memory, warmup = 0.0, 0, 0
    if _open(samples, errors[:, 0]) and _counts(errors[0] - errors[-1], errors[-1]).any():
        gain = _lasting_gain(samples, pasts, ahead, each.mean(axis=2))
    if gain > 0:
        memory = max(_memory(pasts, column) for column in errors.T)
        averaged = _AVERAGED if errors[-1, 0] > _NOISY else 0
        wanted = max(_TIMES_MEMORY * memory, _OF_CYCLE * cycle, averaged)
        warmup = max(1, min(round(wanted), limit, _PASTS[-1]))
    noise = np.zeros(len(varying))
    first = each[:, 0].min(axis=0)
    first = first if x.shape[1] <= _TARGETS else first.mean()
    noise[varying] = np.minimum(_difference_noise(pieces), np.sqrt(first))
    kept = np.array(pasts[: len(errors)])
    horizon = _horizon(ahead, errors[-1])
    return Determinism(noise, cycle, kept, ahead, errors, gain, memory, warmup, horizon)


def _horizon(ahead: Integers, errors: Array) -> int:
    """Return the steps at which the error passes a level, on straight lines of logarithms."""
    level = _PREDICTED + 2 * float(errors[0])
    beyond = np.flatnonzero(errors > level)
    if not len(beyond):
        return int(ahead[-1])
    last = int(beyond[0])
    before, after = np.log(np.maximum(errors[last - 1 : last + 1], _EXACT))
    share = (math.log(level) - before) / (after - before)
    return int(ahead[last - 1] * (ahead[last] / ahead[last - 1]) ** share)


def _compared(samples: _Samples, pasts: Sequence[int], ahead: Integers) -> Array:
    """Return the errors from each past until longer ones add nothing: (W, H, M)."""
    found = [_errors(samples, pasts[0], ahead)]
    vain = 0
    for past in pasts[1:]:
        before = np.min(found, axis=0).mean(axis=1)
        found.append(_errors(samples, past, ahead))
        better = found[-1].mean(axis=1) < (1 - _NEARLY / 2) * before - _NEGLIGIBLE / 50
        vain = 0 if better.any() else vain + 1
        if vain == _IN_VAIN:
            break
    return np.array(found)


def _open(samples: _Samples, errors: Array) -> bool:
    """Return whether the past says more of the next step than the present; errors (W,) of one step.

    Further ahead, the past also helps a predictor that is too simple for the present.
    """
    queries = samples.queries
    increments = samples.targets[queries + 1] - samples.targets[queries]
    left = errors[0] / np.mean(increments**2)
    return bool(left > _OPEN and errors[0] > _WORSE * errors[-1])


def _counts(gains: Array, left: Array) -> NDArray[np.bool_]:
    return (gains > _NEGLIGIBLE) & (gains > _ALIKE * left)


def _memory(pasts: Sequence[int], errors: Array) -> int:
    near = errors <= (1 + _NEARLY) * errors[-1] + _NEGLIGIBLE / 5
    return pasts[int(np.argmax(near))]


def _lasting_gain(samples: _Samples, pasts: Sequence[int], ahead: Integers, errors: Array) -> float:
    """Return the greatest gain over `ahead` that stays when the data grow; errors (W, H).

    A gain that shrinks from half the library to all of it is that of nearer neighbours; what is
    left of it at twice the library is extrapolated.
    """
    half = _Samples(samples.x, samples.targets, samples.library[::2], samples.queries)
    present = _errors(half, 0, ahead).mean(axis=1)
    best = {pasts[i] for i in errors.argmin(axis=0)}
    past = np.min([_errors(half, some, ahead).mean(axis=1) for some in best], axis=0)
    least = errors.min(axis=0)
    gain, earlier = errors[0] - least, present - past
    lasting = np.where(earlier > gain, 2 * gain - earlier, gain)
    return float(lasting[_counts(lasting, least)].max(initial=0.0))


def _difference_noise(pieces: Sequence[Array]) -> Array:
    """Return the standard deviation of white noise beside a smooth signal, at most: (N,).

    Of differences of order p, E (Δᵖ x)² = C(2p, p) σ² for white noise, and little of a signal that
    is smooth over p + 1 samples; the smallest over p = 1 … 8. The mean is taken from the median,
    as of normal ones, so that spikes, which are seldom, do not count as noise. Where more than half
    are 0, as of rounded data, it is the mean itself.
    """
    found = []
    for order in range(1, _ORDER + 1):
        squares = [np.diff(x, order, axis=0) ** 2 for x in pieces if len(x) > order]
        joined = np.concatenate(squares)
        median = np.median(joined, axis=0)
        mean = np.where(median > 0, median / _MEDIAN, joined.mean(axis=0))
        found.append(mean / math.comb(2 * order, order))
    return np.sqrt(np.min(found, axis=0))


def _samples(x: Array, lengths: Sequence[int], margin: int) -> _Samples | None:
    """Choose the rows that teach and those that test; None where there are too few.

    All of them have `margin` rows of their trajectory before and after them.
    """
    starts = np.cumsum([0, *lengths[:-1]])
    rows = [np.arange(s + margin, s + n - margin) for s, n in zip(starts, lengths, strict=True)]
    valid = np.concatenate(rows)
    count = max(2, min(_BLOCKS, len(valid) // (_BLOCK_PASTS * margin)))
    block = np.arange(len(valid)) * count // max(1, len(valid))
    library, tested = valid[block % 2 == 0], valid[block % 2 == 1]
    if not len(tested):
        return None
    # What is tested shares no sample with what teaches.
    after = np.searchsorted(library, tested)
    below = tested - library[np.maximum(after - 1, 0)]
    above = library[np.minimum(after, len(library) - 1)] - tested
    queries = tested[(below > margin) & ((above > margin) | (above < 0))]
    if len(queries) < _FEWEST or len(library) < 2 * _FEWEST:
        return None
    return _Samples(x, _targets(x), thinned(library, _LIBRARY), thinned(queries, _QUERIES))


def _targets(x: Array) -> Array:
    if x.shape[1] <= _TARGETS:
        return x
    leading = _leading(x, x, _TARGETS)
    return leading / np.sqrt(leading.var(axis=0).mean())


def _leading(x: Array, points: Array, count: int) -> Array:
    """Project `points` on the leading principal components of x (T, N), the first one first."""
    return points @ np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :count]


def _errors(samples: _Samples, past: int, ahead: Integers) -> Array:
    """Return the mean squared error of the best predictor: (H, M)."""
    library, queries, y = samples.library, samples.queries, samples.targets
    answers = np.concatenate([y[library + h] - y[library] for h in ahead], axis=1)
    truth = np.concatenate([y[queries + h] - y[queries] for h in ahead], axis=1)
    x = samples.x
    if past and x.shape[1] > _COMPONENTS // 2:
        x = _leading(x, x, _COMPONENTS // 2)

    def window(rows: Integers) -> Array:
        return np.concatenate([x[rows - k] for k in range(past + 1)], axis=1)

    known, asked = window(library), window(queries)
    mean = known.mean(axis=0)
    some = known[:: max(1, len(known) // 3_000)] - mean
    count = max(_COMPONENTS, x.shape[1])
    known, asked = _leading(some, known - mean, count), _leading(some, asked - mean, count)
    pairs = _PAIRS if past or x.shape[1] > _PAIRS_PRESENT else _PAIRS_PRESENT
    found = np.array(predictions(known, answers, asked, pairs))
    squares = ((found - truth) ** 2).mean(axis=1).reshape(len(found), len(ahead), -1)
    best = squares.mean(axis=2).argmin(axis=0)
    return squares[best, np.arange(len(ahead))]
