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
from sfbptt_cli.report.collection import METRICS, RunRecord
from sfbptt_cli.report.groups import COLUMNS, Group, short_names, varied
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.report.statistics import STATISTICS, interval_text, number


def known_metrics(groups: Sequence[Group]) -> list[str]:
    """Return the metrics that any run has, in the order of METRICS."""
    return [m for m in METRICS if any(m in run.metrics for group in groups for run in group.runs)]


def group_rows(
    panels: Sequence[Panel], metrics: Sequence[str], statistic: str
) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table for people: settings, counts, numbers with floors."""
    groups = [group for panel in panels for group in panel.groups]
    names = {**COLUMNS, **short_names(varied(groups))}
    some_unfinished = any(group.unfinished for group in groups)
    header = [*names.values(), "runs", "diverged", *["unfinished"] * some_unfinished]
    header += [name for metric in metrics for name in (METRICS[metric], "floor")]
    rows = []
    for panel, group in _groups(panels):
        row = [group.setting(key) for key in names]
        row += [str(len(group.runs)), str(group.diverged)]
        row += [str(group.unfinished)] * some_unfinished
        for metric in metrics:
            band = panel.band(metric)
            row.append(interval_text(group.summary(metric), statistic))
            row.append(number(band.floor if band else None))
        rows.append(row)
    return header, rows


def run_rows(groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of every run for people, measured or not."""
    metrics = known_metrics(groups)
    names = {**COLUMNS, **short_names(varied(groups))}
    header = ["run", *names.values(), "seed", "status", "verdict", *(METRICS[m] for m in metrics)]
    rows = []
    for group, run in _runs(groups):
        row = [run.label, *(group.setting(key) for key in names)]
        row += [str(run.seed), run.status, run.verdict or "-"]
        values = [run.metrics[m].value if m in run.metrics else None for m in metrics]
        rows.append([*row, *map(number, values)])
    return header, rows


def printed_table(panels: Sequence[Panel], metrics: Sequence[str], statistic: str) -> str:
    """Return aligned text: a line with the statistic, then a line for each group."""
    header, rows = group_rows(panels, metrics, statistic)
    return f"{STATISTICS[statistic]} over seeds\n{aligned([header, *rows])}"


_STATISTICS = ("n", "median", "lower_quartile", "upper_quartile", "mean", "standard_error")
_STATISTICS += ("floor", "floor_low", "floor_high")
_MANIFEST = ("training_seconds", "parameters", "version", "commit", "started", "finished")


def groups_csv(panels: Sequence[Panel]) -> str:
    """Return groups.csv: all statistics of every group, settings by their full names."""
    groups = [group for panel in panels for group in panel.groups]
    metrics, extra = known_metrics(groups), varied(groups)
    rows = []
    for panel, group in _groups(panels):
        row: dict[str, Any] = _settings(group, extra)
        row |= {"panel": panel.title, "runs": len(group.runs), "measured": group.measured}
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
    metrics, extra = known_metrics(groups), varied(groups)
    rows = []
    for group, run in _runs(groups):
        row: dict[str, Any] = {"run": run.label, **_settings(group, extra)}
        row |= {"seed": run.seed, "status": run.status, "verdict": run.verdict}
        for metric in metrics:
            stored = run.metrics.get(metric)
            row[metric] = stored.value if stored else math.nan
            for part in ("floor", "truth", "standard_error"):
                row[f"{metric}_{part}"] = getattr(stored, part, math.nan)
        rows.append(row | {key: run.manifest.get(key) for key in _MANIFEST})
    return _csv(rows)


def _groups(panels: Sequence[Panel]) -> list[tuple[Panel, Group]]:
    return [(panel, group) for panel in panels for group in panel.groups]


def _runs(groups: Sequence[Group]) -> list[tuple[Group, RunRecord]]:
    return [(group, run) for group in groups for run in group.runs]


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
    """Return `60 runs: 55 measured, 3 diverged in training, 2 interrupted`."""
    words = {"measured": sum(run.measured for run in runs)}
    words |= Counter(run.status for run in runs if not run.measured)
    free = sum(run.verdict == "diverged" for run in runs)
    text = ", ".join(
        f"{n} {'diverged in training' if word == 'diverged' else word}" for word, n in words.items()
    )
    if free:
        text += f"; {free} of the measured diverge{'s' * (free == 1)} when running freely"
    return f"{len(runs)} run{'s' * (len(runs) != 1)}: {text}"
