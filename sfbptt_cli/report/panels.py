"""Runs grouped by what was varied, and the panels and lines of the sweep figure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.report.collection import METRICS, RunRecord, identity
from sfbptt_cli.report.statistics import Summary, summarise
from sfbptt_cli.storage.trajectories import read_trajectories

MODEL_LABELS = {
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "RNN",
    "plrnn": "PLRNN",
    "al_rnn": "AL-RNN",
    "dendritic_plrnn": "dendritic PLRNN",
    "shallow_plrnn": "shallow PLRNN",
}
# Columns that every table has.
COLUMNS = {
    "dataset.name": "dataset",
    "model.name": "model",
    "forcing.name": "forcing",
    "tau": "tau",
}
_MISSING = "–"


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
    def diverged(self) -> int:
        return sum(run.diverged for run in self.runs)

    @property
    def judged(self) -> bool:
        """Whether a figure has something to say: a number, or that the runs diverged."""
        return self.measured > 0 or self.diverged > 0

    @property
    def unfinished(self) -> int:
        """Runs without numbers that did not diverge: interrupted, failed, running, …"""
        return sum(not run.measured and not run.diverged for run in self.runs)

    def summary(self, metric: str) -> Summary:
        """Of the measured runs; one whose training diverged has no number, and is counted."""
        return summarise(run.metrics[metric].value for run in self.runs if metric in run.metrics)

    def setting(self, key: str) -> str:
        """A setting as it stands in a table."""
        value = self.settings.get(key)
        if isinstance(value, bool):
            return str(value).lower()
        return _MISSING if value is None else f"{value:.12g}" if _real(value) else str(value)


class Band(NamedTuple):
    """The floor of a metric in a panel: its median and the range of truth against truth."""

    floor: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Groups of one model and method that differ in τ: a line, or a level where there is no τ."""

    label: str
    model: str
    groups: tuple[Group, ...]  # sorted by τ

    @property
    def swept(self) -> bool:
        """Whether it has a τ, and so a place on the axis."""
        return self.groups[0].tau is not None


@dataclass(frozen=True)
class Panel:
    """The groups of one dataset."""

    title: str
    groups: tuple[Group, ...]
    series: tuple[Series, ...]
    tau_predicted: float | None  # ln 2 / (λ_max dt), steps

    @property
    def runs(self) -> list[RunRecord]:
        return [run for group in self.groups for run in group.runs]

    def band(self, metric: str) -> Band | None:
        """The floor of the panel's runs, None where none has one."""
        found = [run.metrics[metric] for run in self.runs if metric in run.metrics]
        found = [m for m in found if math.isfinite(m.floor)]
        if not found:
            return None
        ends = [x for m in found for x in (m.floor, m.floor_low, m.floor_high) if math.isfinite(x)]
        return Band(summarise(m.floor for m in found).median, min(ends), max(ends))


def group_runs(runs: Iterable[RunRecord]) -> list[Group]:
    """Runs with the same settings but for the seed, sorted by dataset, model, method and τ."""
    found: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        found[identity(run.settings)].append(run)
    groups = [
        Group(members[0].settings, tuple(sorted(members, key=lambda run: run.seed)))
        for members in found.values()
    ]
    return sorted(groups, key=_order)


