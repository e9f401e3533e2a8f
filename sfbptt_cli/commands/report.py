"""`sfbptt report`: table, figure and page of the runs below a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from sfbptt_cli.config.commands import ReportSettings
from sfbptt_cli.report.making import make_report


def run(config: ReportSettings) -> None:
    """Write the report, print its table and files, and name the runs that are skipped."""
    assert config.runs is not None
    out = None if config.out is None else Path(config.out)
    report = make_report(Path(config.runs), out, config.statistic, config.metrics)
    print(report.table)
    print(report.count)
    for path in report.files:
        print(path)
    for note in report.notes:
        print(f"sfbptt: {note}", file=sys.stderr)
    for path, reason in report.skipped:
        print(f"sfbptt: {path} is skipped: {reason}", file=sys.stderr)
