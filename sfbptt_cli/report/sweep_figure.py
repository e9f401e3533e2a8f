"""The poster's figure: distances against τ, one column of panels a dataset, for print."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sfbptt_cli.figures.style import DOUBLE, DPI, SINGLE
from sfbptt_cli.report.collection import METRICS
from sfbptt_cli.report.line_styles import COLORS, DASHES, MARKERS, LineStyle, line_styles, tau_ticks
from sfbptt_cli.report.panels import Panel, Series, spans_decades

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 4  # of panels that stay legible across a page; more datasets go below
_ROW, _TITLE_LINE, _LEGEND_LINE = 1.55, 0.13, 0.17  # inches
_TITLE_WIDTH = 26  # signs of a line
_SYMBOLS = {
    "d_stsp": r"$D_\mathrm{stsp}$",
    "d_stsp_gmm": r"$D_\mathrm{stsp}$ (GMM)",
    "d_h": r"$D_H$",
    "d_stsp_paper2022": r"$D_\mathrm{stsp}$ (paper2022)",
    "d_h_paper2022": r"$D_H$ (paper2022)",
    "lambda_max": r"$\lambda_\mathrm{max}$",
}
_NO_NUMBER = "no finite value"


def sweep_figure(panels: Sequence[Panel], metrics: Sequence[str], statistic: str) -> Figure:
    """Metrics (rows) of the panels (columns) against τ, with error bars over seeds.

    `statistic`: median with quartiles, or mean with its standard error. A line a model; a dashed
    level for runs without τ; τ_pred as a dotted vertical; the floor, truth against truth, as a
    band. Hollow: some runs of the group diverged. A cross at the top: none has a finite value.
    """
    from matplotlib import rc, rc_context, rcdefaults
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()  # a user's matplotlibrc must not change the figure
        rc("font", size=8)
        rc("axes", titlesize=8, labelsize=8, linewidth=0.6)
        rc("axes.spines", top=False, right=False)
        rc("xtick", labelsize=7)
        rc("ytick", labelsize=7)
        rc("legend", fontsize=8, frameon=False)
        columns = min(len(panels), MOST_COLUMNS)
        blocks = math.ceil(len(panels) / MOST_COLUMNS)
        rows = len(metrics) * blocks
        width = {1: SINGLE, 2: 5.0}.get(columns, DOUBLE)
        styles = line_styles(panels)
        entries = _legend_entries(panels, metrics, styles)
        in_a_row = max(1, int(width / (0.5 + 0.062 * max(len(label) for _, label in entries))))
        lines = math.ceil(len(entries) / in_a_row)
        title_lines = max(len(textwrap.wrap(panel.title, _TITLE_WIDTH)) for panel in panels)
        height = 0.2 + _ROW * rows + _TITLE_LINE * title_lines * blocks + _LEGEND_LINE * lines
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        _draw_panels(grid, panels, metrics, statistic, styles)
        figure.legend(
            [handle for handle, _ in entries],
            [label for _, label in entries],
            loc="outside lower center",
            ncols=min(in_a_row, len(entries)),
            handlelength=2.2,
            columnspacing=1.2,
        )
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # another pass at each saving would move things a bit
        return figure


def _draw_panels(
    grid: Any,
    panels: Sequence[Panel],
    metrics: Sequence[str],
    statistic: str,
    styles: dict[str, LineStyle],
) -> None:
    """Fill the grid of axes block by block; those left over are taken out."""
    columns = grid.shape[1]
    for i in range(math.ceil(len(panels) / columns) * columns):
        block, column = divmod(i, columns)
        for row, metric in enumerate(metrics):
            axes: Axes = grid[block * len(metrics) + row, column]
            if i >= len(panels):
                axes.remove()
                continue
            _draw_panel(axes, panels[i], metric, statistic, styles)
            if row == 0:
                axes.set_title(_plain(textwrap.fill(panels[i].title, _TITLE_WIDTH)), pad=11)
                _name_tau_predicted(axes, panels[i])
            if row == len(metrics) - 1:
                axes.set_xlabel(r"learning interval $\tau$ (steps)")
            else:
                axes.tick_params(labelbottom=False)
            if column == 0:
                axes.set_ylabel(_SYMBOLS.get(metric, METRICS[metric]))


def _draw_panel(
    axes: Axes, panel: Panel, metric: str, statistic: str, styles: dict[str, LineStyle]
) -> None:
    band = panel.band(metric)
    if band:
        axes.axhspan(band.low, band.high, color="0.85", linewidth=0, zorder=0)
        axes.axhline(band.floor, color="0.6", linewidth=0.6, zorder=0.5)
    if panel.tau_predicted:
        axes.axvline(panel.tau_predicted, color="0.25", linewidth=0.8, linestyle=":", zorder=1)
    axes.set_autoscale_on(False)  # both axes are set below
    axes.set_xscale("log")
    swept = [series for series in panel.series if series.swept]
    for series in panel.series:
        if series.swept:
            # Moved apart a little, so that error bars at one τ do not hide one another.
            shift = 1.03 ** (swept.index(series) - (len(swept) - 1) / 2)
            _draw_line(axes, series, metric, statistic, styles[series.label], shift)
        else:
            _draw_level(axes, series, metric, statistic, styles[series.label])
    _limit_tau(axes, panel)
    _scale_distance(axes, panel, metric, statistic)


def _draw_line(
    axes: Axes, series: Series, metric: str, statistic: str, style: LineStyle, shift: float
) -> None:
    """Centres joined by a line, with error bars; crosses at the top where there is no number."""
    color, marker = COLORS[style.color], MARKERS[style.color]
    groups = [group for group in series.groups if group.judged]
    if not groups:
        return
    ends = np.array([group.summary(metric).interval(statistic) for group in groups])
    tau = shift * np.array([group.tau for group in groups], dtype=np.float64)
    known = np.isfinite(ends[:, 0])
    centre, low, high = ends[known].T
    far = 1e6 * np.abs(centre).max(initial=1)  # out of view, where a quartile is infinite
    bars = np.nan_to_num([centre - low, high - centre], posinf=far)
    axes.errorbar(tau[known], centre, bars, color=color, linewidth=1.1, elinewidth=0.8, capsize=1.5)
    some_diverged = np.array([group.diverged > 0 for group in groups])[known]
    for hollow in (False, True):
        which = some_diverged == hollow
        face = "white" if hollow else color
        look: dict[str, Any] = {"color": color, "markerfacecolor": face, "markersize": 3.5}
        axes.plot(tau[known][which], centre[which], marker, zorder=3, **look)
    if not known.all():
        top: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(tau[~known], np.full((~known).sum(), 0.98), "x", color=color, markersize=4, **top)


def _draw_level(axes: Axes, series: Series, metric: str, statistic: str, style: LineStyle) -> None:
    dashes = (0, DASHES[style.dash or 0])
    for group in series.groups:
        centre = group.summary(metric).interval(statistic)[0]
        if math.isfinite(centre):
            axes.axhline(
                centre, color=COLORS[style.color], linewidth=1.1, linestyle=dashes, zorder=1.5
            )


def _limit_tau(axes: Axes, panel: Panel) -> None:
    """Room on both sides of the intervals, and ticks that suit the range."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

    taus = [float(group.tau) for group in panel.groups if group.tau is not None]
    taus += [panel.tau_predicted] if panel.tau_predicted else []
    low, high = (min(taus), max(taus)) if taus else (1.0, 100.0)
    room = 1.25 if high > 2 * low else 2.0
    low, high = low / room, high * room
    axes.set_xlim(low, high)
    few = high > 300 * low  # otherwise the labels of a narrow panel touch
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1, 2, 5)))
    if ticks := tau_ticks(panel, low, high):
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _scale_distance(axes: Axes, panel: Panel, metric: str, statistic: str) -> None:
    """A logarithmic axis for a divergence of more than a decade, else a linear one."""
    from matplotlib.ticker import LogLocator, NullFormatter

    values = [group.summary(metric).interval(statistic)[0] for group in panel.groups]
    values = [value for value in values if math.isfinite(value)]
    band = panel.band(metric)
    values += [band.floor] if band else []
    if not values:
        axes.set_ylim(0, 1)
        return
    if spans_decades(metric, values):
        axes.set_yscale("log")
        axes.set_ylim(min(values) / 2, max(values) * 2)
        few = max(values) > 300 * min(values)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1, 3)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    reach = max(max(values) - min(0.0, *values), 1e-12)
    axes.set_ylim(min(0.0, *values) - 0.02 * reach, max(values) + 0.15 * reach)


