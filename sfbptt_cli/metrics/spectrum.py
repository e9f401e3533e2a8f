"""D_H: do truth and generation spread their power over the same frequencies?

Source: Mikhaeil, Monfared, Durstewitz, NeurIPS 2022; Hess et al., ICML 2023 (20 bins).
"""

import numpy as np
import numpy.typing as npt

from sfbptt_cli.metrics.trajectories import Array, checked_pair


def standardise(x: Array, ddof: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Bring x (T, ...) to mean 0 and standard deviation 1 along time.

    Returns the series, zero where that is impossible, and where it was possible (...): neither
    for a constant series nor for one with a non-finite value.
    """
    # Divided by the range first: the square of 1e200 overflows, and a constant has range 0 but
    # a standard deviation that may round to 1e-17.
    with np.errstate(invalid="ignore", over="ignore"):
        span = np.ptp(x, axis=0)
        possible = np.isfinite(span) & (span > 0)
        z = np.where(possible, (x - x[0]) / np.where(possible, span, 1.0), 0.0)
    z = z - z.mean(axis=0)
    return z / np.where(possible, z.std(axis=0, ddof=ddof), 1.0), possible


def power_spectrum(x: npt.ArrayLike, smoothing: float = 20.0) -> Array:
    """Return the smoothed power spectrum of every dimension, normalised to sum 1.

    Each dimension is standardised, its one-sided periodogram taken without window or detrending,
    smoothed over frequency by a Gaussian and divided by its sum. Row k is the frequency
    (k + 1)/T per step. The zero frequency is left out: standardising removed its power, and the
    smoothing would spread that gap over the slow frequencies.

    Args:
        x: (T, N), any unit, T at least 2.
        smoothing: standard deviation of the Gaussian, in frequency bins; 0 for none.

    Returns:
        (T // 2, N); zeros in a dimension that is constant or holds a non-finite value.

    Raises:
        ValueError: not (time, variable), fewer than 2 steps.
    """
    from scipy.ndimage import gaussian_filter1d

    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] == 0:
        raise ValueError(f"x has shape {x.shape}; expected (time, variable), at least 2 steps")
    z, possible = standardise(x, ddof=0)
    # Equal to scipy.signal.periodogram, whose import alone takes longer than everything here.
    power = np.abs(np.fft.rfft(z, axis=0)[1:]) ** 2
    if len(x) % 2 == 0:
        power[-1] /= 2  # one-sided: every frequency but the last stands for its negative too
    if smoothing > 0:
        # Mirrored at both ends, so that no power is lost there.
        power = gaussian_filter1d(power, smoothing, axis=0, mode="reflect")
    return power / np.where(possible, power.sum(axis=0), 1.0)


def hellinger_distance(p: Array, q: Array) -> Array:
    """Return the Hellinger distance √(1 − Σ √(p q)) of each column of p and q (F, N), in [0, 1].

    A column sums to 1, or to 0 for a spectrum that does not exist; the distance is then 1.
    Computed as √(½ Σ (√p − √q)²), the same number for normalised p and q: 1 − Σ √(pq) cancels,
    and would leave 1e-8 between a distribution and itself, or a negative under the root.
    """
    squared = 0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2, axis=0)
    missing = (p.sum(axis=0) == 0) | (q.sum(axis=0) == 0)
    return np.where(missing, 1.0, np.sqrt(np.minimum(squared, 1.0)))


def d_h(truth: npt.ArrayLike, generated: npt.ArrayLike, smoothing: float = 20.0) -> float:
    """Return the Hellinger distance of the power spectra, averaged over dimensions.

    Both series are cut to their common length, the first min(T, S) steps, so that their
    frequencies are the same and `smoothing` means the same width. See `power_spectrum`.

    Args:
        truth: (T, N), any unit. generated: (S, N), same time step.
        smoothing: standard deviation of the Gaussian, in frequency bins.

    Returns:
        In [0, 1], no unit, exactly 0 for identical series. A dimension that is constant or
        non-finite has no spectrum and counts as 1.

    Raises:
        ValueError: empty or mismatched arrays, non-finite truth, fewer than 2 common steps.
    """
    truth, generated = checked_pair(truth, generated)
    steps = min(len(truth), len(generated))
    p = power_spectrum(truth[:steps], smoothing)
    q = power_spectrum(generated[:steps], smoothing)
    return float(np.mean(hellinger_distance(p, q)))
