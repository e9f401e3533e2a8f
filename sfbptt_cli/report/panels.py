"""The groups of a dataset as lines over τ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.program import program
from sfbptt_cli.figures.sweep import Band
from sfbptt_cli.models.settings import MODEL_LABELS
from sfbptt_cli.report.collection import RunRecord, difference, grouped, remedy
from sfbptt_cli.report.groups import Group, summarise, varied
from sfbptt_cli.storage.trajectories import read_trajectories

MOST_SHOWN = 12  # runs on a page, so that it stays small: three of each of four datasets


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
    for name, same in grouped(groups, lambda group: group.runs[0].dataset).items():
        keys = [key for key in varied(same) if key.startswith("dataset.")]
        keys = _needed(sorted(keys, key=_known_by), same)
        for own, members in _split(same, keys).items():
            title = ", ".join([name, *(text for text in own if not text.endswith("=-"))])
            found.append(Panel(title, tuple(members), _series(members), _tau_predicted(members)))
    return found


def _split(groups: Sequence[Group], keys: Sequence[str]) -> dict[tuple[str, ...], list[Group]]:
    """Split groups by their values of the settings, each as `name=value`."""
    return grouped(
        groups, lambda g: tuple(f"{key.rpartition('.')[2]}={g.setting(key)}" for key in keys)
    )


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


def _series(groups: Sequence[Group]) -> tuple[Series, ...]:
    """Return the lines of one panel, named by model, method, and the settings they differ in.

    Groups of a line differ in τ alone.
    """
    kinds = grouped(groups, lambda g: (g.runs[0].model, _method(g), g.tau is not None))
    found = []
    for (model, method, _), kind in kinds.items():
        for own, members in _split(kind, _needed(varied(kind), kind)).items():
            label = ", ".join(filter(None, [MODEL_LABELS.get(model, model), method, *own]))
            found.append(Series(label, model, tuple(members)))
    return tuple(sorted(found, key=lambda series: not series.swept))


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
            with suppress(RequestError):
                dt = read_trajectories(run.folder.trajectories).attributes.get("dt")
        if dt is not None and 0 < float(dt) < math.inf:
            return math.log(2) / (run.lambda_max * float(dt))
    return None


def choose(panel: Panel, metric: str, panels: int) -> list[tuple[str, RunRecord]]:
    """Return best, median and worst run by `metric`; fewer where many datasets share a page."""
    values = [(run.metrics[metric].value, run) for run in panel.runs if metric in run.metrics]
    ranked = sorted((x for x in values if not math.isnan(x[0])), key=lambda x: x[0])
    last = len(ranked) - 1
    kinds = [("best", 0), ("worst", last), ("median", last // 2)][: max(1, MOST_SHOWN // panels)]
    # A run has the first of its kinds.
    picked = {i: kind for kind, i in reversed(kinds)} if ranked else {}
    return [(kind, ranked[i][1]) for i, kind in sorted(picked.items())]


def disagreements(panel: Panel) -> list[str]:
    """Return which runs are left out of medians, and what else cannot be compared; in words."""
    measured = [(run.alike, run.measurement.settings) for run in panel.runs if run.measurement]
    common = next((settings for alike, settings in measured if alike), ())
    odd = [settings for alike, settings in measured if not alike]
    otherwise = Counter((difference(own, common), remedy(own, common)) for own in odd)
    found = [
        f"{n} run{'s' * (n != 1)} measured otherwise ({how}): in no median or mean"
        + f"; {program()} evaluate runs=… {settings} measures all alike" * bool(settings)
        for (how, settings), n in otherwise.items()
    ]
    data = {run.manifest.get("dataset") for run in panel.runs} - {None}
    if len(data) > 1:
        found.append(f"the runs have {len(data)} different sets of data")
    return [f"{panel.title}: {reason}" for reason in found]
