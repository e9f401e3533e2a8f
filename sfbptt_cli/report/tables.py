"""The tables of a report: groups for people, groups and runs as CSV."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.common.tables import aligned
from sfbptt_cli.report.collection import RunRecord
from sfbptt_cli.report.groups import (
    COLUMNS,
    RECIPE,
    STATISTICS,
    Group,
    Summary,
    interval_text,
    short_names,
    varied,
)
from sfbptt_cli.report.measurements import METRICS
from sfbptt_cli.report.panels import Panel

Rows = list[list[str]]  # the header first


def known_metrics(panels: Sequence[Panel]) -> list[str]:
    """Return the metrics that any run has, in the order of METRICS."""
    return [m for m in METRICS if any(m in run.metrics for _, _, run in _runs(panels))]


def printed_table(panel: Panel, metrics: Sequence[str], statistic: str) -> str:
    """Return aligned text: a line for each recipe, with medians or means alone."""
    rows = _recipes(panel, metrics, lambda summary: number_text(summary.interval(statistic)[0]))
    return aligned(rows, right=range(1, 2 + len(metrics)))


def group_rows(panel: Panel, metrics: Sequence[str], statistic: str) -> Rows:
    """Return a dataset's table: recipe, result, numbers with their interval, varied settings."""
    names = short_names(varied(panel.groups))
    some_alone = any(group.unfinished for group in panel.groups)
    more = [[*["unfinished"] * some_alone, *names.values()]]
    more += [[*[str(g.unfinished)] * some_alone, *map(g.setting, names)] for g in panel.groups]
    rows = _recipes(panel, metrics, lambda summary: interval_text(summary, statistic))
    return [[*row, *others] for row, others in zip(rows, more, strict=True)]


def _recipes(panel: Panel, metrics: Sequence[str], text: Callable[[Summary], str]) -> Rows:
    header = ["recipe", "reconstructed", *(METRICS[metric] for metric in metrics), "dynamics"]
    rows = []
    for group in panel.groups:
        numbers = (text(group.summary(metric)) for metric in metrics)
        rows.append([panel.label(group), group.reconstructed, *numbers, group.dynamics])
    return [header, *rows]


def caption(panel: Panel, metrics: Sequence[str], statistic: str) -> str:
    """Return what holds for all rows: statistic, floors, the system's values, settings."""
    bands = {metric: panel.band(metric) for metric in metrics}
    truths = {metric: panel.truth(metric) for metric in metrics}
    values = {key: {group.setting(key) for group in panel.groups} for key in RECIPE}
    same = {key: x for key, (x, *more) in values.items() if not more and x != "-"}
    parts = {
        "Floor": [f"{METRICS[m]} {number_text(band.floor)}" for m, band in bands.items() if band],
        "System": [f"{METRICS[m]} {number_text(x)}" for m, x in truths.items() if x == x],
        "All runs": [f"{_given(k)}={x}{_came_to(panel, k)}" for k, x in same.items()],
    }
    texts = [f"{name}: {', '.join(part)}." for name, part in parts.items() if part]
    return " ".join([f"{STATISTICS[statistic]}.", *texts])


def _given(key: str) -> str:
    """Return a setting's short name: `model` for `model.name`, else the last part."""
    owner, _, last = key.rpartition(".")
    return owner if last == "name" else last


def _came_to(panel: Panel, key: str) -> str:
    """Return the numbers that `auto` came to in the runs."""
    if any(group.setting(key) != "auto" for group in panel.groups):
        return ""
    found = sorted({x for run in panel.runs if type(x := run.manifest.get(_given(key))) is int})
    ends = dict.fromkeys(str(x) for x in (*found[:1], *found[-1:]))
    return f" ({' to '.join(ends)})" if ends else ""


