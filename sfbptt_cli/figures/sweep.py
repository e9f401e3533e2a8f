"""Metrics of a sweep against the learning interval τ."""

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
    laid_out,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # by colour
DASHES = ((5, 2), (1, 1.5), (6, 1.5, 1, 1.5), (3, 1))  # of the levels without τ
MOST_COLUMNS = 4  # of panels that stay legible across a page; more datasets go below
_ROW, _TITLE_LINE, _LEGEND_LINE = 1.55, 0.13, 0.17  # inches
_TITLE_WIDTH = 26  # characters of a line
_MOST_TAU_TICKS, _TICK_DISTANCE = 9, 0.075  # the latter in widths of the axis


class Point(NamedTuple):
    """The runs of one τ: centre and ends of their interval over seeds."""

    tau: float  # steps; NaN where there is none
    centre: float  # NaN or infinite where there is no number
    low: float
    high: float
    some_diverged: bool


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
    band: Band | None
    may_be_log: bool  # whether a wide range of values has a logarithmic axis


class Column(NamedTuple):
    """The panels of one dataset, one a metric."""

    title: str
    panels: tuple[Panel, ...]
    tau_predicted: float | None  # steps


@style()
def sweep(columns: Sequence[Column], legend: bool = True) -> Figure:
    """Draw metrics (rows) of datasets (columns) against τ, with error bars over seeds.

    A dashed level is of runs without τ, a dotted vertical line τ_pred, a band the floor. A hollow
    point: some of its runs diverged. A cross at the top: none has a finite value. Line i of a panel
    has the gid `line-i`, its point j `point-i-j`.
    """
    across = min(len(columns), MOST_COLUMNS)
    blocks = math.ceil(len(columns) / MOST_COLUMNS)
    metrics = len(columns[0].panels)
    width = {1: SINGLE, 2: 5.0}.get(across, DOUBLE)
    entries = _legend_entries(columns) if legend else []
    longest = max((len(label) for _, label in entries), default=0)
    in_a_row = max(1, int(width / (0.5 + 0.062 * longest)))
    title_lines = max(len(textwrap.wrap(column.title, _TITLE_WIDTH)) for column in columns)
    height = 0.2 + blocks * (_ROW * metrics + _TITLE_LINE * title_lines)
    figure = new_figure(width, height + _LEGEND_LINE * math.ceil(len(entries) / in_a_row))
    grid = figure.subplots(metrics * blocks, across, squeeze=False)
    for i in range(blocks * across):
        block, at = divmod(i, across)
        axes = grid[block * metrics : (block + 1) * metrics, at]
        if i < len(columns):
            _draw_column(list(axes), columns[i], named=at == 0)
        else:
            for left_over in axes:
                left_over.remove()
    if entries:
        look: dict[str, Any] = {"handlelength": 2.2, "columnspacing": 1.2}
        look["ncols"] = min(in_a_row, len(entries))
        figure.legend(*zip(*entries, strict=True), loc="outside lower center", **look)
    return laid_out(figure)


def tau_ticks(taus: Sequence[float], low: float, high: float) -> list[float]:
    """Return the intervals of the runs as ticks of a logarithmic axis from `low` to `high`.

    An interval too near to the last tick is left out. Empty where there are so many that round
    numbers are easier to read.
    """
    kept: list[float] = []
    far = _TICK_DISTANCE * math.log(high / low)
    for tau in sorted(set(taus)) if len(set(taus)) <= _MOST_TAU_TICKS else ():
        if not kept or math.log(tau / kept[-1]) >= far:
            kept.append(tau)
    return kept


def _draw_column(grid: Sequence[Axes], column: Column, named: bool) -> None:
    """Fill the axes of a dataset; `named`: the metrics stand at the y-axis."""
    for axes, panel in zip(grid, column.panels, strict=True):
        _draw_panel(axes, panel, column.tau_predicted)
        axes.tick_params(labelbottom=axes is grid[-1])
        if named:
            axes.set_ylabel(panel.metric)
    grid[-1].set_xlabel("learning interval τ (steps)")
    title = textwrap.fill(column.title, _TITLE_WIDTH)
    grid[0].set_title(plain(title), pad=11)
    if column.tau_predicted:
        text = rf"$\tau_\mathrm{{pred}}$ = {column.tau_predicted:.0f}"
        look: dict[str, Any] = {"ha": "center", "va": "bottom", "color": NOTE}
        look["transform"] = grid[0].get_xaxis_transform()
        grid[0].text(column.tau_predicted, 1.01, text, **look)


