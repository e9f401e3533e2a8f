"""One run on the page: numbers, pictures, configuration, and the command that repeats it."""

from __future__ import annotations

import html
import math

import yaml

from sfbptt_cli.report.collection import METRICS, Metric, RunRecord
from sfbptt_cli.report.dynamics_card import dynamics, marks_key
from sfbptt_cli.report.highlights import Highlight
from sfbptt_cli.report.page_figures import (
    attractor_picture,
    lambda_chart,
    series_charts,
    spectra_charts,
    training_chart,
)
from sfbptt_cli.report.panels import MODEL_LABELS
from sfbptt_cli.report.statistics import number


def card(shown: Highlight, command: str, identifier: str) -> str:
    """An article about a run; `identifier` has to be unique on the page."""
    run = shown.run
    method = run.forcing if run.tau is None else f"{run.forcing}, τ = {run.tau}"
    heading = f"{shown.kind.capitalize()}: {MODEL_LABELS.get(run.model, run.model)}, {method}"
    parts = [
        f'<article class="card"><h3>{html.escape(heading)}</h3>',
        f'<p class="label">{html.escape(run.label)}</p>',
        _numbers(run),
    ]
    if shown.attractor:
        outside = shown.attractor.outside
        view = ", ".join(shown.attractor.labels)
        if outside:
            view += f"; {100 * outside:.3g}% of the reconstruction is out of view"
        parts.append(
            f'<h4>Attractor</h4><div class="attractor" data-attractor="{identifier}">'
            f"{attractor_picture(shown.attractor, shown.marks)}"
            f'<div class="under"><span>{html.escape(view)}</span></div></div>'
            f"{marks_key(shown)}"
        )
    if shown.series:
        unit = ", numbers count Lyapunov times" if shown.lyapunov_time else ""
        parts.append(f"<h4>Time series from the same start{unit}</h4>")
        parts += series_charts(shown, shown.series, f"{identifier}-series")
    if shown.spectra:
        parts.append("<h4>Power spectra</h4>")
        parts += spectra_charts(shown, shown.spectra, f"{identifier}-spectra")
    if "lambda_max" in run.metrics:
        chart = lambda_chart(run.metrics["lambda_max"], f"{identifier}-lambda")
        parts.append(f"<h4>Largest Lyapunov exponent</h4>{chart}")
    if run.measured:
        parts.append(dynamics(shown))
    if shown.history:
        parts.append(
            "<h4>Training</h4>"
            f"{training_chart(shown, f'{identifier}-training')}"
            '<p class="key"><span class="is-truth">loss</span>'
            '<span class="is-validation">validation D_stsp</span></p>'
        )
    parts.append(_repetition(run, command))
    return "".join(parts) + "</article>"


def _numbers(run: RunRecord) -> str:
    """Verdict and metrics, each beside its floor or true value."""
    rows = [("verdict", run.verdict or "not measured"), ("seed", str(run.seed))]
    rows += [(METRICS[name], _words(metric)) for name, metric in run.metrics.items()]
    items = "".join(f"<dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd>" for a, b in rows)
    return f"<dl>{items}</dl>"


def _words(metric: Metric) -> str:
    text = number(metric.value)
    if not math.isnan(metric.standard_error):
        text += f" ± {number(metric.standard_error)}"
    if metric.unit:
        text += f" {metric.unit}"
    if not math.isnan(metric.floor):
        text += f" (floor {number(metric.floor)})"
    if not math.isnan(metric.truth):
        text += f" (system {number(metric.truth)})"
    return text


def _repetition(run: RunRecord, command: str) -> str:
    config = yaml.safe_dump(run.folder.config(), sort_keys=False, allow_unicode=True)
    manifest = yaml.safe_dump(run.manifest, sort_keys=False, allow_unicode=True)
    return (
        f'<h4>Repeat</h4><pre class="command">{html.escape(command)}</pre>'
        f"<details><summary>Configuration</summary><pre>{html.escape(config)}</pre></details>"
        f"<details><summary>Origin</summary><pre>{html.escape(manifest)}</pre></details>"
    )
