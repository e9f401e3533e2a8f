"""D_stsp: do truth and generation visit the same parts of state space, equally often?"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sfbptt_cli.metrics.histogram import smoothed_kl
from sfbptt_cli.metrics.trajectories import Array, checked_pair, refuse_constant

# 30 bins in five dimensions are 24 million cells, more than any trajectory can fill.
MAX_BINNED_DIMENSIONS = 5
# Chosen by measurement: 10,000 centres, 1,000 samples, truth against an independent trajectory and
# against Gaussian noise with truth's mean and covariance.
#
#                     σ      0.05          0.1           0.2           0.3           0.5     1.0
#   Lorenz file, N=3  truth  0.190 ± 0.033 0.052 ± 0.009 0.018 ± 0.004 0.011 ± 0.004 0.004   0.001
#                     noise  3.2           1.4           0.69          0.39          0.15    0.023
#   Lorenz-96, N=10   truth  246           59            12            3.8           0.46    0.013
#                     noise  371           90            20            6.8           1.4     0.12
#   Lorenz-96, N=20   truth  1,295         320           77            32            8.2     0.32
#                     noise  1,732         429           103           43            11      0.70
#
# In three dimensions 0.2 and 0.3 set the two furthest apart (37-fold), and 0.3 is the better one
# in more. There the centres lie further apart, and only a σ near 1 separates noise from truth.
GMM_SIGMA = 0.3
# Entries of one block of the distance matrix: 16 MB, whatever the number of samples.
GMM_BLOCK = 2_000_000
# Of histograms: with more cells a point the truth is as far from itself as much worse models are
# (measured with 30 bins: floors of 5 nats for 20,000 points in three dimensions, of 12.3 for 14,000
# in four, where a fixed point scores 12.6).
MOST_CELLS_A_POINT = 1


def grid_is_filled(points: int, dimensions: int, bins: int) -> bool:
    """Return whether the binned D_stsp of that many points separates models."""
    return dimensions <= MAX_BINNED_DIMENSIONS and bins**dimensions <= MOST_CELLS_A_POINT * points


class BinnedDistance(NamedTuple):
    """A binned D_stsp (nats) and the fraction of generated points that its grid does not cover."""

    value: float
    outside: float


def d_stsp_binned(
    truth: npt.ArrayLike,
    generated: npt.ArrayLike,
    bins: int = 30,
    margin: float = 0.1,
    smoothing: float = 1e-5,
) -> BinnedDistance:
    """Return the Kullback-Leibler divergence of the state-space histograms, Σ p ln(p/q).

    The grid has `bins` bins a dimension, from min − margin·σ to max + margin·σ of truth (σ its
    standard deviation in that dimension). `smoothing` is added to the count of every bin; p
    (truth) is normalised to sum 1, q (generated) by all S generated points plus the smoothing.

    Generated points off the grid, non-finite ones included, are reported as a fraction, and q
    loses their share. Normalised over the points on the grid alone, a generation that left it at
    once would score 3.5 on the Lorenz file and one that leaves after 1% of the steps 5.4, far
    better than a fixed point's 16; so they score 16 and 10. Where no point is outside the two are
    the same.

    Args:
        truth: (T, N), any unit. generated: (S, N), same unit.

    Returns:
        value in nats, at least 0 and exactly 0 for identical sets; outside in [0, 1].

    Raises:
        ValueError: N > 5, empty or mismatched arrays, non-finite or constant truth.

    Source: Hess et al., Generalized teacher forcing, ICML 2023 (30 bins).
    """
    truth, generated = checked_pair(truth, generated)
    dimensions = truth.shape[1]
    if dimensions > MAX_BINNED_DIMENSIONS:
        raise ValueError(
            f"binned D_stsp of {dimensions} dimensions; at most {MAX_BINNED_DIMENSIONS},"
            " use the GMM estimator"
        )
    refuse_constant(truth)
    pad = margin * truth.std(axis=0)
    low, high = truth.min(axis=0) - pad, truth.max(axis=0) + pad
    truth_cells = _cells(truth, low, high, bins)
    generated_cells = _cells(generated, low, high, bins)
    distance = smoothed_kl(
        truth_cells, generated_cells, bins**dimensions, smoothing, len(generated)
    )
    return BinnedDistance(distance, 1 - generated_cells.size / len(generated))


def _cells(points: Array, low: Array, high: Array, bins: int) -> npt.NDArray[np.intp]:
    """Return the flat cell index of every point (T, N) on the grid; the others are left out."""
    # Compared as floats: not-a-number fails both, and 1e300 has no integer index.
    points = points[((points >= low) & (points <= high)).all(axis=1)]
    index = np.floor(bins * (points - low) / (high - low)).astype(np.intp)
    index = np.minimum(index, bins - 1)  # the last bin owns its right edge
    return np.asarray(np.ravel_multi_index(tuple(index.T), (bins,) * points.shape[1]))


def d_stsp_gmm(
    truth: npt.ArrayLike,
    generated: npt.ArrayLike,
    sigma: float = GMM_SIGMA,
    points: int = 10_000,
    samples: int = 1_000,
    seed: int = 0,
) -> float:
    """Return the divergence of Gaussian mixtures by Monte Carlo, mean of ln p̂(x) − ln q̂(x).

    p̂(x) = 1/n Σ_i N(x; truth_i, σ²I), q̂ likewise on the generated points, x drawn from p̂. Truth's
    mean is subtracted from both and both are divided by truth's standard deviation, dimension by
    dimension; each is thinned to at most `points` centres, evenly spaced in time. Non-finite
    generated points are dropped first, so that a generation which diverged late is scored by what
    came before: report it as diverged.

    Measured at the default σ, Lorenz file: 0.011 ± 0.004 (seeds) against an independent
    trajectory, 0.39 against Gaussian noise. More than 5 dimensions need a wider σ, see GMM_SIGMA.

    Args:
        truth: (T, N), any unit, any N. generated: (S, N), same unit.
        sigma: width of the Gaussians, in standard deviations of truth.
        points: largest number of Gaussians a mixture.
        samples: number of draws from p̂.
        seed: of the draws; the same seed gives the same number.

    Returns:
        nats, exactly 0 for identical sets; a sample mean, so that near 0 it may be negative. +inf
        if no generated point is finite, or all are too far away for a float.

    Raises:
        ValueError: empty or mismatched arrays, non-finite or constant truth.

    Source: Koppe et al., PLoS Computational Biology 2019; Brenner et al., ICML 2022; Hess et al.,
    ICML 2023.
    """
    truth, generated = checked_pair(truth, generated)
    refuse_constant(truth)
    generated = generated[np.isfinite(generated).all(axis=1)]
    if len(generated) == 0:
        return float("inf")
    mean, scale = truth.mean(axis=0), truth.std(axis=0)
    with np.errstate(over="ignore"):  # a point at infinity has the density it should have, none
        p_centres = (_thinned(truth, points) - mean) / scale
        q_centres = (_thinned(generated, points) - mean) / scale
    rng = np.random.default_rng(seed)
    x = p_centres[rng.integers(len(p_centres), size=samples)]
    x = x + sigma * rng.standard_normal(x.shape)
    log_ratio = _log_density(x, p_centres, sigma) - _log_density(x, q_centres, sigma)
    return float(np.mean(log_ratio))


def _thinned(trajectory: Array, points: int) -> Array:
    """Return at most `points` states, evenly spaced in time."""
    if len(trajectory) <= points:
        return trajectory
    return trajectory[np.arange(points) * len(trajectory) // points]


def _log_density(x: Array, centres: Array, sigma: float) -> Array:
    """Return ln of the mixture density at x (n, N), up to (2πσ²)^(−N/2), which both share."""
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    rows = max(1, GMM_BLOCK // len(centres))
    blocks = [
        logsumexp(-cdist(x[i : i + rows], centres, "sqeuclidean") / (2 * sigma**2), axis=1)
        for i in range(0, len(x), rows)
    ]
    return np.concatenate(blocks) - np.log(len(centres))
