"""The report as one HTML file: offline, without JavaScript too, on a phone, in the dark.

Names and settings come from files that anybody may have written. The templates escape them, and a
content security policy lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
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
from sfbptt_cli.report.highlights import Highlight
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.report.statistics import STATISTICS
from sfbptt_cli.report.sweep import charts, line_styles
from sfbptt_cli.report.tables import count_text, group_rows, run_rows

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Contents:
    """What a page is made of."""

    title: str
    panels: tuple[Panel, ...]
    metrics: tuple[str, ...]
    statistic: str
    highlights: tuple[tuple[Panel, tuple[Highlight, ...]], ...]
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
        """Return for each column whether its cells begin with a number or are missing."""
        return [all(map(_begins_with_number, column)) for column in zip(*self.rows, strict=True)]


def _begins_with_number(text: str) -> bool:
    try:
        float(text.partition(" ")[0].removesuffix("inite"))
    except ValueError:
        return text == "-"
    return True


def page(contents: Contents) -> str:
    """Return the page; the same contents give the same text."""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    label = STATISTICS[contents.statistic]
    over_seeds = f"{label[0].upper()}{label[1:]} over seeds"
    groups = [group for panel in contents.panels for group in panel.groups]
    swept = contents.panels, contents.metrics, contents.statistic
    highlights = _highlights(contents)
    pictures = [(title, list(map(Markup, svgs))) for title, svgs in charts(*swept)]
    cards = [card for section in highlights for card in section["cards"] if card["cloud"]]
    template = _environment().get_template("page.html")
    return template.render(
        title=contents.title,
        # The element's text is exactly the script, which is what a browser hashes.
        script=Markup(script),
        script_hash=_script_hash(script),
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        count=count_text([run for group in groups for run in group.runs]),
        notes=contents.notes,
        legend=_legend(contents.panels),
        charts=pictures,
        over_seeds=over_seeds,
        groups=Table(over_seeds, *group_rows(*swept)),
        highlights=highlights,
        ranked_by=METRICS[contents.metrics[0]],
        runs=Table("Every run", *run_rows(groups), heading=True),
        skipped=contents.skipped,
        version=sfbptt_cli.__version__,
        attractors={card["id"]: card["cloud"] for card in cards},
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
    """Return label, number of the colour, and SVG dashes of every line of the sweep."""
    found = []
    for label, (color, dash) in line_styles(panels).items():
        lengths = () if dash is None else DASHES[dash]
        dashes = " ".join(f"{2 * length:g}" for length in lengths) or "none"
        found.append({"label": label, "color": color, "dashes": dashes})
    return found


def _highlights(contents: Contents) -> list[dict[str, Any]]:
    """Return a section for each dataset with its best, median and worst run."""
    return [
        {
            "title": panel.title,
            "kinds": ", ".join(one.kind for one in shown).capitalize(),
            "cards": [card(one, f"run-{i}-{j}") for j, one in enumerate(shown)],
        }
        for i, (panel, shown) in enumerate(contents.highlights)
    ]
