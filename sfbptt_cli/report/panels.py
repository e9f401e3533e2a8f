"""The groups of a dataset as lines over τ."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.program import program
from sfbptt_cli.figures.sweep import Band
from sfbptt_cli.models.settings import MODEL_LABELS
from sfbptt_cli.report.collection import RunRecord
from sfbptt_cli.report.comparison import difference, remedy
from sfbptt_cli.report.groups import Group, varied
from sfbptt_cli.report.statistics import summarise
from sfbptt_cli.storage.trajectories import read_trajectories


@dataclass(frozen=True)
class Series:
    """Groups of one model and method that differ in τ: a line, or a level where there is no τ."""

    label: str
    model: str
    groups: tuple[Group, ...]  # sorted by τ

    @property
    def swept(self) -> bool:
        """Return whether the series has a τ, and so a place on the axis."""
        return self.groups[0].tau is not None

    @property
    def judged(self) -> tuple[Group, ...]:
        """Return the groups that a figure can show: with a number, or with diverged runs."""
        return tuple(group for group in self.groups if group.measured or group.diverged)


@dataclass(frozen=True)
class Panel:
    """The groups of one dataset."""

    title: str
    groups: tuple[Group, ...]
    series: tuple[Series, ...]
    tau_predicted: float | None  # ln 2 / (λ_max dt), steps

    def label(self, group: Group) -> str:
        """Return the name of a group: that of its line, and τ where the panel has several."""
        line = next(series.label for series in self.series if group in series.groups)
        return f"{line}, τ = {group.tau}" if group.tau and len(self.taus) > 1 else line

    @property
    def taus(self) -> set[int]:
        return {group.tau for group in self.groups if group.tau is not None}

    @property
    def runs(self) -> list[RunRecord]:
        return [run for group in self.groups for run in group.runs]

    def band(self, metric: str) -> Band | None:
        """Return the floor of the panel's runs, None where none has one."""
        found = [run.metrics[metric] for run in self.runs if run.alike and metric in run.metrics]
        found = [m for m in found if math.isfinite(m.floor)]
        if not found:
            return None
        ends = [x for m in found for x in (m.floor, m.floor_low, m.floor_high) if math.isfinite(x)]
        return Band(summarise(m.floor for m in found).median, min(ends), max(ends))

    def truth(self, metric: str) -> float:
        """Return the system's value of a metric, NaN where it is not known."""
        found = (run.metrics[metric].truth for run in self.runs if metric in run.metrics)
        return summarise(found).median


def panels(groups: Sequence[Group]) -> list[Panel]:
    """Return a panel for each dataset, or for each of a dataset's varied settings."""
    found = []
    by_name: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_name[group.runs[0].dataset].append(group)
    for name, same in by_name.items():
        keys = [key for key in varied(same) if key.startswith("dataset.")]
        keys = _needed(sorted(keys, key=_known_by), same)
        for own, members in _split(same, keys).items():
            title = ", ".join([name, *(text for text in own if not text.endswith("=-"))])
            series = tuple(_series(members))
            found.append(Panel(title, tuple(members), series, _tau_predicted(members)))
    return found


def _split(groups: Sequence[Group], keys: Sequence[str]) -> dict[tuple[str, ...], list[Group]]:
    """Split groups by their values of the settings, each as `name=value`."""
    found: dict[tuple[str, ...], list[Group]] = defaultdict(list)
    for group in groups:
        own = tuple(f"{key.rpartition('.')[2]}={group.setting(key)}" for key in keys)
        found[own].append(group)
    return found


def _known_by(key: str) -> int:
    """Return how well a person knows data by a setting: files and columns before their sign."""
    return 2 if key.endswith(("path", "columns")) else key != "dataset.fingerprint"


def _needed(keys: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """Return the fewest of the settings, found greedily, that separate the same groups."""
    kept = list(keys)
    for key in keys:
        fewer = [other for other in kept if other != key]
        if len(_split(groups, fewer)) == len(_split(groups, keys)):
            kept = fewer
    return kept


def _series(groups: Sequence[Group]) -> list[Series]:
    """Return the lines of one panel, named by model, method, and the settings they differ in.

    Groups of a line differ in τ alone.
    """
    kinds: dict[tuple[str, str, bool], list[Group]] = defaultdict(list)
    for group in groups:
        run = group.runs[0]
        kinds[run.model, _method(group), run.tau is not None].append(group)
    found = []
    for (model, method, _), kind in kinds.items():
        keys = _needed(varied(kind), kind)
        for own, members in _split(kind, keys).items():
            label = ", ".join(filter(None, [MODEL_LABELS.get(model, model), method, *own]))
            found.append(Series(label, model, tuple(members)))
    return sorted(found, key=lambda series: not series.swept)


def _method(group: Group) -> str:
    """Return the training method for a label; nothing for sparse forcing, the usual one."""
    forcing = group.runs[0].forcing
    if forcing == "none":
        limits = (group.settings.get(f"optimizer.{key}") for key in ("clip_norm", "clip_value"))
        return "clipping" if any(limit is not None for limit in limits) else "BPTT"
    return "" if forcing == "sparse" else forcing


def _tau_predicted(groups: Sequence[Group]) -> float | None:
    """Return τ_pred = ln 2 / (λ_max · dt) in steps (Mikhaeil et al. 2022, section 4)."""
    for run in (run for group in groups for run in group.runs):
        if run.lambda_max is None or not 0 < run.lambda_max < math.inf:
            continue
        dt = run.settings.get("dataset.dt")
        if dt is None:  # it was found in the time stamps of a file
            try:
                dt = read_trajectories(run.folder.trajectories).attributes.get("dt")
            except RequestError:
                continue
        if dt is not None and 0 < float(dt) < math.inf:
            return math.log(2) / (run.lambda_max * float(dt))
    return None


def disagreements(panel: Panel) -> list[str]:
    """Return which runs are left out of medians, and what else cannot be compared; in words."""
    common = next((run.measurement for run in panel.runs if run.measurement and run.alike), None)
    usual = common.settings if common else ()
    odd = [r.measurement.settings for r in panel.runs if r.measurement and not r.alike]
    otherwise = Counter((difference(own, usual), remedy(own, usual)) for own in odd)
    found = [
        f"{n} run{'s' * (n != 1)} measured otherwise ({how}): in no median or mean"
        + f"; {program()} evaluate runs=… {settings} measures all alike" * bool(settings)
        for (how, settings), n in otherwise.items()
    ]
    data = {run.manifest.get("dataset") for run in panel.runs} - {None}
    if len(data) > 1:
        found.append(f"the runs have {len(data)} different sets of data")
    return [f"{panel.title}: {reason}" for reason in found]
