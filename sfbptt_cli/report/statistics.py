"""Median and quartiles, mean and standard error over seeds, as numbers and as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from sfbptt_cli.common.numbers import number_text

STATISTICS = {"median": "median (quartiles)", "mean": "mean ± standard error"}


class Summary(NamedTuple):
    """Of n values: NaN where n is too small; infinite where enough values are."""

    n: int
    median: float
    lower: float  # quartile
    upper: float
    mean: float
    standard_error: float  # s / √n, s with n − 1; NaN for one value

    def interval(self, statistic: str) -> tuple[float, float, float]:
        """Centre, lower and upper end: median and quartiles, or mean ± standard error."""
        if statistic == "median":
            return self.median, self.lower, self.upper
        error = 0.0 if math.isnan(self.standard_error) else self.standard_error
        return self.mean, self.mean - error, self.mean + error


def summarise(values: Iterable[float]) -> Summary:
    """The summary of values without unit; NaN ones are left out, infinite ones count."""
    x = sorted(value for value in values if not math.isnan(value))
    n = len(x)
    if n == 0:
        return Summary(0, *5 * (math.nan,))
    mean = sum(x) / n
    error = math.nan
    if n > 1 and math.isfinite(mean):
        error = math.sqrt(sum((value - mean) ** 2 for value in x) / (n - 1) / n)
    return Summary(n, _quantile(x, 0.5), _quantile(x, 0.25), _quantile(x, 0.75), mean, error)


def _quantile(x: Sequence[float], q: float) -> float:
    """Linear between order statistics, as numpy's default, but infinite values stay ordered."""
    position = q * (len(x) - 1)
    i = math.floor(position)
    part = position - i
    if part == 0 or x[i] == x[i + 1]:
        return x[i]
    return x[i] + part * (x[i + 1] - x[i])


# Three significant digits.
number = partial(number_text, digits=3)


def interval_text(summary: Summary, statistic: str) -> str:
    """`0.055 (0.053–0.058)` for median and quartiles, `0.055 ± 0.003` for the mean."""
    centre, low, high = summary.interval(statistic)
    if summary.n < 2:
        return number(centre)
    if statistic == "median":
        between = "–" if low >= 0 else " to "
        return f"{number(centre)} ({number(low)}{between}{number(high)})"
    return f"{number(centre)} ± {number(summary.standard_error)}"
