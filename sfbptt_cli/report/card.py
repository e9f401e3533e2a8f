"""The card of one run on the page, as values for the template."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml
from markupsafe import Markup

from sfbptt_cli.common.numbers import singular
from sfbptt_cli.figures.attractor import still
from sfbptt_cli.figures.spectra import spectra
from sfbptt_cli.figures.style import SINGLE
from sfbptt_cli.figures.svg import inline_svg
from sfbptt_cli.figures.time_series import time_series
from sfbptt_cli.figures.training_curve import training_curve
from sfbptt_cli.models.settings import MODEL_LABELS
from sfbptt_cli.report.cloud import decode_share, encode
from sfbptt_cli.report.highlights import MOST_VARIABLES, Highlight
from sfbptt_cli.report.measurements import METRICS, USUAL, Metric
from sfbptt_cli.report.statistics import number
from sfbptt_cli.storage.model_dynamics import ModelCycle, Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STILL = 1_600  # points of the attractor that stands still
_MOST_PARTS = 4  # variables of a point, and points of a cycle, that are written out
_SHORT = ("d_stsp", "d_h", "lambda_max")  # in the line of a folded card
_EXPONENTS = (3, 6)  # that are written out: as many as the system has, within these


def card(shown: Highlight, identifier: str) -> dict[str, Any]:
    """Return what the template needs of a run; `identifier` is unique on the page."""
    run = shown.run
    model = MODEL_LABELS.get(run.model, run.model)
    method = run.forcing if run.tau is None else f"{run.forcing}, τ = {run.tau}"
    numbers = [
        (METRICS[name], _metric_text(metric))
        for name, metric in run.metrics.items()
        if name in USUAL
    ]
    found = (f"{METRICS[m]} {number(run.metrics[m].value)}" for m in _SHORT if m in run.metrics)
    return {
        "id": identifier,
        "shown": shown,
        "heading": f"{shown.kind.capitalize()}: {model}, {method}, seed {run.seed}",
        "outcome": ", ".join(filter(None, [run.result, run.dynamics, *found])),
        "numbers": numbers,
        "pictures": _pictures(shown, identifier),
        "cloud": _cloud(shown),
        "view": _view_text(shown),
        "marks": _marks_text(shown),
        "spectrum": _spectrum_rows(shown.spectrum) if shown.spectrum else [],
        "rates": _rates(shown),
        "position": f"position ({_cut(names, ', ')})" if (names := shown.variables) else "position",
        "cycles": [_cycle_row(cycle) for cycle in shown.cycles],
        "more_cycles": len(shown.gradients.cycles) - len(shown.cycles) if shown.gradients else 0,
        "none_found": _none_found(shown),
        "find_cycles": shlex.join(["sfbptt", "gradients", f"run={run.folder.path}"]),
        "repeat": shown.command,
        "configuration": _as_yaml(run.folder.config()),
        "origin": _as_yaml(run.manifest),
    }


def _cloud(shown: Highlight) -> dict[str, Any] | None:
    """Return the points and marks that the page's script turns."""
    if (cloud := shown.attractor) is None:
        return None
    marks = [
        [*(round(float(x), 4) for x in mark.place), mark.order > 1, mark.attracts]
        for mark in shown.marks
    ]
    truth, generated = encode(cloud.truth), encode(cloud.generated)
    return {"truth": truth, "generated": generated, "flat": cloud.flat, "marks": marks}


