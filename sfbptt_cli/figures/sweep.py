"""Metrics of a sweep against the forcing interval τ."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sfbptt_cli.figures.axes import plain
from sfbptt_cli.figures.style import (
    COLORS,
    DOUBLE,
    FLOOR,
    FLOOR_LINE,
    NOTE,
    SINGLE,
    TRUTH,
    add_letters,
    laid_out,
    new_figure,
    style,
)
from sfbptt_cli.figures.sweep_axes import Scale, bounded_scale, limit_tau, scale_of, set_scale

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # by colour
DASHES = ((5, 2), (1, 1.5), (6, 1.5, 1, 1.5), (3, 1))  # of the levels without τ
MOST_COLUMNS = 4  # of panels that stay legible across a page; more datasets go below
_ROW, _TITLE_LINE, _LEGEND_LINE = 1.55, 0.13, 0.17  # inches
_TITLE_WIDTH = 26  # characters of a line


class Point(NamedTuple):
    """The runs of one τ: centre and ends of their interval over seeds."""

    tau: float  # steps; NaN where there is none
    centre: float  # NaN or infinite where there is no number
    low: float
    high: float
    some_diverged: bool
    seeds: tuple[float, ...] = ()  # the value of each run


class Line(NamedTuple):
    """Points that are joined over τ, or levels without τ."""

    label: str
    color: int  # index into COLORS and MARKERS
    dash: int | None  # index into DASHES of a level; None for a line over τ
    points: tuple[Point, ...]


class Band(NamedTuple):
    """The floor of a metric, truth against truth: its median and range."""

    floor: float
    low: float
    high: float


class Panel(NamedTuple):
    """One metric of one dataset."""

    metric: str  # on the y-axis
    lines: tuple[Line, ...]
    band: Band | None = None
    may_be_log: bool = False  # whether a wide range of values has a logarithmic axis
    ideal: float | None = None  # what a perfect model has, drawn as a line
    bounds: tuple[float, float] | None = None  # of the axis; values beyond are drawn at its ends
    missing: str = ""  # why there is nothing to draw


class Column(NamedTuple):
    """The panels of one dataset, one a metric."""

    title: str
    panels: tuple[Panel, ...]
    tau_predicted: float | None  # steps


@style()
def sweep(columns: Sequence[Column], legend: bool = True) -> Figure:
    """Draw metrics (rows) of datasets (columns) against τ; those of one dataset in two columns.

    A small point is a run, its line goes through the centres over seeds; a bar is their interval. A
    dashed level is of runs without τ, a dotted vertical line τ_pred, a band the floor. A hollow
    point: some of its runs diverged. A cross at the top: none has a finite value. A metric has one
    scale in all columns. Line i of a panel has the gid `line-i`, its point j `point-i-j`.
    """
    entries = _legend_entries(columns) if legend else []
    figure, grids = _new_grids(columns, entries)
    scales = [_scale(panels) for panels in zip(*(c.panels for c in columns), strict=True)]
    for i, (grid, column) in enumerate(zip(grids, columns, strict=True)):
        alone = len(columns) == 1 and len(grid) > 1
        for k, (axes, panel, scale) in enumerate(zip(grid, column.panels, scales, strict=True)):
            _draw_panel(axes, panel, column.tau_predicted)
            set_scale(axes, scale)
            at_bottom = k >= len(grid) - (2 if alone else 1)
            axes.tick_params(labelbottom=at_bottom)
            if at_bottom:
                axes.set_xlabel("forcing interval τ (steps)")
            if alone or i % MOST_COLUMNS == 0:
                axes.set_ylabel(panel.metric)
        _entitle(figure, grid, column, alone)
    if legend:
        add_letters(figure.axes)
    if entries:
        look: dict[str, Any] = {"handlelength": 2.2, "columnspacing": 1.2}
        look["ncols"] = min(_in_a_row(figure.get_figwidth(), entries), len(entries))
        figure.legend(*zip(*entries, strict=True), loc="outside lower center", **look)
    return laid_out(figure)


def _new_grids(
    columns: Sequence[Column], entries: Sequence[tuple[Artist, str]]
) -> tuple[Figure, list[list[Axes]]]:
    """Make a figure, and the axes of each dataset from top to bottom."""
    across = min(len(columns), MOST_COLUMNS)
    blocks = math.ceil(len(columns) / MOST_COLUMNS)
    metrics = len(columns[0].panels)
    width = {1: SINGLE, 2: 5.0}.get(across, DOUBLE)
    folded = len(columns) == 1 and metrics > 1
    if folded:
        width, across = DOUBLE, 2
    rows = math.ceil(metrics / 2) if folded else metrics * blocks
    title_lines = max(len(textwrap.wrap(column.title, _TITLE_WIDTH)) for column in columns)
    legend_lines = math.ceil(len(entries) / _in_a_row(width, entries))
    height = 0.2 + _ROW * rows + blocks * _TITLE_LINE * title_lines + _LEGEND_LINE * legend_lines
    figure = new_figure(width, height)
    grid = figure.add_gridspec(rows, across)
    cells = [
        [
            divmod(k, 2) if folded else (i // across * metrics + k, i % across)
            for k in range(metrics)
        ]
        for i in range(len(columns))
    ]
    in_rows = sorted(cell for one in cells for cell in one)  # as one reads
    axes = {cell: figure.add_subplot(grid[cell]) for cell in in_rows}
    return figure, [[axes[cell] for cell in one] for one in cells]


def _in_a_row(width: float, entries: Sequence[tuple[Artist, str]]) -> int:
    longest = max((len(label) for _, label in entries), default=0)
    return max(1, int(width / (0.5 + 0.062 * longest)))


def _entitle(figure: Figure, grid: Sequence[Axes], column: Column, alone: bool) -> None:
    """Put the name of a dataset over its panels, and that of τ_pred over its line."""
    title = plain(textwrap.fill(column.title, _TITLE_WIDTH))
    if alone:
        figure.suptitle(title.replace("\n", " "))
    else:
        grid[0].set_title(title, pad=11)
    if column.tau_predicted:
        text = rf"$\tau_\mathrm{{pred}}$ = {column.tau_predicted:.0f}"
        look: dict[str, Any] = {"ha": "center", "va": "bottom", "color": NOTE}
        for axes in grid[: 1 + alone]:
            look["transform"] = axes.get_xaxis_transform()
            axes.text(column.tau_predicted, 1.01, text, **look)


def _draw_panel(axes: Axes, panel: Panel, tau_predicted: float | None) -> None:
    if panel.band:
        axes.axhspan(panel.band.low, panel.band.high, color=FLOOR, linewidth=0, zorder=0)
        axes.axhline(panel.band.floor, color=FLOOR_LINE, linewidth=0.6, zorder=0.5)
    if panel.ideal is not None:
        axes.axhline(panel.ideal, color=TRUTH, linewidth=0.8, zorder=0.5)
    if tau_predicted:
        axes.axvline(tau_predicted, color=NOTE, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_autoscale_on(False)  # both axes are set below
    axes.set_xscale("log")
    swept = [line for line in panel.lines if line.dash is None]
    bounds = panel.bounds or (-math.inf, math.inf)
    for i, line in enumerate(panel.lines):
        if line.dash is None:
            # Moved apart a little, so that error bars at one τ do not hide one another.
            _draw_line(axes, i, line, 1.03 ** (swept.index(line) - (len(swept) - 1) / 2), bounds)
        else:
            _draw_levels(axes, i, line, bounds)
    taus = [point.tau for line in swept for point in line.points]
    limit_tau(axes, taus, tau_predicted)
    if panel.missing:
        axes.text(0.5, 0.5, panel.missing, ha="center", color=NOTE, transform=axes.transAxes)


def _draw_line(axes: Axes, i: int, line: Line, shift: float, bounds: tuple[float, float]) -> None:
    """Draw centres joined by a line, with error bars; crosses at the top without a number."""
    if not line.points:
        return
    color = COLORS[line.color]
    known = [point for point in line.points if math.isfinite(point.centre)]
    tau, *ends = np.array([point[:4] for point in known]).reshape(-1, 4).T
    centre, low, high = np.clip(ends, *bounds)
    far = 1e6 * np.abs(centre).max(initial=1)  # out of view, where a quartile is infinite
    bars = np.nan_to_num([centre - low, high - centre], posinf=far)
    look: dict[str, Any] = {"color": color, "linewidth": 1.1, "elinewidth": 0.6, "zorder": 2}
    joined = axes.errorbar(shift * tau, centre, bars, **look)
    for artist in joined.get_children():
        artist.set_gid(f"line-{i}")
    runs: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 2.6, "zorder": 2.5}
    runs |= {"markeredgecolor": "white", "markeredgewidth": 0.4, "gid": f"line-{i}"}
    for point in line.points:
        place = np.full(len(point.seeds), shift * point.tau)
        axes.plot(place, np.clip(point.seeds, *bounds), color=color, **runs)
    for j, point in enumerate(line.points):
        mark: dict[str, Any] = {"color": color, "gid": f"point-{i}-{j}", "zorder": 3}
        if point in known:
            mark |= {"marker": MARKERS[line.color], "markersize": 3.5}
            mark |= {"markerfacecolor": "white" if point.some_diverged else color}
            axes.plot(shift * point.tau, np.clip(point.centre, *bounds), **mark)
        else:
            mark |= {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot(shift * point.tau, 0.98, marker="x", markersize=4, **mark)


def _draw_levels(axes: Axes, i: int, line: Line, bounds: tuple[float, float]) -> None:
    for j, point in enumerate(line.points):
        if math.isfinite(point.centre) and line.dash is not None:
            look: dict[str, Any] = {"linestyle": (0, DASHES[line.dash]), "gid": f"point-{i}-{j}"}
            level = float(np.clip(point.centre, *bounds))
            axes.axhline(level, color=COLORS[line.color], linewidth=1.1, zorder=1.5, **look)


def _scale(panels: Sequence[Panel]) -> Scale:
    """Return the axis of a metric, the same for every dataset."""
    points = [point for panel in panels for line in panel.lines for point in line.points]
    if bounds := panels[0].bounds:
        return bounded_scale(*bounds, [x for p in points for x in (p.centre, *p.seeds)])
    levels = [level for p in panels for level in (p.band and p.band.floor, p.ideal) if level]
    centres = [point.centre for point in points] + levels
    ends = [end for point in points for end in (point.low, point.high, *point.seeds)]
    return scale_of(centres, ends, all(panel.may_be_log for panel in panels))


def _legend_entries(columns: Sequence[Column]) -> list[tuple[Artist, str]]:
    """Return a handle and a name for every line, then for other marks."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    panels = [panel for column in columns for panel in column.panels]
    lines = {line.label: line for panel in panels for line in panel.lines}
    entries: list[tuple[Artist, str]] = []
    for label, line in sorted(lines.items(), key=lambda item: item[1].dash is not None):
        look: dict[str, Any] = {"color": COLORS[line.color], "linewidth": 1.1}
        if line.dash is None:
            look |= {"marker": MARKERS[line.color], "markersize": 3.5}
        else:
            look |= {"linestyle": (0, DASHES[line.dash])}
        entries.append((Line2D([], [], **look), plain(label)))
    if any(panel.band for panel in panels):
        entries.append((Patch(color=FLOOR, linewidth=0), "floor: truth against truth"))
    if any(panel.ideal is not None for panel in panels):
        entries.append((Line2D([], [], color=TRUTH, linewidth=0.8), "the system"))
    swept = [line for panel in panels for line in panel.lines if line.dash is None]
    points = [point for line in swept for point in line.points]
    known = [point for point in points if math.isfinite(point.centre)]
    for present, marker, size, fill, name in (
        (any(point.seeds for point in points), "o", 2.6, NOTE, "single runs"),
        (any(point.some_diverged for point in known), "o", 3.5, "white", "some runs diverged"),
        (len(known) < len(points), "x", 3.5, "white", "no finite value"),
    ):
        look = {"color": NOTE, "linestyle": "", "markersize": size, "markerfacecolor": fill}
        entries += [(Line2D([], [], marker=marker, **look), name)] * present
    return entries or [(Line2D([], []), "")]
