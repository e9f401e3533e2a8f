"""The tables of a report: groups for people, groups and runs as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from sfbptt_cli.common.tables import aligned
from sfbptt_cli.report.collection import METRICS, Metric, RunRecord
from sfbptt_cli.report.groups import COLUMNS, Group, short_names, varied
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.report.statistics import STATISTICS, interval_text, number


def known_metrics(groups: Sequence[Group]) -> list[str]:
    """The metrics that any run has, in the order of METRICS."""
    return [m for m in METRICS if any(m in run.metrics for group in groups for run in group.runs)]


def group_rows(
    panels: Sequence[Panel], metrics: Sequence[str], statistic: str
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table for people, by panel: settings, counts, numbers with floors."""
    groups = [group for panel in panels for group in panel.groups]
    names = {**COLUMNS, **short_names(varied(groups))}
    some_unfinished = any(group.unfinished for group in groups)
    counts = ["runs", "diverged", *["unfinished"] * some_unfinished]
    header = [*names.values(), *counts]
    for metric in metrics:
        header += [METRICS[metric], "floor"]
    rows = []
    for panel in panels:
        for group in panel.groups:
            row = [group.setting(key) for key in names]
            row += [str(len(group.runs)), str(group.diverged)]
            row += [str(group.unfinished)] * some_unfinished
            for metric in metrics:
                band = panel.band(metric)
                row.append(interval_text(group.summary(metric), statistic))
                row.append(number(band.floor if band else math.nan))
            rows.append(row)
    return header, rows


def printed_table(panels: Sequence[Panel], metrics: Sequence[str], statistic: str) -> str:
    """Aligned text: what the statistic is, then a line a group."""
    header, rows = group_rows(panels, metrics, statistic)
    return f"{STATISTICS[statistic]} over seeds\n{aligned([header, *rows])}"


def groups_csv(panels: Sequence[Panel]) -> str:
    """groups.csv: every group with all its statistics, settings by their full names."""
    groups = [group for panel in panels for group in panel.groups]
    metrics, extra = known_metrics(groups), varied(groups)
    rows = []
    for panel in panels:
        for group in panel.groups:
            row: dict[str, Any] = _settings(group, extra)
            row |= {"panel": panel.title, "runs": len(group.runs), "measured": group.measured}
            row |= {"diverged": group.diverged, "unfinished": group.unfinished}
            for metric in metrics:
                row |= _statistics(panel, group, metric)
            rows.append(row)
    return _csv(rows)


def _statistics(panel: Panel, group: Group, metric: str) -> dict[str, Any]:
    names = ("n", "median", "lower_quartile", "upper_quartile", "mean", "standard_error")
    names += ("floor", "floor_low", "floor_high")
    values = [*group.summary(metric), *(panel.band(metric) or 3 * (math.nan,))]
    return {f"{metric}_{name}": value for name, value in zip(names, values, strict=True)}


def runs_csv(panels: Sequence[Panel]) -> str:
    """table.csv: a row a run, measured or not."""
    groups = [group for panel in panels for group in panel.groups]
    metrics, extra = known_metrics(groups), varied(groups)
    rows = []
    for group in groups:
        for run in group.runs:
            row: dict[str, Any] = {"run": run.label, **_settings(group, extra)}
            row |= {"seed": run.seed, "status": run.status, "verdict": run.verdict}
            for metric in metrics:
                row |= _numbers(metric, run.metrics.get(metric))
            row |= {key: run.manifest.get(key) for key in _MANIFEST}
            rows.append(row)
    return _csv(rows)


# A formula begins with one of these, depending on the spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MANIFEST = ("training_seconds", "parameters", "version", "commit", "started", "finished")


def _numbers(metric: str, stored: Metric | None) -> dict[str, float]:
    columns = [metric, f"{metric}_floor", f"{metric}_truth", f"{metric}_standard_error"]
    if stored is None:
        return dict.fromkeys(columns, math.nan)
    values = (stored.value, stored.floor, stored.truth, stored.standard_error)
    return dict(zip(columns, values, strict=True))


def _settings(group: Group, extra: Sequence[str]) -> dict[str, Any]:
    return {
        **{name: group.settings.get(key) for key, name in COLUMNS.items()},
        **{key: group.settings.get(key) for key in extra},
    }


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with equal keys; empty where a number is NaN, no column where all are."""
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


def _harmless(cell: Any) -> Any:
    """Put a quote before a text that a spreadsheet would take for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def count_text(runs: Sequence[RunRecord]) -> str:
    """`60 runs: 55 measured, 3 diverged in training, 2 interrupted`."""
    words = {"measured": sum(run.measured for run in runs)}
    for run in runs:
        if not run.measured:
            word = "diverged in training" if run.status == "diverged" else run.status
            words[word] = words.get(word, 0) + 1
    free = sum(run.verdict == "diverged" for run in runs)
    text = ", ".join(f"{n} {word}" for word, n in words.items())
    if free:
        text += f"; {free} of the measured diverge{'s' * (free == 1)} when running freely"
    return f"{len(runs)} run{'s' * (len(runs) != 1)}: {text}"
