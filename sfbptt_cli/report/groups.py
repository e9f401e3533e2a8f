"""Runs grouped by their settings, and the settings that were varied."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sfbptt_cli.report.collection import RunRecord, identity
from sfbptt_cli.report.statistics import Summary, summarise

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
        known = sum(self.results.values())
        return f"{self.results['reconstructed']} of {known}" if known else "-"

    @property
    def dynamics(self) -> str:
        """Return how many of the runs do what, as `2 chaotic, 1 cycle`."""
        found = Counter(run.dynamics for run in self.runs).most_common()
        return ", ".join(f"{n} {word}" for word, n in found)

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
    found: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        found[identity(run.settings)].append(run)
    groups = [
        Group(members[0].settings, tuple(sorted(members, key=lambda run: run.seed)))
        for members in found.values()
    ]
    return sorted(groups, key=_order)


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
    seen: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        # Settings of different choices of a config group are not compared.
        owner = group.settings.get(name) if name != key else None
        other = group.settings.get(_DECIDED_BY.get(key, ""))
        # As text: a stored setting from anybody may be a list.
        seen[repr((owner, other))].add(repr(group.settings.get(key)))
    return any(len(values) > 1 for values in seen.values())


def _order(group: Group) -> tuple[Any, ...]:
    run = group.runs[0]
    other = [(k, _sortable(v)) for k, v in sorted(group.settings.items())]
    return run.dataset, run.model, run.forcing != "sparse", run.forcing, run.tau or 0, other


def _sortable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if _real(value) else (1, 0.0, repr(value))


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
