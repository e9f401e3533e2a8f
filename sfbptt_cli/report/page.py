"""The report as one HTML file: offline, without JavaScript too, on a phone, in the dark.

Names and settings come from files that anybody may have written: the templates escape whatever is
not made here, and a content security policy lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import sfbptt_cli
from sfbptt_cli.figures.sweep import DASHES
from sfbptt_cli.report.card import card
from sfbptt_cli.report.collection import METRICS, Skipped
from sfbptt_cli.report.groups import COLUMNS, Group, short_names, varied
from sfbptt_cli.report.highlights import Highlight
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.report.statistics import STATISTICS, number
from sfbptt_cli.report.sweep import charts, line_styles
from sfbptt_cli.report.tables import count_text, group_rows, known_metrics

_TEMPLATES = Path(__file__).with_name("templates")


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


class Table(NamedTuple):
    """A table that the script makes sortable; `heading`: the first cell of a row names it."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    heading: bool = False

    @property
    def numeric(self) -> list[bool]:
        """Whether the cells of a column begin with a number, or are missing."""
        return [all(map(_begins_with_number, column)) for column in zip(*self.rows, strict=True)]


def _begins_with_number(text: str) -> bool:
    try:
        float(text.partition(" ")[0].removesuffix("inite"))
    except ValueError:
        return text == "-"
    return True


def page(contents: Contents) -> str:
    """The whole page as text; the same contents give the same text."""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    label = STATISTICS[contents.statistic]
    over_seeds = f"{label[0].upper()}{label[1:]} over seeds"
    highlights = _highlights(contents)
    groups = [group for panel in contents.panels for group in panel.groups]
    drawn = charts(contents.panels, contents.metrics, contents.statistic)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=contents.title,
            # The element's text is exactly the script, which is what a browser hashes.
            script=Markup(script),
            script_hash=_script_hash(script),
            style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
            count=count_text([run for group in groups for run in group.runs]),
            notes=contents.notes,
            legend=_legend(contents.panels),
            charts=[(title, [Markup(svg) for svg in pictures]) for title, pictures in drawn],
            over_seeds=over_seeds,
            groups=Table(
                over_seeds, *group_rows(contents.panels, contents.metrics, contents.statistic)
            ),
            highlights=highlights,
            ranked_by=METRICS[contents.metrics[0]],
            runs=_runs_table(groups),
            skipped=contents.skipped,
            version=sfbptt_cli.__version__,
            attractors={
                card["id"]: card["cloud"]
                for section in highlights
                for card in section["cards"]
                if card["cloud"]
            },
        )
    )


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


def _legend(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """A line of the sweep each: its label, number of its colour, and SVG dashes."""
    return [
        {
            "label": label,
            "color": style.color,
            "dashes": "none"
            if style.dash is None
            else " ".join(f"{2 * length:g}" for length in DASHES[style.dash]),
        }
        for label, style in line_styles(panels).items()
    ]


def _runs_table(groups: Sequence[Group]) -> Table:
    """Every run with its numbers, measured or not."""
    metrics = known_metrics(groups)
    names = {**COLUMNS, **short_names(varied(groups))}
    header = ["run", *names.values(), "seed", "status", "verdict"]
    header += [METRICS[metric] for metric in metrics]
    rows = []
    for group in groups:
        for run in group.runs:
            row = [run.label, *(group.setting(key) for key in names)]
            row += [str(run.seed), run.status, run.verdict or "-"]
            values = [run.metrics[m].value if m in run.metrics else math.nan for m in metrics]
            rows.append([*row, *map(number, values)])
    return Table("Every run", header, rows, heading=True)


def _highlights(contents: Contents) -> list[dict[str, Any]]:
    """A section a dataset with its best, median and worst run."""
    return [
        {
            "title": panel.title,
            "kinds": ", ".join(one.kind for one, _ in shown).capitalize(),
            "cards": [card(one, command, f"run-{i}-{j}") for j, (one, command) in enumerate(shown)],
        }
        for i, (panel, shown) in enumerate(contents.highlights)
    ]
