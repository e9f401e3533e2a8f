"""Runs grouped by their settings, statistics over seeds, and the settings that were varied."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Any, NamedTuple

from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.report.collection import RunRecord, grouped, identity

# Columns that every table has.
COLUMNS = {
    "dataset.name": "dataset",
    "model.name": "model",
    "forcing.name": "forcing",
    "tau": "tau",
}
# What a recipe is known by; those with one value in all runs of a table stand in its caption.
RECIPE = ("model.name", "model.latent_dim", "forcing.name", "tau", "warmup", "window", "epochs")
RECIPE += ("batches_per_epoch", "batch_size", "optimizer.name", "optimizer.learning_rate")
# Settings whose default another choice decides.
_DECIDED_BY = {
    "optimizer.learning_rate": "model.name",
    "tau_schedule.name": "forcing.name",
    "alpha.name": "forcing.name",
    "warmup": "forcing.name",
}
STATISTICS = {
    "median": "Median (range) over seeds",
    "mean": "Mean ± standard error over seeds",
}


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


def interval_text(summary: Summary, statistic: str) -> str:
    """Return `0.0553 (0.0530–0.0580)` for median and range, `0.0553 ± 0.00300` for the mean."""
    centre, low, high = summary.interval(statistic)
    if summary.n < 2:
        return number_text(centre)
    if statistic == "median":
        between = "–" if low >= 0 else " to "
        return f"{number_text(centre)} ({number_text(low)}{between}{number_text(high)})"
    return f"{number_text(centre)} ± {number_text(summary.standard_error)}"


@dataclass(frozen=True)
class Group:
    """Runs that differ in the seed only, sorted by it."""

    settings: dict[str, Any]
    runs: tuple[RunRecord, ...]

    @property
    def tau(self) -> int | None:
        return self.runs[0].tau

    @property
    def measured(self) -> int:
        return sum(run.measured for run in self.runs)

    @property
    def results(self) -> Counter[str]:
        """Count the results of the runs that have one."""
        return Counter(run.result for run in self.runs if run.result)

    @property
    def reconstructed(self) -> str:
        """Return how many of the runs with a result reconstruct, as `2 of 3`."""
        known = self.results.total()
        return f"{self.results['reconstructed']} of {known}" if known else "-"

    @property
    def dynamics(self) -> str:
        """Return how many of the runs do what, as `2 chaotic, 1 cycle`."""
        return in_words(Counter(run.dynamics for run in self.runs))

    @property
    def diverged(self) -> int:
        return sum(run.diverged for run in self.runs)

    @property
    def unfinished(self) -> int:
        """Count runs without numbers that did not diverge: interrupted, failed, running, …"""
        return sum(not run.measured and not run.diverged for run in self.runs)

    def summary(self, metric: str) -> Summary:
        """Summarise the runs that were measured alike; diverged training leaves no number."""
        alike = (run.metrics for run in self.runs if run.alike)
        return summarise(metrics[metric].value for metrics in alike if metric in metrics)

    def setting(self, key: str) -> str:
        """Return a setting as text for a table."""
        value = self.settings.get(key)
        if isinstance(value, bool):
            return str(value).lower()
        return "-" if value is None else f"{value:.12g}" if _real(value) else str(value)


def group_runs(runs: Iterable[RunRecord]) -> list[Group]:
    """Group runs that differ in the seed only, sorted by dataset, model, method and τ."""
    same = grouped(sorted(runs, key=lambda run: run.seed), lambda run: identity(run.settings))
    return sorted(
        (Group(members[0].settings, tuple(members)) for members in same.values()), key=_order
    )


def in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {word}" for word, n in counts.most_common())


def varied(groups: Sequence[Group]) -> list[str]:
    """Return the settings in which groups differ, without those of COLUMNS.

    A setting of a dataset, model or method counts only where groups of the same one differ in it.
    """
    keys = sorted({key for group in groups for key in group.settings} - COLUMNS.keys())
    return [key for key in keys if _varies(groups, key)]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the last part of each dotted key, or the whole key where that is ambiguous.

    Validation and evaluation share their words with each other and with training.
    """
    last = [key.rpartition(".")[2] for key in keys]
    taken = [*COLUMNS.values(), "seed", "name"]
    shared = ("validation.", "evaluation.")
    return {
        key: key if last.count(name) > 1 or name in taken or key.startswith(shared) else name
        for key, name in zip(keys, last, strict=True)
    }


def _varies(groups: Sequence[Group], key: str) -> bool:
    """Return whether groups of the same dataset, model, … differ in its setting `key`."""
    name = f"{key.partition('.')[0]}.name"
    # Settings of different choices of a config group are not compared.
    owners = [owner for owner in (name, _DECIDED_BY.get(key)) if owner not in (key, None)]
    # As text: a stored setting from anybody may be a list.
    same = grouped(groups, lambda group: repr([group.settings.get(owner) for owner in owners]))
    return any(len({repr(g.settings.get(key)) for g in found}) > 1 for found in same.values())


def _order(group: Group) -> tuple[Any, ...]:
    run = group.runs[0]
    other = [(k, _sortable(v)) for k, v in sorted(group.settings.items())]
    return run.dataset, run.model, run.forcing != "sparse", run.forcing, run.tau or 0, other


def _sortable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if _real(value) else (1, 0.0, repr(value))


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
