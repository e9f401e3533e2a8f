"""The report as one HTML file: offline, without JavaScript too, on a phone, in the dark.

Names and settings come from files that anybody may have written. The templates escape them, and a
content security policy lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import sfbptt_cli
from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.common.tables import WIDTH
from sfbptt_cli.figures.sweep import DASHES
from sfbptt_cli.report.collection import Skipped
from sfbptt_cli.report.finding import finding
from sfbptt_cli.report.groups import STATISTICS
from sfbptt_cli.report.measurements import METRICS, USUAL
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.report.sweep import charts, line_styles
from sfbptt_cli.report.tables import (
    RESULTS,
    Rows,
    caption,
    group_rows,
    known_metrics,
    printed_table,
    run_rows,
)

# The markers of figures/sweep.py as paths around (12, 5).
_MARKERS = ("M8 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "M8 1h8v8h-8z", "M12 1l4 8h-8z")
_MARKERS += ("M12 0l5 5l-5 5l-5-5z", "M12 9l-4-8h8z", "M12 1v8M8 5h8", "M8 1l8 8M8 9l8-8")
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Report:
    """What is printed and what the page is made of."""

    title: str
    panels: Sequence[Panel]
    metrics: Sequence[str]  # of the tables; the first ranks
    drawn: Sequence[str]  # what the figure has a panel of: metrics, SHARE
    statistic: str
    cards: Mapping[str, Sequence[dict[str, Any]]]  # of runs, by the title of their panel
    others: Sequence[Panel]  # as measured with other settings of evaluation
    notes: Sequence[str]  # why some of the numbers cannot be compared
    skipped: Sequence[Skipped]
    files: Sequence[Path] = ()  # that were written

    @property
    def columns(self) -> list[str]:
        """Return the metrics of the tables: those chosen, and λ_max where a run has it."""
        found = "lambda_max" in known_metrics(self.panels)
        chosen = dict.fromkeys([*self.metrics, "lambda_max"])
        return [metric for metric in chosen if found or metric != "lambda_max"]

    @property
    def swept(self) -> list[Panel]:
        """Return the datasets with several τ."""
        return [panel for panel in self.panels if len(panel.taus) > 1]

    @property
    def count(self) -> str:
        """Return `60 runs: 20 reconstructed, 12 in part, 23 not; 3 diverged in training, …`."""
        runs = [run for panel in self.panels for run in panel.runs]
        results = Counter(run.result for run in runs if run.measured)
        ends = Counter(run.dynamics for run in runs if not run.measured)
        text = ", ".join(f"{results[x]} {word}" for x, word in RESULTS.items() if results[x])
        parts = [text, ", ".join(f"{n} {word}" for word, n in ends.items())]
        return f"{len(runs)} run{'s' * (len(runs) != 1)}: {'; '.join(filter(None, parts))}"

    def finding(self, panel: Panel) -> list[str]:
        return finding(panel, self.metrics[0], self.statistic)

    def printed(self, panel: Panel) -> str:
        """Return a dataset for a terminal: its finding, its recipes, and what they share."""
        columns = panel, self.columns, self.statistic
        texts = [panel.title, *(fill(sentence, WIDTH) for sentence in self.finding(panel))]
        return "\n".join([*texts, printed_table(*columns), fill(caption(*columns), WIDTH), ""])

    def table(self, panel: Panel) -> Table:
        """Return a dataset's table for the page."""
        columns = panel, self.columns, self.statistic
        return _made(caption(*columns), group_rows(*columns))


class Table(NamedTuple):
    """A table that the script makes sortable; the first cell of a row names it."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]  # of each column, whether its cells are numbers or missing


def _made(caption: str, table: Rows) -> Table:
    header, *rows = table
    columns = zip(*rows, strict=True)
    return Table(caption, header, rows, [all(map(_is_number, column)) for column in columns])


def _is_number(text: str) -> bool:
    first, _, rest = text.partition(" ")
    try:
        float(first.removesuffix("inite"))
    except ValueError:
        return text == "-"
    return not rest or rest.startswith(("(", "±", "of "))


def page(report: Report) -> str:
    """Return the page; the same report gives the same text."""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    clouds = {c["id"]: c["cloud"] for cards in report.cards.values() for c in cards if c["cloud"]}
    # Every set of points once, as runs share their truth.
    parts = ("truth", "generated")
    points = list(dict.fromkeys(cloud[part] for cloud in clouds.values() for part in parts))
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            # The element's text is exactly the script, which is what a browser hashes.
            script=Markup(script),
            script_hash=f"sha256-{base64.b64encode(digest).decode('ascii')}",
            style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
            sections=_sections(report),
            styles=line_styles(report.swept),
            dashes=[" ".join(f"{2 * length:g}" for length in dash) for dash in DASHES],
            markers=_MARKERS,
            over_seeds=STATISTICS[report.statistic],
            ranked_by=METRICS[report.metrics[0]],
            runs=_made("", run_rows(report.panels, {*USUAL, *report.metrics})),
            version=sfbptt_cli.__version__,
            points=points,
            attractors={
                name: cloud | {part: points.index(cloud[part]) for part in parts}
                for name, cloud in clouds.items()
            },
        )
    )


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(_TEMPLATES)
    made = Environment(trim_blocks=True, lstrip_blocks=True, autoescape=True, loader=loader)
    made.undefined = StrictUndefined
    made.filters["number"], made.tests["nan"] = number_text, math.isnan
    made.globals |= {"METRICS": METRICS, "USUAL": USUAL}
    return made


def _sections(report: Report) -> list[dict[str, Any]]:
    """Return for each dataset its finding, sweep, table, and best, median and worst run."""
    drawn = dict(charts(report.swept, report.drawn, report.statistic))
    return [
        {
            "title": panel.title,
            "finding": report.finding(panel),
            "lines": [series.label for series in panel.series],
            "charts": list(map(Markup, drawn.get(panel.title, ()))),
            "table": report.table(panel),
            "cards": report.cards.get(panel.title, ()),
        }
        for panel in report.panels
    ]
