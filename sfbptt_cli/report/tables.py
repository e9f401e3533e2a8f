"""The tables of a report: groups for people, groups and runs as CSV."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sfbptt_cli.common.tables import aligned
from sfbptt_cli.report.collection import RunRecord
from sfbptt_cli.report.groups import COLUMNS, RECIPE, Group, short_names, varied
from sfbptt_cli.report.measurements import METRICS
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.report.statistics import STATISTICS, Summary, interval_text, number


def known_metrics(panels: Sequence[Panel]) -> list[str]:
    """Return the metrics that any run has, in the order of METRICS."""
    return [m for m in METRICS if any(m in run.metrics for _, _, run in _runs(panels))]


def group_rows(
    panel: Panel, metrics: Sequence[str], statistic: str
) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a dataset's table: recipe, result, numbers, varied settings."""
    names = short_names(varied(panel.groups))
    some_alone = any(group.unfinished for group in panel.groups)
    header = ["recipe", "reconstructed", *(METRICS[metric] for metric in metrics), "dynamics"]
    header += [*["unfinished"] * some_alone, *names.values()]
    rows = []
    for group in panel.groups:
        row = [panel.label(group), group.reconstructed]
        row += [interval_text(group.summary(metric), statistic) for metric in metrics]
        row += [group.dynamics, *[str(group.unfinished)] * some_alone]
        rows.append([*row, *map(group.setting, names)])
    return header, rows


def caption(panel: Panel, metrics: Sequence[str], statistic: str) -> str:
    """Return what holds for all rows: statistic, floors, the system's values, settings."""
    bands = {metric: panel.band(metric) for metric in metrics}
    floors = [f"{METRICS[m]} {number(band.floor)}" for m, band in bands.items() if band]
    truths = {metric: panel.truth(metric) for metric in metrics}
    known = [f"{METRICS[m]} {number(truth)}" for m, truth in truths.items() if truth == truth]
    same = [
        f"{_given(key)}={values.pop()}{_came_to(panel, key)}"
        for key in RECIPE
        if len(values := {group.setting(key) for group in panel.groups}) == 1 and values != {"-"}
    ]
    parts = {"Floor": floors, "System": known, "All runs": same}
    texts = [f"{name}: {', '.join(part)}." for name, part in parts.items() if part]
    return " ".join([f"{over_seeds(statistic)}.", *texts])


def over_seeds(statistic: str) -> str:
    return f"{STATISTICS[statistic]} over seeds".capitalize()


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


def run_rows(panels: Sequence[Panel], metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of every run for people, measured or not."""
    names = short_names(varied([group for panel in panels for group in panel.groups]))
    header = ["run", "result", *(METRICS[m] for m in metrics), "dynamics", "recipe", "seed"]
    header += ["status", *names.values()]
    rows = []
    for panel, group, run in _runs(panels):
        row = [run.label, run.result or "-"]
        row += [number(run.metrics[m].value if m in run.metrics else None) for m in metrics]
        row += [run.dynamics, panel.label(group), str(run.seed), run.status]
        rows.append([*row, *map(group.setting, names)])
    return header, rows


def printed_table(panel: Panel, metrics: Sequence[str], statistic: str) -> str:
    """Return aligned text: a line for each recipe, with medians or means alone."""
    header = ["recipe", "reconstructed", *(METRICS[metric] for metric in metrics), "dynamics"]
    rows = []
    for group in panel.groups:
        row = [panel.label(group), group.reconstructed]
        row += [number(group.summary(metric).interval(statistic)[0]) for metric in metrics]
        rows.append([*row, group.dynamics])
    return aligned([header, *rows], right=range(1, 2 + len(metrics)))


_STATISTICS = Summary._fields
_STATISTICS += ("floor", "floor_low", "floor_high")
_RESULTS = ("reconstructed", "in part", "not reconstructed")
_MANIFEST = ("training_seconds", "parameters", "version", "commit", "started", "finished")


def groups_csv(panels: Sequence[Panel]) -> str:
    """Return groups.csv: all statistics of every group, settings by their full names."""
    groups = [group for panel in panels for group in panel.groups]
    metrics, extra = known_metrics(panels), varied(groups)
    rows = []
    for panel, group in _groups(panels):
        row: dict[str, Any] = _settings(group, extra)
        row |= {"panel": panel.title, "runs": len(group.runs), "measured": group.measured}
        row |= {word.replace(" ", "_"): group.results[word] for word in _RESULTS}
        row |= {"diverged": group.diverged, "unfinished": group.unfinished}
        for metric in metrics:
            values = [*group.summary(metric), *(panel.band(metric) or 3 * (math.nan,))]
            names = (f"{metric}_{name}" for name in _STATISTICS)
            row |= dict(zip(names, values, strict=True))
        rows.append(row)
    return _csv(rows)


def runs_csv(panels: Sequence[Panel]) -> str:
    """Return table.csv: a row for each run, measured or not."""
    groups = [group for panel in panels for group in panel.groups]
    metrics, extra = known_metrics(panels), varied(groups)
    rows = []
    for _, group, run in _runs(panels):
        row: dict[str, Any] = {"run": run.label, **_settings(group, extra)}
        row |= {"seed": run.seed, "status": run.status, "result": run.result}
        row |= {"dynamics": run.dynamics if run.measured else None, "alike": run.alike}
        for metric in metrics:
            stored = run.metrics.get(metric)
            row[metric] = stored.value if stored else math.nan
            for part in ("floor", "truth", "standard_error"):
                row[f"{metric}_{part}"] = getattr(stored, part, math.nan)
        rows.append(row | {key: run.manifest.get(key) for key in _MANIFEST})
    return _csv(rows)


def _groups(panels: Sequence[Panel]) -> list[tuple[Panel, Group]]:
    return [(panel, group) for panel in panels for group in panel.groups]


def _runs(panels: Sequence[Panel]) -> list[tuple[Panel, Group, RunRecord]]:
    return [(panel, group, run) for panel, group in _groups(panels) for run in group.runs]


def _settings(group: Group, extra: Sequence[str]) -> dict[str, Any]:
    names = {**COLUMNS, **dict(zip(extra, extra, strict=True))}
    return {name: group.settings.get(key) for key, name in names.items()}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows with equal keys; empty where a number is NaN, no column where all are."""
    table = [
        {k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
        for row in rows
    ]
    columns = [key for key in table[0] if any(row[key] not in ("", None) for row in table)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_harmless, columns))
    writer.writerows([_harmless(row[key]) for key in columns] for row in table)
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


def count_text(runs: Sequence[RunRecord]) -> str:
    """Return `60 runs: 20 reconstructed, 12 in part, 23 not; 5 without numbers (3 diverged …)`."""
    results = Counter(run.result for run in runs if run.measured)
    words = {"reconstructed": "reconstructed", "in part": "in part", "not reconstructed": "not"}
    text = ", ".join(f"{results[word]} {shown}" for word, shown in words.items() if results[word])
    ends = Counter(run.dynamics for run in runs if not run.measured)
    if ends:
        text += "; " * bool(text) + ", ".join(f"{n} {word}" for word, n in ends.items())
    return f"{len(runs)} run{'s' * (len(runs) != 1)}: {text}"
