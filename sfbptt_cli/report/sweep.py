"""The sweep as it is drawn: lines, colours and levels, and the text of every point."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple

from sfbptt_cli.data.settings import DATASET_LABELS
from sfbptt_cli.figures.style import COLORS
from sfbptt_cli.figures.svg import inline_svg
from sfbptt_cli.figures.sweep import DASHES, Column, Line, Point, sweep
from sfbptt_cli.figures.sweep import Panel as DrawnPanel
from sfbptt_cli.report.groups import Group, interval_text
from sfbptt_cli.report.measurements import METRICS, SHARE
from sfbptt_cli.report.panels import Panel

_SYMBOLS = {
    "d_stsp": "state space distance\n" r"$D_\mathrm{stsp}$",
    "d_h": "spectral distance\n$D_H$",
    "d_stsp_paper2022": r"$D_\mathrm{stsp}$ (paper2022)",
    "d_h_paper2022": r"$D_H$ (paper2022)",
    "lambda_max": "Lyapunov exponent\n" r"$\lambda_\mathrm{max}$",
}
_EXPONENT = "Lyapunov exponent\n" r"$\lambda_\mathrm{max}$ / system"
_EXPONENT_BOUNDS = (-0.5, 1.5)  # the exponent of a fixed point can be a hundred times the system's
_SHARE = "share of runs\nthat reconstruct"
_PLAIN = str.maketrans("", "", "$\\{}")


class LineStyle(NamedTuple):
    """Indices into COLORS, and into DASHES for a level; None for a line over τ."""

    color: int
    dash: int | None


def line_styles(panels: Sequence[Panel]) -> dict[str, LineStyle]:
    """Return the style of each label; a level without τ has the colour of its model's line."""
    series = sorted((s for panel in panels for s in panel.series), key=lambda s: not s.swept)
    styles: dict[str, LineStyle] = {}
    of_model: dict[str, int] = {}
    levels: Counter[str] = Counter()
    colors = count()
    for one in {one.label: one for one in series}.values():
        if one.swept or one.model not in of_model:
            color = next(colors) % len(COLORS)
            of_model.setdefault(one.model, color)
        else:
            color = of_model[one.model]
        dash = None if one.swept else levels[one.model] % len(DASHES)
        levels[one.model] += not one.swept
        styles[one.label] = LineStyle(color, dash)
    return styles


def sweep_columns(panels: Sequence[Panel], metrics: Sequence[str], statistic: str) -> list[Column]:
    """Return what the sweep figure draws: a column for a dataset with a panel for a metric.

    λ_max is in units of the system's wherever one of the systems is known to be chaotic.
    """
    styles = line_styles(panels)
    relative = any(panel.truth("lambda_max") > 0 for panel in panels)

    def drawn(panel: Panel, metric: str) -> DrawnPanel:
        def lines(point: Callable[[Group], Point]) -> tuple[Line, ...]:
            return tuple(
                Line(_in_words(one.label), *styles[one.label], tuple(map(point, one.judged)))
                for one in panel.series
            )

        if metric == SHARE:
            return DrawnPanel(_SHARE, lines(_share), bounds=(0.0, 1.0))
        if metric == "lambda_max" and relative:
            truth = panel.truth(metric)
            if not truth > 0:
                why = (
                    "the system's is not known" if math.isnan(truth) else "the system has no chaos"
                )
                return DrawnPanel(_EXPONENT, (), bounds=_EXPONENT_BOUNDS, missing=why)
            found = lines(partial(_point, metric=metric, statistic=statistic, unit=truth))
            return DrawnPanel(_EXPONENT, found, ideal=1.0, bounds=_EXPONENT_BOUNDS)
        found = lines(partial(_point, metric=metric, statistic=statistic))
        # D_H and λ_max are bounded.
        unbounded = metric.startswith("d_stsp") or metric == "prediction_error"
        symbol = _SYMBOLS.get(metric, METRICS[metric])
        units = [run.metrics[metric].unit for run in panel.runs if metric in run.metrics]
        if metric == "lambda_max" and units:
            symbol += f" ({units[0]})"
        return DrawnPanel(symbol, found, panel.band(metric), unbounded)

    return [
        Column(_title(p.title), tuple(drawn(p, metric) for metric in metrics), p.tau_predicted)
        for p in panels
    ]


def _title(title: str) -> str:
    """Return the title of a panel with the full name of its dataset."""
    name, comma, rest = title.partition(", ")
    return DATASET_LABELS.get(name, name.replace("_", " ")) + comma + _in_words(rest)


def _in_words(settings: str) -> str:
    """Write `learning_rate=0.01` as `learning rate 0.01`."""
    return settings.replace("_", " ").replace("=", " ")


def _point(group: Group, metric: str, statistic: str, unit: float = 1.0) -> Point:
    """Return the runs of a group as a point, values divided by `unit`."""
    tau = math.nan if group.tau is None else group.tau
    centre, low, high = (end / unit for end in group.summary(metric).interval(statistic))
    seeds = [run.metrics[metric].value for run in group.runs if run.alike and metric in run.metrics]
    finite = tuple(seed / unit for seed in seeds if math.isfinite(seed))
    return Point(tau, centre, low, high, group.diverged > 0, finite)


def _share(group: Group) -> Point:
    """Return how many of the runs that have a result reconstruct, as a share."""
    tau = math.nan if group.tau is None else group.tau
    known = group.results.total()
    share = group.results["reconstructed"] / known if known else math.nan
    return Point(tau, share, share, share, False)


def charts(
    panels: Sequence[Panel], metrics: Sequence[str], statistic: str
) -> Iterator[tuple[str, list[str]]]:
    """Yield for every panel its title and an SVG element for each metric.

    Parts of a line have its number as `data-series`, by which the legend hides them; a point has
    its text as `data-tip`.
    """
    numbers = {label: str(i) for i, label in enumerate(line_styles(panels))}
    told = [metric for metric in dict.fromkeys([*metrics, "lambda_max"]) if metric != SHARE]
    columns = sweep_columns(panels, metrics, statistic)
    for i, (panel, column) in enumerate(zip(panels, columns, strict=True)):
        attributes: dict[str, dict[str, str]] = {}
        for k, series in enumerate(panel.series):
            own = attributes[f"line-{k}"] = {"data-series": numbers[series.label]}
            for m, group in enumerate(series.judged):
                tip = _text(panel.label(group), group, told, statistic)
                attributes[f"point-{k}-{m}"] = {**own, "data-tip": tip}
        drawn = []
        for j, one in enumerate(column.panels):
            if not one.missing:
                figure = sweep([Column("", (one,), column.tau_predicted)], False)
                name = one.metric.replace("\n", " ").translate(_PLAIN)
                label = f"{panel.title}: {name} against τ; the table has the numbers."
                drawn.append(inline_svg(figure, label, f"s{i}-{j}", attributes))
        yield panel.title, drawn


def _text(label: str, group: Group, metrics: Iterable[str], statistic: str) -> str:
    values = [f"{METRICS[m]} {interval_text(group.summary(m), statistic)}" for m in metrics]
    return f"{label}: {group.reconstructed} reconstructed; {', '.join(values)}; {group.dynamics}"