def varied(groups: Sequence[Group]) -> list[str]:
    """The settings, beside those of COLUMNS, in which groups differ.

    A setting of a dataset, model, method, … counts where it differs between groups of the same
    one: that another model has other sizes goes without saying.
    """
    keys = sorted({key for group in groups for key in group.settings} - COLUMNS.keys())
    return [key for key in keys if _varies(groups, key)]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last part of a dotted key where that is enough to tell it from the others.

    Validation and evaluation share their words with each other and with training.
    """
    last = [key.rpartition(".")[2] for key in keys]
    taken = [*COLUMNS.values(), "seed", "name"]
    shared = ("validation.", "evaluation.")
    return {
        key: key if last.count(name) > 1 or name in taken or key.startswith(shared) else name
        for key, name in zip(keys, last, strict=True)
    }


def panels(groups: Sequence[Group]) -> list[Panel]:
    """One panel a dataset; a dataset whose own settings were varied has one for each."""
    found = []
    by_name: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_name[group.runs[0].dataset].append(group)
    for name, same in by_name.items():
        keys = _needed([key for key in varied(same) if key.startswith("dataset.")], same)
        members: dict[tuple[str, ...], list[Group]] = defaultdict(list)
        for group in same:
            own = tuple(f"{_last(key)}={group.setting(key)}" for key in keys)
            members[own].append(group)
        for own, panel in members.items():
            title = ", ".join([name, *own])
            found.append(Panel(title, tuple(panel), tuple(_series(panel)), _tau_predicted(panel)))
    return found


def _needed(keys: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """The fewest of the settings, found greedily, that tell apart all that the settings do."""
    kept = list(keys)
    for key in keys:
        fewer = [other for other in kept if other != key]
        if _kinds(groups, fewer) == _kinds(groups, keys):
            kept = fewer
    return kept


def _kinds(groups: Sequence[Group], keys: Sequence[str]) -> int:
    """How many combinations of values there are."""
    return len({tuple(group.setting(key) for key in keys) for group in groups})


def spans_decades(metric: str, values: Sequence[float]) -> bool:
    """Whether an axis should be logarithmic; of D_H and λ_max, which are bounded, never."""
    known = [value for value in values if math.isfinite(value)]
    unbounded = metric.startswith("d_stsp") or metric == "prediction_error"
    return unbounded and bool(known) and min(known) > 0 and max(known) > 10 * min(known)


def _series(groups: Sequence[Group]) -> list[Series]:
    """Lines of one panel, named by model, method, and what else tells them apart.

    Settings that change with τ alone, as a window that has to hold it, split no line.
    """
    kinds: dict[tuple[str, str, bool], list[Group]] = defaultdict(list)
    for group in groups:
        run = group.runs[0]
        kinds[run.model, _method(group), run.tau is not None].append(group)
    found = []
    for (model, method, _), kind in kinds.items():
        by_tau: dict[int | None, list[Group]] = defaultdict(list)
        for group in kind:
            by_tau[group.tau].append(group)
        keys = _needed(sorted({k for same in by_tau.values() for k in varied(same)}), kind)
        lines: dict[tuple[str, ...], list[Group]] = defaultdict(list)
        for group in kind:
            own = tuple(f"{_last(key)}={group.setting(key)}" for key in keys)
            lines[own].append(group)
        for own, members in lines.items():
            label = ", ".join(filter(None, [MODEL_LABELS.get(model, model), method, *own]))
            found.append(Series(label, model, tuple(members)))
    return sorted(found, key=lambda series: not series.swept)


def _method(group: Group) -> str:
    """The training method in a label; nothing for sparse forcing, which the figure is about."""
    forcing = group.runs[0].forcing
    if forcing == "none":
        limits = (group.settings.get(f"optimizer.{key}") for key in ("clip_norm", "clip_value"))
        return "clipping" if any(limit is not None for limit in limits) else "BPTT"
    return "" if forcing == "sparse" else forcing


def _tau_predicted(groups: Sequence[Group]) -> float | None:
    """τ_pred = ln 2 / (λ_max · dt) in steps (Mikhaeil et al. 2022, section 4), not rounded."""
    for run in (run for group in groups for run in group.runs):
        if run.lambda_max is None or not 0 < run.lambda_max < math.inf:
            continue
        dt = run.settings.get("dataset.dt")
        if dt is None:  # told by the time stamps of a file
            try:
                dt = read_trajectories(run.folder.trajectories).attributes.get("dt")
            except RequestError:
                continue
        if dt is not None and 0 < float(dt) < math.inf:
            return math.log(2) / (run.lambda_max * float(dt))
    return None


def disagreements(panel: Panel) -> list[str]:
    """What forbids comparing the numbers of a panel, in words."""
    found = []
    for metric in METRICS:
        measured = {run.metrics[metric].settings for run in panel.runs if metric in run.metrics}
        if len(measured) > 1:
            ways = "; ".join(
                sorted(", ".join(f"{k} {v}" for k, v in settings) for settings in measured)
            )
            found.append(f"{panel.title}: {METRICS[metric]} was measured in several ways ({ways})")
    data = {run.manifest.get("dataset") for run in panel.runs}
    if len(data - {None}) > 1:
        found.append(f"{panel.title}: the runs have {len(data - {None})} different sets of data")
    return found


def _varies(groups: Sequence[Group], key: str) -> bool:
    """Whether groups of the same dataset, model, … differ in its setting `key`."""
    name = f"{key.partition('.')[0]}.name"
    seen: dict[Any, set[str]] = defaultdict(set)
    for group in groups:
        # Of another choice of the config group, the setting says nothing.
        owner = group.settings.get(name) if name != key else None
        if key == "optimizer.learning_rate":  # its default is the model's
            owner = (owner, group.settings.get("model.name"))
        seen[owner].add(repr(group.settings.get(key)))
    return any(len(values) > 1 for values in seen.values())


def _order(group: Group) -> tuple[Any, ...]:
    run = group.runs[0]
    other = [(k, _sortable(v)) for k, v in sorted(group.settings.items())]
    return run.dataset, run.model, run.forcing != "sparse", run.forcing, run.tau or 0, other


def _sortable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if _real(value) else (1, 0.0, repr(value))


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _last(key: str) -> str:
    return key.rpartition(".")[2]
