"""Linear surrogates, noise with the spectra and the values of the data, and a test with them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.embedding import delay_embed
from sfbptt_cli.data.time_scales import standardise
from sfbptt_cli.lyapunov.separation_curve import find_pairs, is_smooth, log_distances
from sfbptt_cli.lyapunov.settings import NeighbourSettings

Array = NDArray[np.float64]

_ITERATIONS = 10
# Samples, references and margin (in standard deviations, and in e-folds) of the surrogate test.
_TEST_SAMPLES = 10_000
_TEST_PERIODS = 24
_TEST_REFERENCES = 1_000
_TEST_DEVIATIONS = 3.0
_TEST_MARGIN = 0.3


def iaaft(series: Array, rng: np.random.Generator) -> Array:
    """Return a surrogate (T, N) with the values of each column of the data, and its spectra.

    Phases are random, the same change in each column, so that spectra and cross-spectra stay
    (Prichard and Theiler 1994); values and spectrum are then imposed in turn, 10 times (Schreiber
    and Schmitz 1996). A Gaussian linear process, also one seen through a monotonic function, has
    surrogates like itself.
    """
    transform = np.fft.rfft(series, axis=0)
    amplitude, phase = np.abs(transform), np.angle(transform)
    values = np.sort(series, axis=0)
    turn = rng.uniform(0, 2 * np.pi, (len(transform), 1))
    surrogate = np.fft.irfft(amplitude * np.exp(1j * (phase + turn)), len(series), axis=0)
    for _ in range(_ITERATIONS):
        ranked = np.empty_like(surrogate)
        np.put_along_axis(ranked, np.argsort(surrogate, axis=0), values, axis=0)
        angle = np.angle(np.fft.rfft(ranked, axis=0))
        # The common change of all columns nearest to the phases that they have now.
        change = np.angle(np.sum(amplitude * np.exp(1j * (angle - phase)), axis=1, keepdims=True))
        spectrum = amplitude * np.exp(1j * (phase + change))
        surrogate = np.fft.irfft(spectrum, len(series), axis=0)
    # The spectrum last: at the end values off by a little cost less than a floor of white noise.
    return surrogate


def matching_ends(series: Array) -> Array:
    """Return the longest stretch, less up to a tenth at either end, whose ends match best.

    They match in value and slope: a jump from the last to the first value would be noise in the
    spectrum.
    """
    tenth = max(1, len(series) // 10)
    steps = np.diff(series, axis=0)
    scale = steps.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    head = np.arange(0, tenth, max(1, tenth // 300))
    tail = len(series) - 2 - head
    jump = (series[head][:, None] - series[tail + 1][None]) / scale
    bend = (steps[head][:, None] - steps[tail][None]) / scale
    best = int(np.sum(jump**2 + bend**2, axis=-1).argmin())
    return series[head[best // len(tail)] : tail[best % len(tail)] + 1]


def like_linear_noise(data: Array, period: float, settings: NeighbourSettings) -> bool:
    """Return whether neighbours separate in a quarter of a mean period as those of surrogates.

    data (T, N) standardised, of which 10,000 samples or 24 periods count; embedded with lag and
    dimension unless None. Alike means within 3 standard deviations over the surrogates, and within
    0.3 e-folds, of their mean.
    """
    rng = np.random.default_rng(settings.seed)
    size = max(_TEST_SAMPLES, math.ceil(_TEST_PERIODS * period))
    stretch = matching_ends(data[:size])
    ahead = max(1, round(period / 4))
    lag, dimension, theiler = settings.lag, settings.dimension, settings.theiler or 0

    def distance(series: Array) -> float:
        points = series
        if lag is not None and dimension is not None:
            points = delay_embed(series, lag, dimension)
        pairs = find_pairs(points, theiler, ahead, _TEST_REFERENCES, is_smooth(points))
        return float(log_distances(points, pairs, np.array([ahead])).mean())

    drawn = range(settings.surrogates)
    noise = np.array([distance(standardise(iaaft(stretch, rng))) for _ in drawn])
    margin = max(_TEST_MARGIN, _TEST_DEVIATIONS * float(noise.std()))
    return bool(distance(standardise(stretch)) > noise.mean() - margin)
