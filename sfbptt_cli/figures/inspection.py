"""What a dataset looks like: series, spectra, errors of predictions, separation of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.common.numbers import singular
from sfbptt_cli.figures.arrays import matrix
from sfbptt_cli.figures.axes import plain, tick_log_axis, with_unit
from sfbptt_cli.figures.separation import draw_separation
from sfbptt_cli.figures.spectra import drawn_frequencies
from sfbptt_cli.figures.style import COLORS, DOUBLE, laid_out, new_figure, style
from sfbptt_cli.lyapunov.from_data import DataExponent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_VARIABLES = 4
_PASTS = (0, 1, 5, 20, 80)  # on the axis


@style()
def inspection(
    series: ArrayLike,
    spectra: ArrayLike,
    errors: tuple[ArrayLike, ArrayLike, ArrayLike],
    separation: DataExponent,
    variables: Sequence[str],
    dt: float,
    time_unit: str,
    name: str,
) -> Figure:
    """Draw a stretch of the data and what was found in all of it, in four panels.

    series (T, N): some cycles, standardised; spectra (F, N): row k at frequency (k + 1) / 2F a
    step. errors: pasts (W,), steps ahead (H,), errors (W, H) in variances, empty where there are
    none. separation: of neighbours. Of more than four variables, the first four. dt in time units.
    """
    x, power = matrix(series, variables), matrix(spectra, variables)
    unit = plain(time_unit)
    figure = new_figure(DOUBLE, 4.4)
    grid = figure.add_gridspec(2, 3)
    _draw_series(figure.add_subplot(grid[0, :]), x, variables, dt, unit, plain(name))
    axes = figure.add_subplot(grid[1, 0], title="power", xlabel=f"frequency (1 / {singular(unit)})")
    frequency = np.arange(1, len(power) + 1) / (2 * len(power) * dt)
    shown = power[:, :MOST_VARIABLES]
    end = max(drawn_frequencies(column) for column in shown.T)
    for column, color in zip(shown.T, COLORS, strict=False):
        axes.semilogy(frequency[:end], column[:end], color=color)
    pasts, ahead, left = map(np.asarray, errors)
    _draw_errors(figure.add_subplot(grid[1, 1]), pasts, ahead, left)
    axes = figure.add_subplot(grid[1, 2], title="separation of neighbours")
    axes.set(xlabel=f"time ({unit})", ylabel="mean ln distance")
    draw_separation(axes, separation, dt)
    if not len(separation.curve[0]):
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
    return laid_out(figure)


def _draw_series(
    axes: Axes, x: np.ndarray, names: Sequence[str], dt: float, unit: str, title: str
) -> None:
    time = dt * np.arange(len(x))
    columns = list(zip(x.T, names, COLORS, strict=False))[:MOST_VARIABLES]
    for column, name, color in columns:
        axes.plot(time, column, color=color, label=plain(name), linewidth=0.7)
    note = "" if len(names) <= MOST_VARIABLES else f", first {MOST_VARIABLES} of {len(names)}"
    axes.set_title(f"{title}{note}")
    axes.set_xlabel(with_unit("time", unit))
    axes.set_ylabel("standard deviations")
    above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.0}
    axes.legend(ncols=MOST_VARIABLES, fontsize=7, **above)


def _draw_errors(axes: Axes, pasts: np.ndarray, ahead: np.ndarray, errors: np.ndarray) -> None:
    axes.set(title="error by steps ahead", xlabel="past (steps)", ylabel="variances")
    if not len(pasts):
        axes.text(0.5, 0.5, "too short", ha="center", transform=axes.transAxes)
        return
    axes.set_xscale("symlog", linthresh=1)
    axes.set_yscale("log")
    for h, column, color in zip(ahead, errors.T, COLORS, strict=False):
        axes.plot(pasts, column, ".-", color=color, label=str(h), clip_on=False)
    ticks = [past for past in _PASTS if past <= pasts[-1]]
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.15)  # room for the legend
    tick_log_axis(axes)
    axes.legend(loc="upper center", ncols=4, fontsize=7, handlelength=1.0, columnspacing=1.2)
