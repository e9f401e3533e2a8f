"""The largest Lyapunov exponent of a model, with that of its system."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sfbptt_cli.figures.axes import plain, with_units
from sfbptt_cli.figures.style import GENERATED, SINGLE, TRUTH, laid_out, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style()
def exponent(value: float, standard_error: float, truth: float, unit: str) -> Figure:
    """Draw λ_max of the model with twice its standard error, and a line at the system's λ_max.

    All are in `unit`; NaN means not known.
    """
    figure = new_figure(SINGLE, 0.75)
    axes = figure.add_subplot(ylim=(-1, 1), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.1)
    axes.axvline(0, color="0.8", linewidth=0.5, zorder=0)
    if math.isfinite(value):
        error = 0.0 if math.isnan(standard_error) else 2 * standard_error
        axes.errorbar([value], [0], xerr=[error], fmt="o", color=GENERATED, markersize=4)
    if math.isfinite(truth):
        axes.axvline(truth, color=TRUTH)
        axes.annotate(
            "system", (truth, 1), (0, 1), textcoords="offset points", ha="center", va="bottom"
        )
    axes.set_xlabel(plain(with_units([r"λ_max"], [unit])[0]))
    return laid_out(figure)
