"""From a folder of runs to a table, the sweep figure and one page, from stored files alone."""

from sfbptt_cli.report.collection import METRICS, Skipped
from sfbptt_cli.report.making import Report, make_report
from sfbptt_cli.report.statistics import STATISTICS

__all__ = ["METRICS", "STATISTICS", "Report", "Skipped", "make_report"]
