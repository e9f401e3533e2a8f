"""Wall times of rivals in alternation, and what is said of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Times = dict[str, list[float]]


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def alternate(
    rivals: Mapping[str, Callable[[], object]], rounds: int, warm: bool = True, in_a_row: int = 1
) -> Times:
    """A B … A B …: `rounds` times of each rival, seconds; with `warm` after one not counted.

    A time is the mean of `in_a_row` calls, the more of them the less the caches hold of the rivals.

    What else the machine does meets all of them alike, so that their ratios are worth more than
    their times.
    """
    times: Times = {name: [] for name in rivals}
    for turn in range(rounds + warm):
        for name, call in rivals.items():
            taken = statistics.mean(seconds(call) for _ in range(in_a_row))
            if turn >= warm:
                times[name].append(taken)
    return times


def spread(values: list[float]) -> dict[str, float]:
    """Median, quartiles and number of some measurements."""
    low, middle, high = (
        statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    )
    return {"median": middle, "lower_quartile": low, "upper_quartile": high, "n": len(values)}


def ratio(times: Times, over: str, under: str) -> dict[str, float]:
    """How many times as long `over` takes as `under`: the spread of the ratios of each round."""
    return spread([a / b for a, b in zip(times[over], times[under], strict=True)])


def summary(times: Times) -> dict[str, Any]:
    """The spread of each rival's times."""
    return {name: spread(values) for name, values in times.items()}
