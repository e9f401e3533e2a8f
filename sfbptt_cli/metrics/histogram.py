"""Kullback-Leibler divergence of two histograms too large to store."""

import numpy as np
import numpy.typing as npt


def smoothed_kl(
    truth_cells: npt.NDArray[np.intp],
    generated_cells: npt.NDArray[np.intp],
    n_cells: int,
    smoothing: float,
    generated_points: int | None = None,
) -> float:
    """Divergence Σ p ln(p/q) over n_cells cells, p = (count + smoothing) / Σ (count + smoothing).

    The arguments are flat cell indices (T,) and (S,), one a point. Only cells that hold a point
    are ever stored: in all the others p and q have one value each, so that together they
    contribute (number of them) · p₀ ln(p₀/q₀). An empty set of points is uniform, q = 1/n_cells.
    `generated_points` (S or more) counts points without a cell, too: q then sums to less than 1.
    """
    occupied = np.union1d(truth_cells, generated_cells)

    def density(cells: npt.NDArray[np.intp], points: int) -> tuple[npt.NDArray[np.float64], float]:
        total = points + smoothing * n_cells
        indices, counts = np.unique(cells, return_counts=True)
        inside = np.full(occupied.size, smoothing)
        inside[np.searchsorted(occupied, indices)] += counts
        return inside / total, smoothing / total

    p, p_empty = density(truth_cells, truth_cells.size)
    counted = generated_cells.size if generated_points is None else generated_points
    q, q_empty = density(generated_cells, counted)
    empty = (n_cells - occupied.size) * p_empty * np.log(p_empty / q_empty)
    # A divergence is not negative; only rounding can make this sum so.
    return max(0.0, float(np.sum(p * np.log(p / q)) + empty))
