"""Loss, validation and gradient norm of every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sfbptt_cli.figures.axes import tick_log_axis
from sfbptt_cli.figures.style import GENERATED, NOTE, SINGLE, TRUTH, new_figure, settled, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = ("loss", "validation_d_stsp", "gradient_norm")  # of a row of the history, a panel each


@style()
def training_curve(
    history: Sequence[Mapping[str, float | None]], floor: float = math.nan
) -> Figure:
    """Draw loss, validation D_stsp and gradient norm against the epoch, where known.

    Rows of `history` have the keys epoch, loss, gradient_norm, validation_d_stsp (dimensionless);
    None, NaN or a missing key is a gap. The last epoch with a true `best`, the one whose
    checkpoint was kept, is marked in every panel. `floor` is that of the D_stsp of the evaluation,
    a line; NaN for none.
    """
    keys = ("epoch", *CURVES)
    table = {key: np.array([row.get(key) for row in history], dtype=np.float64) for key in keys}
    epoch, validation = table["epoch"], table["validation_d_stsp"]
    known = [key for key in CURVES if key == "loss" or np.isfinite(table[key]).any()]
    kept = [i for i, row in enumerate(history) if row.get("best")]
    figure = new_figure(SINGLE, 0.6 + 0.95 * len(known))
    panels = list(figure.subplots(len(known), 1, sharex=True, squeeze=False)[:, 0])
    for axes, key in zip(panels, known, strict=True):
        drawn = np.isfinite(table[key]) & (table[key] > 0)
        line = "o-" if drawn.sum() <= 40 else "-"  # a lone point draws no line
        axes.semilogy(epoch[drawn], table[key][drawn], line, color=TRUTH, markersize=2)
        axes.set_ylabel(key.replace("_", " ").replace("d stsp", r"$D_\mathrm{stsp}$"))
        if key == "validation_d_stsp" and 0 < floor < math.inf:
            axes.axhline(floor, color=NOTE, linewidth=0.8, linestyle="--", zorder=0)
            look = {"va": "bottom", "ha": "left", "color": NOTE}
            axes.text(0.01, floor, "floor", transform=axes.get_yaxis_transform(), **look)
        tick_log_axis(axes)
        if kept:
            at, score = epoch[kept[-1]], validation[kept[-1]]
            axes.axvline(at, color=GENERATED, linewidth=0.6, alpha=0.6, zorder=0)
            if key == "validation_d_stsp":
                axes.plot(at, score, "o", color=GENERATED, markersize=4)
                axes.set_title(f"best: {score:.3g} at epoch {at:.0f}", color=GENERATED)
    panels[-1].set_xlabel("epoch")
    panels[-1].locator_params("x", nbins=6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    return settled(figure)
