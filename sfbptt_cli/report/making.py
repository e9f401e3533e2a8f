"""Make a report: collect, group, draw and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sfbptt_cli.common.atomic import write_text
from sfbptt_cli.common.checks import one_of
from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.figures.style import save
from sfbptt_cli.figures.sweep import sweep
from sfbptt_cli.report.card import card
from sfbptt_cli.report.collection import (
    RunRecord,
    Skipped,
    collect,
    compared,
    other_measurements,
)
from sfbptt_cli.report.groups import STATISTICS, group_runs
from sfbptt_cli.report.measurements import METRICS, SHARE
from sfbptt_cli.report.page import Report, page
from sfbptt_cli.report.panels import MOST_SHOWN, choose, disagreements, panels
from sfbptt_cli.report.sweep import sweep_columns
from sfbptt_cli.report.tables import groups_csv, runs_csv


def make_report(
    folder: Path,
    out: Path | None = None,
    statistic: str = "median",
    metrics: Sequence[str] = ("d_stsp", "d_h", "lambda_max", SHARE),
) -> Report:
    """Write table.csv, groups.csv, sweep.png, sweep.pdf and index.html about the runs in `folder`.

    Only files in the folders of the runs are read: the data may have moved or be gone. `out` is
    `folder`/report by default. `statistic` over seeds is the median with the range or the mean with
    its standard error. The figure has a panel of each of `metrics`, which are of METRICS or SHARE;
    the first of METRICS ranks recipes and runs.
    Raises RequestError for `runs` without a run, a wrong `statistic` or wrong `metrics`.
    """
    one_of("statistic", statistic, tuple(STATISTICS))
    known = {**METRICS, SHARE: SHARE}
    if not metrics:
        raise RequestError(f"metrics: none was given; accepted: {', '.join(known)}")
    for metric in metrics:
        lookup(known, metric, "metrics")
    runs, skipped = collect(folder)
    found = [*sorted({name for run in runs for name in run.metrics}), SHARE]
    for metric in metrics:
        if len(found) > 1 and metric not in found:
            raise RequestError(f"metrics: no run has {metric}; accepted: {', '.join(found)}")
    if out is None:
        out = folder / "report"
        if not out.resolve().is_relative_to(folder.resolve()):
            raise RequestError(f"runs: '{out}' is a link to elsewhere; out=… gives another folder")
    report = report_on(folder, compared(runs), skipped, statistic, metrics)
    return replace(report, files=_write(report, out))


def report_on(
    folder: Path,
    runs: Sequence[RunRecord],
    skipped: Sequence[Skipped],
    statistic: str,
    metrics: Sequence[str],
) -> Report:
    """Group the runs and open the best, median and worst of each dataset."""
    shown = panels(group_runs(runs))
    scores = [metric for metric in metrics if metric != SHARE] or ["d_stsp"]
    cards, unread = {}, []
    for i, panel in enumerate(shown[:MOST_SHOWN]):
        chosen = choose(panel, scores[0], len(shown))
        opened = [card(*one, f"r{i}-{j}") for j, one in enumerate(chosen)]
        cards[panel.title] = [made for made, _ in opened]
        unread += [skip for _, skips in opened for skip in skips]
    others = [
        replace(panels(group_runs(measured))[0], title=f"{panel.title} with {how}")
        for panel in shown
        for how, measured in other_measurements(panel.runs)
    ]
    return Report(
        title=f"Report on {folder.absolute().name}",
        panels=shown,
        metrics=scores,
        drawn=metrics,
        statistic=statistic,
        cards=cards,
        others=others,
        notes=[note for panel in shown for note in disagreements(panel)],
        skipped=[*skipped, *unread],
    )


def _write(report: Report, out: Path) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.csv": runs_csv(report.panels),
        "groups.csv": groups_csv(report.panels),
        "index.html": page(report),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    figure = sweep(sweep_columns(report.panels, report.drawn, report.statistic))
    return [*(out / name for name in texts), *save(figure, out, "sweep", pdf=True)]