def _pictures(shown: Highlight, identifier: str) -> dict[str, Markup]:
    """Draw what there are numbers for; return SVG elements by name."""
    names = shown.variables[:MOST_VARIABLES]
    listed = ", ".join(names)
    found: dict[str, tuple[Figure, str]] = {}
    if cloud := shown.attractor:
        truth, generated = decode_share(cloud.truth), decode_share(cloud.generated)
        figure = still(truth[:_STILL], generated[:_STILL], shown.marks, cloud.flat)
        labels = ", ".join(cloud.labels)
        found["attractor"] = figure, f"Attractors of truth and reconstruction ({labels})"
    if series := shown.series:
        figure = time_series(*series, names, shown.time_unit, shown.lyapunov_time, width=SINGLE)
        text = f"{listed} of truth and reconstruction against time, from the same start"
        found["series"] = figure, text
    if shown.spectra:
        figure = spectra(*shown.spectra, names, f"1 / {singular(shown.time_unit)}", columns=1)
        text = f"Power spectra of {listed}, truth and reconstruction, smoothed, each of sum 1"
        found["spectra"] = figure, text
    if shown.history:
        text = "Training loss, D_stsp of validation and gradient norm against the epoch"
        found["training"] = training_curve(shown.history), text
    return {
        name: Markup(inline_svg(figure, text, f"{identifier}{name[:2]}", {}))
        for name, (figure, text) in found.items()
    }


def _metric_text(metric: Metric) -> str:
    """Return a value with its error, unit, and floor or true value."""
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


def _view_text(shown: Highlight) -> str:
    """Name the axes of the attractor, and the share of the reconstruction out of view."""
    if shown.attractor is None:
        return ""
    text = ", ".join(shown.attractor.labels)
    if outside := shown.attractor.outside:
        text += f"; {100 * outside:.3g}% of the reconstruction is out of view"
    return text


def _marks_text(shown: Highlight) -> str:
    """Explain the marks in the attractor and count those out of view; empty without cycles."""
    if shown.attractor is None or not shown.cycles:
        return ""
    marks = shown.marks
    kinds = sorted({(mark.order > 1, not mark.attracts) for mark in marks})
    signs = {(False, False): "●", (False, True): "○", (True, False): "◆", (True, True): "◇"}
    words = [
        f"{signs[kind]} {'cycle' if kind[0] else 'fixed point'} that "
        f"{'does not attract' if kind[1] else 'attracts'}"
        for kind in kinds
    ]
    if outside := sum(cycle.order for cycle in shown.cycles) - len(marks):
        words.append(f"{outside} out of view")
    return ", ".join(words)


def _spectrum_rows(spectrum: Spectrum) -> list[tuple[str, str]]:
    """Return exponents of the model, and of the system where they are known."""
    least, most = _EXPONENTS
    shown = min(max(len(spectrum.system), least), most)
    rows = []
    for name, exponents in (("model", spectrum.exponents), ("system", spectrum.system)):
        values = ", ".join(number(value) for value in exponents[:shown])
        if len(exponents) > shown:
            values += f", … ({len(exponents)} in all)"
        rows += [(name, values)] if exponents else []
    return rows


def _rates(shown: Highlight) -> list[tuple[str, str]]:
    """Return rates per step, with their standard errors."""
    if (found := shown.gradients) is None:
        return []
    rows = [
        ("growth of ‖∂z_T/∂z_1‖", found.growth_rate, found.growth_error),
        ("λ_max", found.lambda_max, found.lambda_error),
    ]
    return [
        (name, number(value) + ("" if math.isnan(error) else f" ± {error:.2g}"))
        for name, value, error in rows
    ]


def _cycle_row(cycle: ModelCycle) -> tuple[str, str, str]:
    """Return kind and stability, place, and the eigenvalues in short."""
    points = [_cut([number(float(x)) for x in point], ", ") for point in cycle.observed]
    return (
        f"{cycle.kind}, {cycle.stability}",
        _cut([f"({point})" for point in points], " → "),
        f"{cycle.largest:.4g}; {cycle.growing or 'none'} above 1",
    )


def _cut(parts: Sequence[str], between: str) -> str:
    return between.join([*parts[:_MOST_PARTS], *["…"] * (len(parts) > _MOST_PARTS)])


def _none_found(shown: Highlight) -> str:
    """Return why there are no cycles to show."""
    searched = shown.gradients.searched if shown.gradients else None
    if shown.run.settings.get("dataset.inputs"):
        return "Not searched for: a driven model has none of its own."
    if searched == 0:
        return "Not searched for (cycles=0)."
    return "None is known." if searched is None else f"None was found up to order {searched}."


def _as_yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