def run_rows(panels: Sequence[Panel], shown: Collection[str]) -> Rows:
    """Return every run with the metrics to be shown for people, measured or not."""
    metrics = [metric for metric in known_metrics(panels) if metric in shown]
    names = short_names(_varied(panels))
    header = ["run", "result", *(METRICS[m] for m in metrics), "dynamics", "recipe", "seed"]
    rows = [[*header, "status", *names.values()]]
    for panel, group, run in _runs(panels):
        row = [run.label, run.result or "-"]
        row += [number_text(run.metrics[m].value if m in run.metrics else None) for m in metrics]
        row += [run.dynamics, panel.label(group), str(run.seed), run.status]
        rows.append([*row, *map(group.setting, names)])
    return rows


_STATISTICS = (*Summary._fields, "floor", "floor_low", "floor_high")
_PARTS = {"": "value", "_floor": "floor", "_truth": "truth", "_standard_error": "standard_error"}
# The results, with the words for them after a count.
RESULTS = {"reconstructed": "reconstructed", "in part": "in part", "not reconstructed": "not"}
_MANIFEST = ("training_seconds", "parameters", "version", "commit", "started", "finished")


def groups_csv(panels: Sequence[Panel]) -> str:
    """Return groups.csv: all statistics of every group, settings by their full names."""
    metrics, extra = known_metrics(panels), _varied(panels)
    rows = []
    for panel, group in _groups(panels):
        row: dict[str, Any] = _settings(group, extra)
        row |= {"panel": panel.title, "runs": len(group.runs), "measured": group.measured}
        row |= {word.replace(" ", "_"): group.results[word] for word in RESULTS}
        row |= {"diverged": group.diverged, "unfinished": group.unfinished}
        for metric in metrics:
            values = [*group.summary(metric), *(panel.band(metric) or 3 * (math.nan,))]
            names = (f"{metric}_{name}" for name in _STATISTICS)
            row |= dict(zip(names, values, strict=True))
        rows.append(row)
    return _csv(rows)


def runs_csv(panels: Sequence[Panel]) -> str:
    """Return table.csv: a row for each run, measured or not."""
    metrics, extra = known_metrics(panels), _varied(panels)
    rows = []
    for _, group, run in _runs(panels):
        row: dict[str, Any] = {"run": run.label, **_settings(group, extra)}
        row |= {"seed": run.seed, "status": run.status, "result": run.result}
        row |= {"dynamics": run.dynamics if run.measured else None, "alike": run.alike}
        for metric in metrics:
            stored = run.metrics.get(metric)
            row |= {f"{metric}{x}": getattr(stored, part, math.nan) for x, part in _PARTS.items()}
        rows.append(row | {key: run.manifest.get(key) for key in _MANIFEST})
    return _csv(rows)


def _groups(panels: Sequence[Panel]) -> list[tuple[Panel, Group]]:
    return [(panel, group) for panel in panels for group in panel.groups]


def _runs(panels: Sequence[Panel]) -> list[tuple[Panel, Group, RunRecord]]:
    return [(panel, group, run) for panel, group in _groups(panels) for run in group.runs]


def _varied(panels: Sequence[Panel]) -> list[str]:
    return varied([group for _, group in _groups(panels)])


def _settings(group: Group, extra: Sequence[str]) -> dict[str, Any]:
    own = {name: group.settings.get(key) for key, name in COLUMNS.items()}
    return own | {key: group.settings.get(key) for key in extra}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows with equal keys; empty where a number is NaN, no column where all are."""
    # Only NaN differs from itself.
    table = [{k: x if x == x else "" for k, x in row.items()} for row in rows]
    columns = [key for key in table[0] if any(row[key] not in ("", None) for row in table)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(
        map(_harmless, row) for row in [columns, *(map(r.get, columns) for r in table)]
    )
    return text.getvalue()


# A formula begins with one of these, depending on the spreadsheet.
_FORMULA = ("=", "+", "-", "@")


def _harmless(cell: Any) -> Any:
    """Put a quote before a text that a spreadsheet would take for a formula.

    Some pass over blanks and line ends before it, some take signs of full width for plain ones.
    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if not isinstance(cell, str) or not cell:
        return cell
    begun = unicodedata.normalize("NFKC", cell).lstrip()
    return f"'{cell}" if begun.startswith(_FORMULA) or not cell[0].isprintable() else cell
