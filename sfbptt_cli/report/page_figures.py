"""The pictures of the page as SVG, readable without JavaScript: sweep, attractor, series, …"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.report.collection import METRICS, Metric
from sfbptt_cli.report.highlights import Attractor, Curves, Highlight, Mark, decode_share
from sfbptt_cli.report.line_styles import DASHES, LineStyle, tau_ticks
from sfbptt_cli.report.panels import Group, Panel, Series, spans_decades
from sfbptt_cli.report.statistics import number
from sfbptt_cli.report.svg_chart import Axis, Chart, attributes, path, range_axis
from sfbptt_cli.report.sweep_table import interval_text

Array = NDArray[np.float64]
_STATIC_POINTS = 2_500  # of an attractor drawn without JavaScript
_TURN, _TILT = -0.9, 0.35  # of that view, radians


def sweep_chart(
    panel: Panel,
    metric: str,
    statistic: str,
    styles: dict[str, LineStyle],
    identifier: str,
) -> str:
    """One panel of the sweep; every point carries its group in words, for the tooltip.

    A line's place in `styles` is the number by which the legend shows and hides it.
    """
    name, band = METRICS[metric], panel.band(metric)
    ends = {id(g): g.summary(metric).interval(statistic) for g in panel.groups}
    values = [end for interval in ends.values() for end in interval]
    values += [band.floor] if band else []
    log = spans_decades(metric, values)
    taus = [float(group.tau) for group in panel.groups if group.tau is not None]
    taus += [panel.tau_predicted] if panel.tau_predicted else []
    taus = [min(taus) / 1.4, max(taus) * 1.4] if taus else [1, 100]
    low, high = min(taus), max(taus)
    name_tau = "learning interval τ (steps)"
    x_axis = Axis(low, high, name_tau, log=True, fixed=tau_ticks(panel, low, high))
    y_axis = range_axis([*values, *[0.0] * (not log)], name, log=log, margin=0.08)
    chart = Chart(
        f"{panel.title}: {name} against τ", _words(panel, metric, statistic), x_axis, y_axis
    )
    if band:
        chart.band(band.low, band.high, "floor")
        chart.level(band.floor, "floor-line")
    if panel.tau_predicted:
        chart.mark(panel.tau_predicted, "tau-pred", f"τ_pred = {panel.tau_predicted:.0f}")
    for series in panel.series:
        style = styles[series.label]
        marks = attributes(
            {
                "class": f"series c{style.color}",
                "data-series": str(list(styles).index(series.label)),
            }
        )
        chart.drawn.append(f"<g{marks}>")
        for group in series.groups:
            _interval(chart, series, group, ends[id(group)], style)
        if series.swept:
            judged = [group for group in series.groups if group.judged]
            centres = [ends[id(group)][0] for group in judged]
            chart.line([group.tau or math.nan for group in judged], centres, "curve")
            for group in judged:
                _point(chart, series, group, metric, statistic, ends[id(group)][0])
        else:
            _level_tip(chart, series, metric, statistic, ends)
        chart.drawn.append("</g>")
    return chart.svg(identifier)


def _interval(
    chart: Chart, series: Series, group: Group, ends: tuple[float, float, float], style: LineStyle
) -> None:
    centre, low, high = ends
    if not math.isfinite(centre):
        return
    if group.tau is None:
        chart.level(centre, "curve", f"stroke-dasharray:{_dashes(style)}")
    elif high > low:
        low = max(low, chart.y.low) if chart.y.log else low
        chart.line([group.tau, group.tau], [low, min(high, chart.y.high)], "bar")


def _dashes(style: LineStyle) -> str:
    return " ".join(f"{length:g}" for length in DASHES[style.dash or 0])


def _point(
    chart: Chart, series: Series, group: Group, metric: str, statistic: str, centre: float
) -> None:
    """A point, hollow where some runs diverged; a cross at the top where there is no number."""
    known = math.isfinite(centre)
    ((left, top),) = chart.place([group.tau or math.nan], [centre if known else chart.y.high])
    css = "point hollow" if group.diverged else "point"
    tip = attributes(
        {
            "class": css if known else "point cross",
            "data-tip": _tip(series, group, metric, statistic),
        }
    )
    if known:
        chart.drawn.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4"{tip}/>')
    else:
        arms = f"M{left - 4:.1f} {top - 4:.1f}l8 8m0 -8l-8 8"
        chart.drawn.append(f'<path d="{arms}" data-x="{left:.1f}" data-y="{top:.1f}"{tip}/>')


def _level_tip(
    chart: Chart,
    series: Series,
    metric: str,
    statistic: str,
    ends: dict[int, tuple[float, float, float]],
) -> None:
    """An unseen point at the right end of a level, where its words are shown."""
    for group in series.groups:
        centre = ends[id(group)][0]
        if math.isfinite(centre):
            ((left, top),) = chart.place([chart.x.high], [centre])
            tip = attributes(
                {"class": "point unseen", "data-tip": _tip(series, group, metric, statistic)}
            )
            chart.drawn.append(f'<circle cx="{left - 8:.1f}" cy="{top:.1f}" r="4"{tip}/>')


def _tip(series: Series, group: Group, metric: str, statistic: str) -> str:
    where = "" if group.tau is None else f", τ = {group.tau}"
    runs = f"{group.measured} of {len(group.runs)} runs measured"
    told = f"{METRICS[metric]} {interval_text(group, metric, statistic)}"
    return f"{series.label}{where}: {told}, {runs}" + (
        f", {group.diverged} diverged" if group.diverged else ""
    )


def _words(panel: Panel, metric: str, statistic: str) -> str:
    """What a chart shows, for who does not see it."""
    groups = [(series, group) for series in panel.series for group in series.groups]
    told = "; ".join(_tip(series, group, metric, statistic) for series, group in groups[:40])
    band = panel.band(metric)
    floor = f" Floor {number(band.floor)}." if band else ""
    rest = f" and {len(groups) - 40} more groups, in the table" if len(groups) > 40 else ""
    return f"{told}{rest}.{floor}"


def series_charts(shown: Highlight, curves: Curves, identifier: str) -> list[str]:
    """Truth and generation from the same start, a chart a variable."""
    charts = []
    x_axis = Axis(float(curves.x[0]), float(curves.x[-1]), _with_unit("time", shown.time_unit))
    for i, name in enumerate(shown.variables[: curves.truth.shape[1]]):
        truth, generated = curves.truth[:, i], curves.generated[:, i]
        # The axis of the truth, wider where the reconstruction asks for it, up to threefold.
        low, high = float(np.min(truth)), float(np.max(truth))
        reach = high - low or 1.0
        within = generated[(generated > low - reach) & (generated < high + reach)]
        y_axis = range_axis([low, high, *within.tolist()], name)
        text = f"{name} of truth and reconstruction against time, from the same start"
        chart = Chart(f"Time series of {name}", text, x_axis, y_axis, height=150)
        if shown.lyapunov_time:
            count = int((x_axis.high - x_axis.low) / shown.lyapunov_time)
            for k in range(1, min(count, 20) + 1):
                chart.mark(x_axis.low + k * shown.lyapunov_time, "lyapunov", str(k) * (count <= 20))
        chart.line(curves.x, truth, "truth")
        chart.line(curves.x, generated, "generated")
        charts.append(chart.svg(f"{identifier}-{i}"))
    return charts


def spectra_charts(shown: Highlight, curves: Curves, identifier: str) -> list[str]:
    """Smoothed power spectra of truth and generation, a chart a variable."""
    unit = shown.time_unit.removesuffix("s") or shown.time_unit
    x_axis = Axis(0.0, float(curves.x[-1]), _with_unit("frequency", f"1 / {unit}"))
    charts = []
    for i, name in enumerate(shown.variables[: curves.truth.shape[1]]):
        truth, generated = curves.truth[:, i], curves.generated[:, i]
        y_axis = range_axis(truth.tolist(), "share of power", log=True)
        text = f"Power spectra of {name}, truth and reconstruction, smoothed, each of sum 1"
        chart = Chart(f"Spectrum of {name}", text, x_axis, y_axis, height=170)
        chart.drawn.append(
            f'<text class="note" x="345" y="34" text-anchor="end">{html.escape(name)}</text>'
        )
        chart.line(curves.x, truth, "truth")
        chart.line(curves.x, generated, "generated")
        charts.append(chart.svg(f"{identifier}-{i}"))
    return charts


def training_chart(shown: Highlight, identifier: str) -> str:
    """Loss and validation D_stsp against the epoch; a vertical line where best.pt was kept."""
    rows = shown.history[:: max(1, len(shown.history) // 500)]
    kept = [row for row in shown.history if row.get("best")]
    table = {
        key: np.array([row.get(key) for row in rows], dtype=np.float64)
        for key in ("epoch", "loss", "validation_d_stsp")
    }
    epoch = table["epoch"]
    values = [*table["loss"].tolist(), *table["validation_d_stsp"].tolist()]
    y_axis = range_axis(values, "", log=True)
    x_axis = range_axis([0.0, *epoch.tolist()], "epoch", margin=0.02)
    text = "Training loss, and D_stsp of short free generations (validation), against the epoch"
    chart = Chart("Training curve", text, x_axis, y_axis, height=170)
    if kept:
        chart.mark(float(kept[-1]["epoch"]), "best", "best.pt")
    chart.line(epoch, table["loss"], "loss")
    # Between two validations there is no value, and the line goes on.
    known = np.isfinite(table["validation_d_stsp"])
    chart.line(epoch[known], table["validation_d_stsp"][known], "validation")
    return chart.svg(identifier)


def lambda_chart(metric: Metric, identifier: str) -> str:
    """λ_max of the model with twice its standard error beside that of the system."""
    error = 0.0 if math.isnan(metric.standard_error) else 2 * metric.standard_error
    ends = [metric.value - error, metric.value + error, metric.truth, 0.0]
    x_axis = range_axis(ends, f"λ_max ({metric.unit})" if metric.unit else "λ_max", margin=0.1)
    system = "" if math.isnan(metric.truth) else f", of the system {number(metric.truth)}"
    text = f"λ_max of the model {number(metric.value)}{system}"
    chart = Chart("Largest Lyapunov exponent", text, x_axis, Axis(0, 1), height=94, y_ticks=False)
    if math.isfinite(metric.truth):
        chart.mark(metric.truth, "truth", "system")
    if math.isfinite(metric.value):
        chart.line([metric.value - error, metric.value + error], [0.5, 0.5], "generated")
        ((left, top),) = chart.place([metric.value], [0.5])
        chart.drawn.append(
            f'<circle class="generated-point" cx="{left:.1f}" cy="{top:.1f}" r="4"/>'
        )
    return chart.svg(identifier)


def attractor_picture(shown: Attractor, marks: Sequence[Mark] = ()) -> str:
    """Truth and generation side by side, from one side: what stands where nothing rotates.

    `marks` are of the model, and so in the generation.
    """
    parts = []
    for codes, css, left in ((shown.truth, "truth", 90), (shown.generated, "generated", 270)):
        centred = decode_share(codes[:_STATIC_POINTS]) - 0.5
        across, up = (
            (centred[:, 0], centred[:, 1]) if shown.flat else project(centred, _TURN, _TILT)
        )
        parts.append(path(np.stack([left + 190 * across, 95 - 190 * up], axis=1), f"{css} fine"))
    parts += [_mark(mark, shown.flat) for mark in marks]
    labels = ", ".join(shown.labels)
    named = attributes({"aria-label": f"Attractors of truth and reconstruction ({labels})"})
    return (
        f'<svg class="chart still" viewBox="0 0 360 190" role="img"{named}>{"".join(parts)}</svg>'
    )


def _mark(mark: Mark, flat: bool) -> str:
    """A circle for a fixed point, a diamond for a point of a cycle; filled where it attracts."""
    across, up, _ = centred = mark.place - 0.5
    if not flat:
        (across,), (up,) = project(centred[None], _TURN, _TILT)
    left, top = 270 + 190 * across, 95 - 190 * up
    css = "mark attracts" if mark.attracts else "mark"
    if mark.order == 1:
        return f'<circle class="{css}" cx="{left:.1f}" cy="{top:.1f}" r="3.5"/>'
    return f'<path class="{css}" d="M{left:.1f} {top - 4:.1f}l4 4l-4 4l-4 -4z"/>'


def project(points: Array, turn: float, tilt: float) -> tuple[Array, Array]:
    """Points (n, 3) turned about the third axis and seen from above by `tilt`: across, up."""
    x, y, z = points.T
    across = x * math.cos(turn) - y * math.sin(turn)
    away = x * math.sin(turn) + y * math.cos(turn)
    return across, z * math.cos(tilt) - away * math.sin(tilt)


def script_json(content: object) -> str:
    """JSON that can stand inside a script element, whatever names it holds."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
