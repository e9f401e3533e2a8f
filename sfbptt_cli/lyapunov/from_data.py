"""The largest Lyapunov exponent of recorded data, with a range, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.embedding import delay_embed, estimate_dimension, estimate_lag
from sfbptt_cli.data.rounding import rounding_step
from sfbptt_cli.data.time_scales import autocorrelation_time, cycle_length, mean_period, standardise
from sfbptt_cli.lyapunov.separation_curve import (
    MARGIN,
    RESOLUTION,
    find_pairs,
    is_smooth,
    log_distances,
)
from sfbptt_cli.lyapunov.separation_fit import (
    ABOVE_NOISE,
    SlopeFit,
    fit_slope,
    noise_level,
    saturation,
)
from sfbptt_cli.lyapunov.settings import NeighbourSettings
from sfbptt_cli.lyapunov.surrogates import like_linear_noise

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

# Samples of a training part that commands estimate from, at most.
LONGEST = 100_000
# Fewer samples, or fewer mean periods, hold no neighbours that are near and apart in time.
_SAMPLES = 500
_PERIODS = 12
# Points of the separation curve; blocks of the data, and Student's 97.5% quantile for as many.
_POINTS = 150
_BLOCKS = 10
_STUDENT = 2.262
# Blocks are not independent: a pair of mutual neighbours counts in the blocks of both.
_SHARED = math.sqrt(2)
# Of the exponent: what the slope is off by when nothing else shows. Pairs that saturate early,
# and noise, make it too low; directions that have not turned yet, too high as well. Of Lorenz and
# Rössler systems without noise −9 to +2% at 100,000 samples; with 1% of noise −16 to −20%.
_TOO_HIGH = 0.06
_TOO_LOW = 0.12
# Of n samples a cycle 8 / n: the flow turns between the samples. Measured at 6, 9, 13, 18 and 28 of
# Rössler systems 23, 33, 32, 22 and 11%. Of a map, which has fewer than 4, nothing lies between.
_TOO_LOW_COARSE = 8.0
_TOO_LOW_AT_MOST = 0.5
_COARSEST = 4.0
# Above noise or rounding, over g e-folds of growth, 1.5 / g: the fewer, the more of the growth is
# hidden. Measured where g is 1.5, 1.8, 2.1 and 2.5: 26 to 74, 20 to 62, 35 to 54, 12 to 41%.
_TOO_LOW_NOISY = 1.5
# Exponential growth covers this many e-folds, over which its slope changes by less than this share.
_GROWTH = 1.25
_CURVATURE = 0.5
# Distances of periodic data change by less e-folds than this, or are below this level: rounding.
_FLAT = 0.5
_SAME = -8.0


@dataclass(frozen=True)
class DataExponent:
    """A largest exponent per time unit with its range, and the separation curve behind it.

    value, low, high: NaN where the curve has no part that grows. curve: (steps, mean natural log
    distance in standard deviations). fit: first and last step of the window of greatest weight.
    lag, dimension: of the delay embedding, None without one. theiler: steps within which neighbours
    do not count. references: pairs behind the curve. reason: why it is not chaotic, else empty.
    """

    reason: str
    chaotic: bool = False
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    curve: tuple[Integers, Array] = field(
        default_factory=lambda: (np.empty(0, dtype=np.intp), np.empty(0))
    )
    fit: tuple[int, int] | None = None
    lag: int | None = None
    dimension: int | None = None
    theiler: int | None = None
    references: int = 0


@dataclass(frozen=True)
class _Separation:
    steps: Integers
    blocks: Array
    weights: Array
    references: int
    noise: float  # its level, mean log distance; −∞ where none shows
    step: float  # root sum of squares of the steps that values are rounded to, if that is the noise

    @property
    def curve(self) -> Array:
        return self.weights @ self.blocks

    def slope(self, fit: tuple[int, int] | None) -> SlopeFit | None:
        return fit_slope(self.steps, self.blocks, self.weights, fit, self.noise)


def exponent_from_data(
    series: Array, dt: float, settings: NeighbourSettings | None = None
) -> DataExponent:
    """Return λ_max of evenly sampled data by the separation of neighbours (Rosenstein et al. 1993).

    It is the slope over k of the mean of ln |x(i + k) − x(j + k)|, over `references` samples i with
    the nearest point j of the trajectory more than `theiler` steps away (the mean period or the
    autocorrelation time, whichever is longer), followed for `horizon` steps (until it saturates,
    at most a fifth of the data), in the window `fit` of steps (average over windows).

    series (T,) or (T, N), every column standardised; dt in time units. One column, or a given lag
    or dimension, means a delay embedding of every column; what is None is estimated, from the first
    column. Range: the root of the sum of squares of 3.2 standard errors over ten blocks of
    the data, one standard deviation over windows, the change with one more delay, and of the
    exponent 6% downwards, and upwards 12%, with n samples a cycle 800% / n up to 50%, or 150% over
    the e-folds of growth above the noise or the step of rounded values.

    Chaotic means: growth by more than 1.25 e-folds at a slope that changes by less than a half and
    whose range is above 0, and neighbours that a quarter of a mean period later are nearer than
    those of `surrogates` linear surrogates (Theiler et al. 1992): `reason` names what is missing.
    RequestError for data that are not of this form.
    """
    settings = settings or NeighbourSettings()
    data = _checked(series, dt)
    if len(data) < _SAMPLES:
        return DataExponent(f"too short: {len(data)} samples, at least {_SAMPLES} are needed")
    if not np.ptp(data, axis=0).any():
        return DataExponent("periodic: the data are constant")
    points = data = standardise(data)
    lag, dimension = settings.lag, settings.dimension
    if data.shape[1] == 1 or lag is not None or dimension is not None:
        try:
            lag, dimension = _delays(data, lag, dimension)
        except RequestError:
            return DataExponent("too short, or a drift: the data do not return to where they were")
        if len(data) - (dimension - 1) * lag < _SAMPLES:
            return DataExponent(f"too short: {len(data)} samples for {dimension} delays of {lag}")
        points = delay_embed(data, lag, dimension)
    period = mean_period(points)
    if len(points) < _PERIODS * period:
        return DataExponent(
            f"too short: {len(points) / period:.0f} mean periods, at least {_PERIODS} are needed"
        )
    theiler = settings.theiler
    if theiler is None:
        theiler = max(round(period), autocorrelation_time(points) or 0)
    settings = replace(settings, lag=lag, dimension=dimension, theiler=theiler)
    separation = _separation(points, period, settings)
    if separation is None:
        return DataExponent("too short: no neighbours that are apart in time")
    found = separation.slope(settings.fit)
    value, low, high = _range(found, separation, data, period, settings)
    reason = _doubt(separation, found, low, points, period)
    if not reason and settings.surrogates and like_linear_noise(data, period, settings):
        reason = (
            "the data do not differ from linear noise with the same spectrum: "
            "neighbours separate as fast in surrogates"
        )
    return DataExponent(
        reason=reason,
        chaotic=not reason,
        value=value / dt,
        low=low / dt,
        high=high / dt,
        curve=(separation.steps, separation.curve),
        fit=None if found is None else found.window,
        lag=lag,
        dimension=dimension,
        theiler=theiler,
        references=separation.references,
    )


def _checked(series: Array, dt: float) -> Array:
    data = np.asarray(series, dtype=float)
    if data.ndim not in (1, 2) or not data.size:
        raise RequestError(f"series: an array of shape {data.shape}; accepted: (T,) or (T, N)")
    if not np.isfinite(data).all():
        raise RequestError("series: NaN or infinity; accepted: finite numbers")
    if not (dt > 0 and math.isfinite(dt)):
        raise RequestError(f"dt: {dt}; accepted: a positive number of time units")
    return data.reshape(len(data), -1)


def _delays(data: Array, lag: int | None, dimension: int | None) -> tuple[int, int]:
    """Return lag and dimension of the embedding, of the first column (T, N) where they are None."""
    lag = estimate_lag(data[:, 0])[0] if lag is None else lag
    if dimension is None:
        # With one delay the rise and the fall of a wave are the same state.
        least = 2 if is_smooth(data) else 1
        dimension = max(least, estimate_dimension(data[:, 0], lag)[0])
    return lag, dimension


def _range(
    found: SlopeFit | None,
    separation: _Separation,
    data: Array,
    period: float,
    settings: NeighbourSettings,
) -> tuple[float, float, float]:
    """Return the exponent per step, and the ends of its range; NaN without a part that grows."""
    if found is None:
        return math.nan, math.nan, math.nan
    value = found.slope
    chance = math.hypot(_STUDENT * _SHARED * found.error, found.spread)
    if settings.lag is not None and settings.dimension is not None:
        more = delay_embed(data, settings.lag, settings.dimension + 1)
        other = _separation(more, period, settings)
        again = None if other is None else other.slope(settings.fit)
        if again is not None and math.isfinite(again.slope):
            chance = math.hypot(chance, again.slope - value)
    too_low = _TOO_LOW
    if (cycle := cycle_length(data)) > _COARSEST:
        too_low = max(too_low, min(_TOO_LOW_COARSE / cycle, _TOO_LOW_AT_MOST))
    if math.isfinite(separation.noise):
        too_low = max(too_low, _TOO_LOW_NOISY / found.growth)
    low = value - math.hypot(chance, _TOO_HIGH * value)
    return value, low, value + math.hypot(chance, too_low * value)


def _separation(points: Array, period: float, settings: NeighbourSettings) -> _Separation | None:
    """Return the separation over the horizon; without one, twice as far until it is flat."""
    longest = min(len(points) // 5, len(points) - 2 * MARGIN - _BLOCKS)
    horizon, theiler = settings.horizon, settings.theiler or 0
    steps_ahead = min(horizon or max(20, round(_PERIODS * period)), longest)
    smooth = is_smooth(points)
    step = float(np.linalg.norm(rounding_step(points)))
    # Rounding moves each of two points by step / √12, root mean square.
    rounded = math.log(max(step / math.sqrt(6), RESOLUTION))
    while True:
        every = max(1, steps_ahead // _POINTS)
        steps = np.arange(0, steps_ahead + 1, every)
        pairs = find_pairs(points, theiler, steps_ahead, settings.references, smooth)
        if len(pairs.reference) < 10 * _BLOCKS:
            return None
        distances = np.maximum(log_distances(points, pairs, steps), rounded)
        curve, quarter = distances.mean(axis=0), max(1, len(steps) // 4)
        rising = curve[-quarter:].mean() - curve[-2 * quarter : -quarter].mean()
        if horizon or steps_ahead == longest or rising < 0.1 * np.ptp(curve):
            break
        steps_ahead = min(2 * steps_ahead, longest)
    groups = np.array_split(distances, _BLOCKS)
    weights = np.array([len(group) for group in groups]) / len(distances)
    noise = noise_level(log_distances(points, pairs, np.arange(3)).mean(axis=0))
    if noise > rounded or curve[0] > rounded + ABOVE_NOISE:
        step = 0.0
    else:
        noise = rounded
    blocks = np.stack([group.mean(axis=0) for group in groups])
    return _Separation(steps, blocks, weights, len(distances), noise, step)


def _doubt(
    separation: _Separation, found: SlopeFit | None, low: float, points: Array, period: float
) -> str:
    """Return why a curve is not that of exponential separation; nothing where it is."""
    if found is not None and low > 0 and found.growth > _GROWTH:
        if abs(found.curvature) < _CURVATURE:
            return ""
        return "the separation curve does not grow exponentially: its slope changes all along"
    steps, curve = separation.steps, separation.curve
    # Distances that stay small: beyond the first steps, in which noise or the choice of the very
    # nearest neighbour shows.
    start = min(len(curve) - 1, int(np.searchsorted(steps, period / 4)))
    later = np.maximum(curve[start:], _SAME)
    if np.median(later) < _random_level(points) - 1 and np.ptp(later) < _FLAT:
        return "periodic or quasi-periodic: neighbours stay together"
    if separation.step:
        return (
            "too coarsely rounded: neighbours are apart by the steps of the values, "
            f"{separation.step:.2g} standard deviations, most of the time"
        )
    until = int(steps[np.argmax(curve > saturation(curve) - 0.5)])
    return (
        "the separation curve does not grow exponentially: not chaotic, too short, or too noisy "
        f"(separation saturates within {max(1, until)} steps)"
    )


def _random_level(points: Array) -> float:
    """Return the mean log distance of samples half the data apart."""
    half = len(points) // 2
    distance = np.linalg.norm(points[:half] - points[half : 2 * half], axis=1)
    return float(np.log(distance[distance > 0]).mean())
