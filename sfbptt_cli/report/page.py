"""The report as one HTML file: offline, without JavaScript too, on a phone, in the dark.

Names and settings come from files that anybody may have written: whatever is not made here is
escaped, and a content security policy lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from string import Template
from typing import Any

import sfbptt_cli
from sfbptt_cli.report.collection import METRICS, Skipped
from sfbptt_cli.report.dynamics_card import marks_json
from sfbptt_cli.report.highlight_card import card
from sfbptt_cli.report.highlights import Highlight, encode
from sfbptt_cli.report.line_styles import DASHES, LineStyle, line_styles
from sfbptt_cli.report.page_figures import script_json, sweep_chart
from sfbptt_cli.report.panels import COLUMNS, Panel, short_names, varied
from sfbptt_cli.report.statistics import number
from sfbptt_cli.report.sweep_table import STATISTIC_LABELS, count_text, group_rows, known_metrics


@dataclass(frozen=True)
class Contents:
    """What a page is made of."""

    title: str
    panels: tuple[Panel, ...]
    metrics: tuple[str, ...]
    statistic: str
    highlights: tuple[tuple[Panel, tuple[tuple[Highlight, str], ...]], ...]  # with their commands
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def page(contents: Contents) -> str:
    """The whole page as text."""
    script = _resource("page.js")
    runs = [run for panel in contents.panels for run in panel.runs]
    sections = [_sweep(contents), _groups(contents), *_highlights(contents), _runs(contents)]
    sections.append(_skipped(contents.skipped))
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Template(_resource("page.html")).substitute(
        title=html.escape(contents.title),
        # The element's text is exactly the script, which is what a browser hashes.
        script_hash=_script_hash(script),
        style=_resource("page.css"),
        summary=f"<p>{html.escape(count_text(runs))}.</p>{_notes(contents.notes)}",
        content="\n".join(sections),
        origin=f"Made by sfbptt {html.escape(sfbptt_cli.__version__)} on {made}.",
        attractors=script_json(_attractor_data(contents)),
        script=script,
    )


def _resource(name: str) -> str:
    return (files(__package__ or "") / name).read_text(encoding="utf-8")


def _script_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>'


def _sweep(contents: Contents) -> str:
    """Charts of all panels and metrics, the legend, and what the signs mean."""
    styles = line_styles(contents.panels)
    parts = []
    for i, panel in enumerate(contents.panels):
        charts = "".join(
            "<div>"
            + sweep_chart(panel, metric, contents.statistic, styles, f"sweep-{i}-{j}")
            + "</div>"
            for j, metric in enumerate(contents.metrics)
        )
        parts.append(f'<h3>{html.escape(panel.title)}</h3><div class="grid panels">{charts}</div>')
    caption = (
        f"{_over_seeds(contents)}, against the learning interval τ. "
        "Grey band: the floor, truth against truth. Dotted: τ_pred = ln 2 / (λ_max dt). Broken "
        "levels: runs without τ. Hollow: some runs of the group diverged; a cross: no finite value."
    )
    return (
        f'<section class="sweep"><h2>Sweep</h2><figure>{_legend(styles)}{"".join(parts)}'
        f"<figcaption>{html.escape(caption)}</figcaption></figure></section>"
    )


def _legend(styles: dict[str, LineStyle]) -> str:
    items = []
    for i, (label, style) in enumerate(styles.items()):
        dashes = "" if style.dash is None else " ".join(f"{2 * x:g}" for x in DASHES[style.dash])
        point = '<circle class="point" cx="12" cy="5" r="4"/>' if style.dash is None else ""
        items.append(
            f'<li class="plain" data-series="{i}"><svg class="swatch c{style.color}" '
            f'viewBox="0 0 24 10" aria-hidden="true"><path class="curve" d="M0 5h24" '
            f'style="stroke-dasharray:{dashes or "none"}"/>{point}</svg>{html.escape(label)}</li>'
        )
    return f'<ul class="legend" aria-label="Lines">{"".join(items)}</ul>'


def _groups(contents: Contents) -> str:
    header, rows = group_rows(contents.panels, contents.metrics, contents.statistic)
    groups = [group for panel in contents.panels for group in panel.groups]
    centres = [
        [group.summary(metric).interval(contents.statistic)[0] for metric in contents.metrics]
        for group in groups
    ]
    first = len(header) - 2 * len(contents.metrics)
    cells = []
    for row, centre in zip(rows, centres, strict=True):
        numbers = {first + 2 * i: value for i, value in enumerate(centre)}
        cells.append([_cell(text, numbers.get(i)) for i, text in enumerate(row)])
    return f"<section><h2>Groups</h2>{table(_over_seeds(contents), header, cells)}</section>"


def _over_seeds(contents: Contents) -> str:
    label = STATISTIC_LABELS[contents.statistic]
    return f"{label[0].upper()}{label[1:]} over seeds"


def _runs(contents: Contents) -> str:
    """Every run with its numbers, measured or not."""
    groups = [group for panel in contents.panels for group in panel.groups]
    metrics = known_metrics(groups)
    names = {**COLUMNS, **short_names(varied(groups))}
    header = ["run", *names.values(), "seed", "status", "verdict"]
    header += [METRICS[metric] for metric in metrics]
    rows = []
    for group in groups:
        for run in group.runs:
            row = [_cell(run.label), *(_cell(group.setting(key)) for key in names)]
            row += [_cell(str(run.seed)), _cell(run.status), _cell(run.verdict or "–")]
            for metric in metrics:
                value = run.metrics[metric].value if metric in run.metrics else math.nan
                row.append(_cell(number(value), value))
            rows.append(row)
    return f"<section><h2>Runs</h2>{table('Every run', header, rows, heading=True)}</section>"


def _cell(text: str, value: float | None = None) -> tuple[str, str, bool]:
    """What a cell says, what it is sorted by, and whether it is a number."""
    if value is None:
        try:
            value = float(text)
        except ValueError:
            return text, "" if text == "–" else text, False
    if math.isnan(value):
        return text, "", True
    return text, repr(value).replace("inf", "Infinity"), True


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[tuple[str, str, bool]]],
    heading: bool = False,
) -> str:
    """A table that the script makes sortable; `heading`: the first cell names its row."""
    columns = zip(*rows, strict=True)
    numeric = [all(number or not key for _, key, number in column) for column in columns]
    css = [' class="number"' * is_numeric for is_numeric in numeric]
    heads = "".join(
        f'<th scope="col"{css[i]}>{html.escape(name)}</th>' for i, name in enumerate(header)
    )
    lines = []
    for row in rows:
        cells = []
        for i, (text, key, _) in enumerate(row):
            data = f'data-sort="{html.escape(key)}"'
            if heading and i == 0:
                cells.append(f'<th scope="row" {data}>{html.escape(text)}</th>')
            else:
                cells.append(f"<td{css[i]} {data}>{html.escape(text)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{html.escape(caption)}">'
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _highlights(contents: Contents) -> list[str]:
    """A section a dataset with its best, median and worst run."""
    sections = []
    metric = METRICS[contents.metrics[0]]
    for i, (panel, shown) in enumerate(contents.highlights):
        if not shown:
            continue
        cards = "".join(
            card(one, command, f"run-{i}-{j}") for j, (one, command) in enumerate(shown)
        )
        kinds = ", ".join(one.kind for one, _ in shown).capitalize()
        sections.append(
            f"<section><h2>{html.escape(panel.title)}: runs to look at</h2>"
            f'<p class="muted">{html.escape(kinds)} of the measured runs by {html.escape(metric)}. '
            "Views and axes are those of the truth.</p>"
            '<p class="key"><span class="is-truth">truth</span>'
            '<span class="is-generated">reconstruction, running freely</span></p>'
            f'<div class="grid cards">{cards}</div></section>'
        )
    return sections


def _attractor_data(contents: Contents) -> dict[str, dict[str, Any]]:
    data = {}
    for i, (_, shown) in enumerate(contents.highlights):
        for j, (one, _) in enumerate(shown):
            if one.attractor:
                data[f"run-{i}-{j}"] = {
                    "truth": encode(one.attractor.truth),
                    "generated": encode(one.attractor.generated),
                    "flat": one.attractor.flat,
                    "marks": marks_json(one),
                }
    return data


def _skipped(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    items = "".join(
        f"<li><code>{html.escape(path)}</code>: {html.escape(reason)}</li>"
        for path, reason in skipped
    )
    return f'<section class="skipped"><h2>Left out</h2><ul>{items}</ul></section>'