def _name_tau_predicted(axes: Axes, panel: Panel) -> None:
    if not panel.tau_predicted:
        return
    text = rf"$\tau_\mathrm{{pred}}$ = {panel.tau_predicted:.0f}"
    axes.text(
        panel.tau_predicted,
        1.01,
        text,
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=7,
        color="0.25",
    )


def _legend_entries(
    panels: Sequence[Panel], metrics: Sequence[str], styles: dict[str, LineStyle]
) -> list[tuple[Artist, str]]:
    """A handle and a name for every line, then for what else is drawn."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[tuple[Artist, str]] = []
    for label, style in styles.items():
        look: dict[str, Any] = {"color": COLORS[style.color], "linewidth": 1.1}
        if style.dash is None:
            look |= {"marker": MARKERS[style.color], "markersize": 3.5}
        else:
            look |= {"linestyle": (0, DASHES[style.dash])}
        entries.append((Line2D([], [], **look), _plain(label)))
    if any(panel.band(metric) for panel in panels for metric in metrics):
        entries.append((Patch(color="0.85", linewidth=0), "floor: truth against truth"))
    groups = [group for panel in panels for group in panel.groups if group.judged and group.tau]
    centres = [group.summary(metric).median for group in groups for metric in metrics]
    if any(group.diverged and group.measured for group in groups):
        ring: dict[str, Any] = {"color": "0.25", "markerfacecolor": "white", "markersize": 3.5}
        entries.append((Line2D([], [], marker="o", linestyle="", **ring), "some runs diverged"))
    if not all(map(math.isfinite, centres)):
        cross = Line2D([], [], marker="x", color="0.25", markersize=4, linestyle="")
        entries.append((cross, _NO_NUMBER))
    return entries or [(Line2D([], []), "")]


def _plain(text: str) -> str:
    """A name from a configuration is no formula, whatever its signs."""
    return text.replace("$", r"\$")
