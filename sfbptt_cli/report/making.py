"""Make a report: collect, group, draw and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill

from sfbptt_cli.common.atomic import write_text
from sfbptt_cli.common.checks import one_of
from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.figures.style import save
from sfbptt_cli.figures.sweep import sweep
from sfbptt_cli.report.collection import RunRecord, Skipped, collect
from sfbptt_cli.report.comparison import compared, other_measurements
from sfbptt_cli.report.finding import finding
from sfbptt_cli.report.groups import group_runs
from sfbptt_cli.report.highlights import MOST_SHOWN, choose, open_highlight
from sfbptt_cli.report.measurements import METRICS, SHARE
from sfbptt_cli.report.page import Contents, page
from sfbptt_cli.report.panels import Panel, disagreements, panels
from sfbptt_cli.report.statistics import STATISTICS
from sfbptt_cli.report.sweep import sweep_columns
from sfbptt_cli.report.tables import caption, count_text, groups_csv, printed_table, runs_csv

_WIDTH = 80  # characters of a printed line


@dataclass(frozen=True)
class Report:
    """What a report prints, and the files it wrote."""

    tables: tuple[str, ...]  # of a dataset each: its finding, its recipes, what they share
    count: str  # how many runs there are, and how they ended
    notes: tuple[str, ...]  # why some of the numbers cannot be compared
    skipped: tuple[Skipped, ...]
    files: tuple[Path, ...]


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
    _require_measured(runs, metrics)
    contents = report_contents(folder, compared(runs), skipped, statistic, metrics)
    return Report(
        tables=tuple(_printed(contents, panel) for panel in contents.panels),
        count=count_text(runs),
        notes=contents.notes,
        skipped=contents.skipped,
        files=tuple(_write(contents, _usual_folder(folder) if out is None else out)),
    )


def report_contents(
    folder: Path,
    runs: Sequence[RunRecord],
    skipped: Sequence[Skipped],
    statistic: str,
    metrics: Sequence[str],
) -> Contents:
    """Group the runs and read what is drawn of the best, median and worst of each dataset."""
    shown = panels(group_runs(runs))
    scores = [metric for metric in metrics if metric != SHARE] or ["d_stsp"]
    highlights, unread = [], []
    for panel in shown[:MOST_SHOWN]:
        opened = [open_highlight(*chosen) for chosen in choose(panel, scores[0], len(shown))]
        highlights.append((panel, tuple(highlight for highlight, _ in opened)))
        unread += [skip for _, skips in opened for skip in skips]
    return Contents(
        title=f"Report on {folder.absolute().name}",
        panels=tuple(shown),
        metrics=tuple(scores),
        drawn=tuple(metrics),
        statistic=statistic,
        highlights=tuple(highlights),
        others=tuple(other for panel in shown for other in _measured_otherwise(panel)),
        notes=tuple(note for panel in shown for note in disagreements(panel)),
        skipped=(*skipped, *unread),
    )


def _measured_otherwise(panel: Panel) -> list[Panel]:
    """Return the panel's runs as they were measured with each of the other settings."""
    return [
        replace(panels(group_runs(runs))[0], title=f"{panel.title} with {how}")
        for how, runs in other_measurements(panel.runs)
    ]


def _printed(contents: Contents, panel: Panel) -> str:
    metrics, statistic = contents.columns, contents.statistic
    sentences = finding(panel, contents.metrics[0], statistic)
    texts = [panel.title, *(fill(sentence, _WIDTH) for sentence in sentences)]
    texts += [printed_table(panel, metrics, statistic)]
    return "\n".join([*texts, fill(caption(panel, metrics, statistic), _WIDTH), ""])


def _usual_folder(folder: Path) -> Path:
    out = folder / "report"
    if not out.resolve().is_relative_to(folder.resolve()):
        raise RequestError(f"runs: '{out}' is a link to elsewhere; out=… gives another folder")
    return out


def _write(contents: Contents, out: Path) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.csv": runs_csv(contents.panels),
        "groups.csv": groups_csv(contents.panels),
        "index.html": page(contents),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    figure = sweep(sweep_columns(contents.panels, contents.drawn, contents.statistic))
    return [*(out / name for name in texts), *save(figure, out, "sweep")]


def _require_measured(runs: Sequence[RunRecord], metrics: Sequence[str]) -> None:
    """Raise RequestError for a metric that no run has, where runs have others."""
    found = {name for run in runs for name in run.metrics}
    for metric in metrics:
        if found and metric not in {*found, SHARE}:
            accepted = ", ".join([*sorted(found), SHARE])
            raise RequestError(f"metrics: no run has {metric}; accepted: {accepted}")
