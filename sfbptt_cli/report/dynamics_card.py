"""Fixed points, cycles, gradient growth and exponents of a run's model, for its card."""

from __future__ import annotations

import html
import math
import shlex
from collections.abc import Sequence
from typing import Any

from sfbptt_cli.report.highlights import Highlight
from sfbptt_cli.report.model_dynamics import ModelCycle, Spectrum
from sfbptt_cli.report.statistics import number

_MOST_PARTS = 4  # variables of a point, and points of a cycle, that are written out
_EXPONENTS = (3, 6)  # that are written out: as many as the system has, within these


def dynamics(shown: Highlight) -> str:
    """What gradients.json and lyapunov.json say of the model, or the command that finds it."""
    parts = [_spectrum(shown.spectrum)] if shown.spectrum else []
    found = shown.gradients
    if found is None:
        command = shlex.join(["sfbptt", "gradients", f"run={shown.run.folder.path}"])
        parts.append(
            '<h4>Fixed points and cycles</h4><p class="muted">Not computed yet; this does:</p>'
            f'<pre class="command">{html.escape(command)}</pre>'
        )
        return "".join(parts)
    rates = [
        ("growth of ‖∂z_T/∂z_1‖", found.growth_rate, found.growth_error),
        ("λ_max", found.lambda_max, found.lambda_error),
    ]
    items = "".join(
        f"<dt>{name}</dt><dd>{_with_error(value, error)}</dd>" for name, value, error in rates
    )
    parts.append(f"<h4>Gradients (per step)</h4><dl>{items}</dl><h4>Fixed points and cycles</h4>")
    parts.append(_table(shown) if found.cycles else f'<p class="muted">{_none_found(shown)}</p>')
    return "".join(parts)


def marks_key(shown: Highlight) -> str:
    """What the marks in the attractor mean, and how many are missing; empty without cycles."""
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
    return f'<p class="muted">{", ".join(words)}</p>'


def marks_json(shown: Highlight) -> list[list[Any]]:
    """For the script: place in the view, whether of a cycle, whether it attracts."""
    return [
        [*(round(float(x), 4) for x in mark.place), mark.order > 1, mark.attracts]
        for mark in shown.marks
    ]


def _table(shown: Highlight) -> str:
    """Kind and stability, place, and the eigenvalues in short."""
    names = ", ".join(shown.variables[:_MOST_PARTS])
    place = f"position ({names}{', …' * (len(shown.variables) > _MOST_PARTS)})"
    heads = ("kind", place if names else "position", "largest |eigenvalue|")
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    rows = "".join(
        f'<tr><th scope="row">{cycle.kind}, {cycle.stability}</th><td>{_place(cycle)}</td>'
        f"<td>{cycle.largest:.4g}; {cycle.growing or 'none'} above 1</td></tr>"
        for cycle in shown.cycles
    )
    assert shown.gradients is not None
    rest = len(shown.gradients.cycles) - len(shown.cycles)
    more = f'<p class="muted">{rest} more in gradients.json.</p>' if rest else ""
    words = "Fixed points and cycles of the model"
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{words}">'
        f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{more}"
    )


def _none_found(shown: Highlight) -> str:
    assert shown.gradients is not None
    searched = shown.gradients.searched
    if shown.run.settings.get("dataset.inputs"):
        return "Not searched for: a driven model has none of its own."
    if searched == 0:
        return "Not searched for (cycles=0)."
    return "None is known." if searched is None else f"None was found up to order {searched}."


def _place(cycle: ModelCycle) -> str:
    points = [_cut([number(float(x)) for x in point], ", ") for point in cycle.observed]
    return _cut([f"({point})" for point in points], " → ")


def _cut(parts: Sequence[str], between: str) -> str:
    return between.join([*parts[:_MOST_PARTS], *["…"] * (len(parts) > _MOST_PARTS)])


def _spectrum(spectrum: Spectrum) -> str:
    least, most = _EXPONENTS
    shown = min(max(len(spectrum.system), least), most)
    rows = [("model", spectrum.exponents)]
    rows += [("system", spectrum.system)] if spectrum.system else []
    items = ""
    for name, exponents in rows:
        values = ", ".join(number(value) for value in exponents[:shown])
        if len(exponents) > shown:
            values += f", … ({len(exponents)} in all)"
        items += f"<dt>{name}</dt><dd>{values}</dd>"
    unit = html.escape(f" ({spectrum.unit})" if spectrum.unit else "")
    return f"<h4>Lyapunov spectrum{unit}</h4><dl>{items}</dl>"


def _with_error(value: float, error: float) -> str:
    return number(value) + ("" if math.isnan(error) else f" ± {error:.2g}")
