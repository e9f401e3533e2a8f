"""Kullback-Leibler divergence of two histograms too large to store."""

import numpy as np
import numpy.typing as npt

from sfbptt_cli.metrics.trajectories import Array

Cells = npt.NDArray[np.intp]


def smoothed_kl(
    truth_cells: Cells,
    generated_cells: Cells,
    n_cells: int,
    smoothing: float,
    generated_points: int,
) -> float:
    """Return Σ p ln(p/q) over n_cells cells, p = (count + smoothing) / Σ (count + smoothing).

    The arguments are flat cell indices (T,) and (S,), one a point. `generated_points` is S, or
    more where points have no cell: q then sums to less than 1. Only cells that hold a point are
    stored. In all the others p and q have one value each, so that together they contribute
    (number of them) · p₀ ln(p₀/q₀). An empty set of points is uniform, q = 1/n_cells.
    """
    occupied = np.union1d(truth_cells, generated_cells)

    def density(cells: Cells, points: int) -> tuple[Array, float]:
        total = points + smoothing * n_cells
        indices, counts = np.unique(cells, return_counts=True)
        inside = np.full(occupied.size, smoothing)
        inside[np.searchsorted(occupied, indices)] += counts
        return inside / total, smoothing / total

    p, p_empty = density(truth_cells, truth_cells.size)
    q, q_empty = density(generated_cells, generated_points)
    empty = (n_cells - occupied.size) * p_empty * np.log(p_empty / q_empty)
    # A divergence is not negative; only rounding can make this sum so.
    return max(0.0, float(np.sum(p * np.log(p / q)) + empty))
