"""Median and quartiles, mean and standard error over seeds, as numbers and as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from statistics import fmean, stdev
from typing import NamedTuple

from sfbptt_cli.common.numbers import number_text

STATISTICS = {"median": "median (quartiles)", "mean": "mean ± standard error"}


class Summary(NamedTuple):
    """Statistics of n values: NaN where n is too small; infinite where enough values are."""

    n: int
    median: float
    lower: float  # quartile
    upper: float
    mean: float
    standard_error: float  # s / √n, s with n − 1; NaN for one value

    def interval(self, statistic: str) -> tuple[float, float, float]:
        """Return centre, lower and upper end: median and quartiles, or mean ± standard error."""
        if statistic == "median":
            return self.median, self.lower, self.upper
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
    return Summary(n, _quantile(x, 0.5), _quantile(x, 0.25), _quantile(x, 0.75), mean, error)


def _quantile(x: Sequence[float], q: float) -> float:
    """Return a quantile, linear between order statistics; numpy's is NaN next to infinity."""
    position = q * (len(x) - 1)
    i = math.floor(position)
    part = position - i
    if part == 0 or x[i] == x[i + 1]:
        return x[i]
    return x[i] + part * (x[i + 1] - x[i])


# Three significant digits.
number = partial(number_text, digits=3)


def interval_text(summary: Summary, statistic: str) -> str:
    """Return `0.055 (0.053–0.058)` for median and quartiles, `0.055 ± 0.003` for the mean."""
    centre, low, high = summary.interval(statistic)
    if summary.n < 2:
        return number(centre)
    if statistic == "median":
        between = "–" if low >= 0 else " to "
        return f"{number(centre)} ({number(low)}{between}{number(high)})"
    return f"{number(centre)} ± {number(summary.standard_error)}"
