"""Median and range, mean and standard error over seeds, as numbers and as text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from statistics import fmean, median, stdev
from typing import NamedTuple

from sfbptt_cli.common.numbers import number_text

STATISTICS = {"median": "median (range)", "mean": "mean ± standard error"}


class Summary(NamedTuple):
    """Statistics of n values: NaN where n is too small; infinite where enough values are."""

    n: int
    median: float
    lowest: float
    highest: float
    mean: float
    standard_error: float  # s / √n, s with n − 1; NaN for one value

    def interval(self, statistic: str) -> tuple[float, float, float]:
        """Return centre, lower and upper end: median and range, or mean ± standard error."""
        if statistic == "median":
            return self.median, self.lowest, self.highest
        error = 0.0 if math.isnan(self.standard_error) else self.standard_error
        return self.mean, self.mean - error, self.mean + error


def summarise(values: Iterable[float]) -> Summary:
    """Summarise the values; NaN is left out, infinity counts."""
    x = sorted(value for value in values if not math.isnan(value))
    n = len(x)
    if n == 0:
        return Summary(0, *5 * (math.nan,))
    mean = fmean(x)
    error = stdev(x) / math.sqrt(n) if n > 1 and math.isfinite(mean) else math.nan
    return Summary(n, median(x), x[0], x[-1], mean, error)


# Three significant digits.
number = partial(number_text, digits=3)


def interval_text(summary: Summary, statistic: str) -> str:
    """Return `0.055 (0.053–0.058)` for median and range, `0.055 ± 0.003` for the mean."""
    centre, low, high = summary.interval(statistic)
    if summary.n < 2:
        return number(centre)
    if statistic == "median":
        between = "–" if low >= 0 else " to "
        return f"{number(centre)} ({number(low)}{between}{number(high)})"
    return f"{number(centre)} ± {number(summary.standard_error)}"
