"""D_stsp and D_H as the NeurIPS 2022 code computes them, to compare with published numbers only.

Both are blunt: D_stsp centres its bins on zero instead of the data and drops the lowest of them,
D_H does not give 0 for identical series. For anything else use `state_space` and `spectrum`.

Source: Mikhaeil, Monfared, Durstewitz, On the difficulty of learning chaotic dynamics with RNNs,
NeurIPS 2022. Written from a description of the computation, in float64 where theirs is float32.
"""

import numpy as np
import numpy.typing as npt

from sfbptt_cli.metrics.histogram import smoothed_kl
from sfbptt_cli.metrics.spectrum import standardise
from sfbptt_cli.metrics.trajectories import Array, checked_pair, refuse_constant

BINS = 10
HALF_RANGE = 2.0  # standard deviations of truth, on either side of zero
HISTOGRAM_SMOOTHING = 1e-5

PIECES = 50
MIN_STEPS = 200  # pieces of four
FREQUENCIES = 500
KERNEL_SIGMA = 2.0  # frequency bins
KERNEL_RADIUS = 10  # 21 taps


def d_stsp_paper2022(truth: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Return Σ p ln(p/q) of histograms with 10 bins a dimension between −2s and +2s.

    s is the unbiased standard deviation of truth in that dimension; the range is centred on zero.
    A point counts only if it lies in bins 1 to 9 of every dimension: the lowest is lost. To every
    one of the 10^N counts 1e-5 is added, and the sum is normalised by counted points + 1e-5·10^N.

    Invariant to one common scale of both arrays, not to a shift. Depends on the coordinates.

    Args:
        truth: (T, N), generated: (S, N), in the coordinates of the paper's file.

    Returns:
        nats, at least 0. +inf, where the original gives not-a-number, if no point of a set counts.

    Raises:
        ValueError: empty or mismatched arrays, non-finite or constant truth.
    """
    truth, generated = checked_pair(truth, generated)
    refuse_constant(truth)
    limit = HALF_RANGE * truth.std(axis=0, ddof=1)
    truth_cells, generated_cells = _cells(truth, limit), _cells(generated, limit)
    if truth_cells.size == 0 or generated_cells.size == 0:
        return float("inf")
    counted, cells = generated_cells.size, BINS ** truth.shape[1]
    return smoothed_kl(truth_cells, generated_cells, cells, HISTOGRAM_SMOOTHING, counted)


def _cells(points: Array, limit: Array) -> npt.NDArray[np.intp]:
    """Return the flat cell index of every point (T, N) that counts."""
    with np.errstate(over="ignore"):  # diverged points end up at infinity, outside
        position = BINS * (points + limit) / (2 * limit)
    # Truncated towards zero and strictly between 0 and 10 is the same as between 1 and 10.
    position = position[((position >= 1) & (position < BINS)).all(axis=1)]
    return np.asarray(
        np.ravel_multi_index(tuple(position.astype(np.intp).T), (BINS,) * points.shape[1])
    )


def d_h_paper2022(truth: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Return √(1 − ∫ √(p q)) of spectra averaged over 50 pieces, averaged over dimensions.

    Both series are cut to their common length, which the original leaves to its caller, and split
    into 50 consecutive pieces: of series of different length it gives other numbers. The integral
    is the trapezoid rule with unit spacing over the first 500 frequencies of spectra that are
    never normalised again, so that two identical series do not score 0.

    Args:
        truth: (T, N), generated: (S, N), same time step, any unit; at least MIN_STEPS.

    Returns:
        In [0, 1]. Pieces that are constant or non-finite in a dimension are left out there; the
        dimension counts as 1 if none is left. A negative 1 − ∫ counts as 0.

    Raises:
        ValueError: empty or mismatched arrays, non-finite truth.
    """
    truth, generated = checked_pair(truth, generated)
    piece = min(len(truth), len(generated)) // PIECES
    p, p_exists = _mean_spectrum(truth, piece)
    q, q_exists = _mean_spectrum(generated, piece)
    coefficient = np.trapezoid(np.sqrt(p * q), axis=0)
    distance = np.sqrt(np.maximum(1 - coefficient, 0.0))
    return float(np.mean(np.where(p_exists & q_exists, distance, 1.0)))


def _mean_spectrum(x: Array, piece: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the mean spectrum (F, N) of the pieces of x (T, N) that have one, and if any has."""
    from scipy.ndimage import gaussian_filter1d

    pieces = x[: PIECES * piece].reshape(PIECES, piece, -1)  # (50, piece, N)
    even = piece - piece % 2
    z, usable = standardise(pieces[:, :even].swapaxes(0, 1), ddof=1)  # (even, 50, N), (50, N)
    power = np.abs(np.fft.rfft(z, axis=0, norm="ortho")) ** 2 * 2 / even  # (even/2 + 1, 50, N)
    # An unusable piece is all zero, so that it adds nothing to the sum.
    mean = power.sum(axis=1) / np.maximum(usable.sum(axis=0), 1)
    # Smoothing is linear: smoothing the mean is the mean of the smoothed pieces.
    mean = gaussian_filter1d(
        mean, KERNEL_SIGMA, axis=0, mode="constant", cval=0.0, radius=KERNEL_RADIUS
    )
    return mean[:FREQUENCIES], np.asarray(usable.any(axis=0))