def _draw_panel(axes: Axes, panel: Panel, tau_predicted: float | None) -> None:
    if panel.band:
        axes.axhspan(panel.band.low, panel.band.high, color=FLOOR, linewidth=0, zorder=0)
        axes.axhline(panel.band.floor, color=FLOOR_LINE, linewidth=0.6, zorder=0.5)
    if tau_predicted:
        axes.axvline(tau_predicted, color=NOTE, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_autoscale_on(False)  # both axes are set below
    axes.set_xscale("log")
    swept = [line for line in panel.lines if line.dash is None]
    for i, line in enumerate(panel.lines):
        if line.dash is None:
            # Moved apart a little, so that error bars at one τ do not hide one another.
            _draw_line(axes, i, line, 1.03 ** (swept.index(line) - (len(swept) - 1) / 2))
        else:
            _draw_levels(axes, i, line, DASHES[line.dash])
    taus = [point.tau for line in swept for point in line.points]
    _limit_tau(axes, taus, tau_predicted)
    _scale_metric(axes, panel)


def _draw_line(axes: Axes, i: int, line: Line, shift: float) -> None:
    """Draw centres joined by a line, with error bars; crosses at the top without a number."""
    if not line.points:
        return
    color = COLORS[line.color]
    known = [point for point in line.points if math.isfinite(point.centre)]
    tau, centre, low, high, _ = np.array(known).reshape(-1, 5).T
    far = 1e6 * np.abs(centre).max(initial=1)  # out of view, where a quartile is infinite
    bars = np.nan_to_num([centre - low, high - centre], posinf=far)
    look: dict[str, Any] = {"color": color, "linewidth": 1.1, "elinewidth": 0.8, "capsize": 1.5}
    joined = axes.errorbar(shift * tau, centre, bars, **look)
    for artist in joined.get_children():
        artist.set_gid(f"line-{i}")
    for j, point in enumerate(line.points):
        mark: dict[str, Any] = {"color": color, "gid": f"point-{i}-{j}", "zorder": 3}
        if point in known:
            mark |= {"marker": MARKERS[line.color], "markersize": 3.5}
            mark |= {"markerfacecolor": "white" if point.some_diverged else color}
            axes.plot(shift * point.tau, point.centre, **mark)
        else:
            mark |= {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot(shift * point.tau, 0.98, marker="x", markersize=4, **mark)


def _draw_levels(axes: Axes, i: int, line: Line, dashes: tuple[float, ...]) -> None:
    for j, point in enumerate(line.points):
        if math.isfinite(point.centre):
            look: dict[str, Any] = {"linestyle": (0, dashes), "gid": f"point-{i}-{j}"}
            axes.axhline(point.centre, color=COLORS[line.color], linewidth=1.1, zorder=1.5, **look)


def _limit_tau(axes: Axes, taus: Sequence[float], tau_predicted: float | None) -> None:
    """Leave room on both sides of the intervals, and set ticks that suit the range."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

    shown = [*taus, *([tau_predicted] if tau_predicted else [])]
    low, high = (min(shown), max(shown)) if shown else (1.0, 100.0)
    room = 1.25 if high > 2 * low else 2.0
    low, high = low / room, high * room
    axes.set_xlim(low, high)
    few = high > 300 * low  # otherwise the labels of a narrow panel touch
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1, 2, 5)))
    if ticks := tau_ticks(taus, low, high):
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _scale_metric(axes: Axes, panel: Panel) -> None:
    """Scale by the logarithm above a decade where the panel allows it, else linearly."""
    from matplotlib.ticker import LogLocator, NullFormatter

    points = [point for line in panel.lines for point in line.points]
    centres = [point.centre for point in points] + ([panel.band.floor] if panel.band else [])
    centres = [value for value in centres if math.isfinite(value)]
    if not centres:
        axes.set_ylim(0, 1)
        return
    ends = [end for point in points for end in (point.low, point.high) if math.isfinite(end)]
    low, high = min(centres), max(centres)
    log = panel.may_be_log and low > 0 and high > 10 * low
    low, high = min([low, *(end for end in ends if end > 0 or not log)]), max([high, *ends])
    if log:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.5, high * 1.5)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 300 * low else (1, 3)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    reach = max(high - min(0.0, low), 1e-12)
    axes.set_ylim(min(0.0, low) - 0.02 * reach, high + 0.15 * reach)


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
    points = [
        p for panel in panels for line in panel.lines if line.dash is None for p in line.points
    ]
    look = {"color": NOTE, "linestyle": "", "markersize": 3.5, "markerfacecolor": "white"}
    if any(point.some_diverged and math.isfinite(point.centre) for point in points):
        entries.append((Line2D([], [], marker="o", **look), "some runs diverged"))
    if not all(math.isfinite(point.centre) for point in points):
        entries.append((Line2D([], [], marker="x", **look), "no finite value"))
    return entries or [(Line2D([], []), "")]
