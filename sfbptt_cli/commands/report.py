"""`sfbptt report`: table, figure and page of the runs below a folder."""

from __future__ import annotations

import logging
from pathlib import Path

from sfbptt_cli.common.terminal import say
from sfbptt_cli.config.commands import ReportSettings
from sfbptt_cli.report.making import make_report

log = logging.getLogger("sfbptt")


def run(config: ReportSettings) -> None:
    """Write the report, print its table and files, and name the runs that are skipped."""
    assert config.runs is not None
    out = None if config.out is None else Path(config.out)
    report = make_report(Path(config.runs), out, config.statistic, config.metrics)
    say(*map(report.printed, report.panels), report.count, *report.files)
    for note in report.notes:
        log.warning("sfbptt: %s", note)
    for path, reason in report.skipped:
        log.warning("sfbptt: %s is skipped: %s", path, reason)
