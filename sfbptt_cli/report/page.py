"""The report as one HTML file: offline, without JavaScript too, on a phone, in the dark.

Names and settings come from files that anybody may have written. The templates escape them, and a
content security policy lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import sfbptt_cli
from sfbptt_cli.figures.sweep import DASHES
from sfbptt_cli.report.card import card
from sfbptt_cli.report.collection import Skipped
from sfbptt_cli.report.finding import finding
from sfbptt_cli.report.highlights import Highlight
from sfbptt_cli.report.measurements import METRICS, USUAL
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.report.sweep import LineStyle, charts, line_styles
from sfbptt_cli.report.tables import (
    caption,
    count_text,
    group_rows,
    known_metrics,
    over_seeds,
    run_rows,
)

# The markers of figures/sweep.py as paths around (12, 5).
_MARKERS = ("M8 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "M8 1h8v8h-8z", "M12 1l4 8h-8z")
_MARKERS += ("M12 0l5 5l-5 5l-5-5z", "M12 9l-4-8h8z", "M12 1v8M8 5h8", "M8 1l8 8M8 9l8-8")
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Contents:
    """What a page is made of."""

    title: str
    panels: tuple[Panel, ...]
    metrics: tuple[str, ...]  # of the tables; the first ranks
    drawn: tuple[str, ...]  # what the figure has a panel of: metrics, SHARE
    statistic: str
    highlights: tuple[tuple[Panel, tuple[Highlight, ...]], ...]
    others: tuple[Panel, ...]  # as measured with other settings of evaluation
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def columns(self) -> list[str]:
        """Return the metrics of the tables: those chosen, and λ_max where a run has it."""
        found = any("lambda_max" in run.metrics for panel in self.panels for run in panel.runs)
        chosen = dict.fromkeys([*self.metrics, "lambda_max"])
        return [metric for metric in chosen if found or metric != "lambda_max"]


class Table(NamedTuple):
    """A table that the script makes sortable; the first cell of a row names it."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]  # of each column, whether its cells are numbers or missing


def _made(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    columns = zip(*rows, strict=True)
    return Table(caption, header, rows, [all(map(_is_number, column)) for column in columns])


def _is_number(text: str) -> bool:
    first, _, rest = text.partition(" ")
    try:
        float(first.removesuffix("inite"))
    except ValueError:
        return text == "-"
    return not rest or rest.startswith(("(", "±", "of "))


def page(contents: Contents) -> str:
    """Return the page; the same contents give the same text."""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    runs = [run for panel in contents.panels for run in panel.runs]
    known = [m for m in known_metrics(contents.panels) if m in {*USUAL, *contents.metrics}]
    sections = _sections(contents)
    cards = [card for section in sections for card in section["cards"] if card["cloud"]]
    template = _environment().get_template("page.html")
    return template.render(
        title=contents.title,
        # The element's text is exactly the script, which is what a browser hashes.
        script=Markup(script),
        script_hash=_script_hash(script),
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        count=count_text(runs),
        notes=contents.notes,
        sections=sections,
        over_seeds=over_seeds(contents.statistic),
        ranked_by=METRICS[contents.metrics[0]],
        runs=_made("", *run_rows(contents.panels, known)),
        others=[(panel.title, _table(contents, panel)) for panel in contents.others],
        skipped=contents.skipped,
        version=sfbptt_cli.__version__,
        **_clouds(cards),
    )


def _clouds(cards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the script draws: every set of points once, as runs share their truth."""
    texts = list(dict.fromkeys(c["cloud"][key] for c in cards for key in ("truth", "generated")))
    attractors = {
        card["id"]: {
            **card["cloud"],
            "truth": texts.index(card["cloud"]["truth"]),
            "generated": texts.index(card["cloud"]["generated"]),
        }
        for card in cards
    }
    return {"points": texts, "attractors": attractors}


def _table(contents: Contents, panel: Panel) -> Table:
    columns = panel, contents.columns, contents.statistic
    return _made(caption(*columns), *group_rows(*columns))


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _script_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _sections(contents: Contents) -> list[dict[str, Any]]:
    """Return for each dataset its finding, sweep, table, and best, median and worst run."""
    swept = [panel for panel in contents.panels if len(panel.taus) > 1]
    drawn = dict(charts(swept, contents.drawn, contents.statistic))
    shown = {panel.title: highlights for panel, highlights in contents.highlights}
    styles = line_styles(swept)
    sections = []
    for i, panel in enumerate(contents.panels):
        ones = shown.get(panel.title, ())
        sections.append(
            {
                "title": panel.title,
                "finding": finding(panel, contents.metrics[0], contents.statistic),
                "legend": _legend(styles, [series.label for series in panel.series]),
                "charts": list(map(Markup, drawn.get(panel.title, ()))),
                "table": _table(contents, panel),
                "kinds": ", ".join(one.kind for one in ones).capitalize(),
                "cards": [card(one, f"r{i}-{j}") for j, one in enumerate(ones)],
            }
        )
    return sections


def _legend(styles: Mapping[str, LineStyle], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return label, number, number of the colour, and SVG dashes of a panel's lines."""
    found = []
    for number, (label, (color, dash)) in enumerate(styles.items()):
        lengths = () if dash is None else DASHES[dash]
        dashes = " ".join(f"{2 * length:g}" for length in lengths) or "none"
        if label in labels:
            found.append(
                {
                    "label": label,
                    "number": number,
                    "color": color,
                    "dashes": dashes,
                    "marker": _MARKERS[color],
                }
            )
    return found
