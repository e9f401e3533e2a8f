"""Return map: each maximum of a variable against the one before (Lorenz 1963).

Where the attractor is nearly two-dimensional the points lie on a curve, and truth and model have
the same one. Of a map, each value against the one before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import Array, finite_part, limits, matrix
from sfbptt_cli.figures.axes import plain
from sfbptt_cli.figures.style import GENERATED, SINGLE, TRUTH, laid_out, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_POINTS = 3_000  # drawn of each
_FEWEST_MAXIMA = 10  # of the truth, for a map of them
# Median steps between two maxima, below which values themselves return: a map has no oscillation.
_SHORTEST_CYCLE = 4


@style()
def return_map(truth: ArrayLike, generated: ArrayLike, variables: Sequence[str]) -> Figure:
    """Draw successive maxima of one variable of truth (T, N) and generation (S, N), data units.

    The variable is the one whose maxima follow one another most like a function; of a map, and of
    data without maxima, successive values take their place.
    """
    x = matrix(truth, variables)
    y, words = finite_part(matrix(generated, variables))
    i, word = _most_one_dimensional(x)
    pairs = [_pairs(series[:, i], word) for series in (x, y)]
    low, high = limits(pairs[0].reshape(-1, 1), margin=0.08)
    figure = new_figure(SINGLE, 3.0)
    axes = figure.add_subplot(xlim=(low[0], high[0]), ylim=(low[0], high[0]), aspect="equal")
    axes.plot((low[0], high[0]), (low[0], high[0]), color="0.8", linewidth=0.5, zorder=0)
    if not len(pairs[1]) and len(words) == 1:
        words.append("no maxima")
    labels = "truth", ", ".join(words)
    for points, color, label, size in zip(
        pairs, (TRUTH, GENERATED), labels, (2.6, 1.6), strict=True
    ):
        look: dict[str, Any] = {"markersize": size, "markeredgewidth": 0, "color": color}
        axes.plot(*points[:_MOST_POINTS].T, "o", label=label, **look)
    name = plain(variables[i])
    axes.set_xlabel(f"{word} of {name}")
    axes.set_ylabel(f"next {word} of {name}")
    axes.locator_params(nbins=5)
    figure.legend(loc="outside upper center", ncols=2 if len(words) == 1 else 1, markerscale=2)
    return laid_out(figure)


def maxima(x: Array) -> Array:
    """Return the local maxima of x (T,), those of the parabolas through three points: (n,)."""
    before, at, after = x[:-2], x[1:-1], x[2:]
    top = (at > before) & (at >= after)
    before, at, after = before[top], at[top], after[top]
    return at + (after - before) ** 2 / (8 * (2 * at - before - after))


def one_dimensional(pairs: Array) -> float:
    """Return Chatterjee's ξ of pairs (n, 2): 1 where the second is a function of the first.

    ξ = 1 − 3 Σ |r_{i+1} − r_i| / (n² − 1), r the ranks of the second in the order of the first; 0
    where they are independent (Chatterjee, J. Am. Stat. Assoc. 2021).
    """
    n = len(pairs)
    in_order = pairs[np.argsort(pairs[:, 0], kind="stable"), 1]
    ranks = np.empty(n)
    ranks[np.argsort(in_order, kind="stable")] = np.arange(n)
    return float(1 - 3 * np.abs(np.diff(ranks)).sum() / (n * n - 1))


def _most_one_dimensional(x: Array) -> tuple[int, str]:
    """Return the variable whose return map is most like a curve, and what returns."""
    found = [maxima(column) for column in x.T]
    oscillating = [
        i
        for i, tops in enumerate(found)
        if len(tops) >= _FEWEST_MAXIMA and len(x) / len(tops) >= _SHORTEST_CYCLE
    ]
    if oscillating:
        word, candidates = "maximum", oscillating
    else:
        word, candidates = "value", list(range(x.shape[1]))
    scores = [one_dimensional(_pairs(x[:, i], word)[:_MOST_POINTS]) for i in candidates]
    best = max(range(len(candidates)), key=lambda k: scores[k] if math.isfinite(scores[k]) else -1)
    return candidates[best], word


def _pairs(x: Array, word: str) -> Array:
    """Return each maximum or value with the next, (n, 2)."""
    values = maxima(x) if word == "maximum" else x
    return np.stack([values[:-1], values[1:]], axis=1) if len(values) > 1 else np.empty((0, 2))
