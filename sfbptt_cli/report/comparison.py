"""Which of a run's measurements is shown: one median never mixes settings of evaluation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sfbptt_cli.report.collection import RunRecord, identity
from sfbptt_cli.report.measurements import Measurement

_GIVEN = "evaluation."  # before the name of a setting; others follow from them and the data

Settings = tuple[tuple[str, Any], ...]


def compared(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs, each with the measurement whose settings most runs on its data share.

    A run without such a measurement keeps its own and is no longer `alike`.
    """
    found = []
    for same in _by_data(runs):
        common = _most_common(same)
        found += [_showing(run, common) for run in same]
    return sorted(found, key=lambda run: run.label)


def other_measurements(runs: Sequence[RunRecord]) -> list[tuple[str, list[RunRecord]]]:
    """Return, for every other settings, how they differ and the runs that were measured so."""
    found = []
    for same in _by_data(runs):
        common = _most_common(same)
        kinds = {m.settings: None for run in same for m in _all(run) if m.settings != common}
        for kind in kinds:
            measured = [run for run in same if any(m.settings == kind for m in _all(run))]
            found.append((difference(kind, common), [_showing(run, kind) for run in measured]))
    return found


def difference(settings: Settings, common: Settings) -> str:
    """Return in words where settings differ from the common ones: those given, or what followed."""
    here, there = dict(settings), dict(common)
    keys = [key for key in sorted({**here, **there}) if here.get(key) != there.get(key)]
    keys = [key for key in keys if key.startswith(_GIVEN)] or keys
    return ", ".join(f"{key} {here.get(key)} for {there.get(key)}" for key in keys)


def remedy(settings: Settings, common: Settings) -> str:
    """Return the settings of `sfbptt evaluate` that measure as the common ones; "" for none."""
    here, there = dict(settings), dict(common)
    keys = [key for key in there if key.startswith(_GIVEN) and here.get(key) != there[key]]
    return " ".join(f"{key}={'null' if there[key] is None else there[key]}" for key in keys)


def _by_data(runs: Sequence[RunRecord]) -> list[list[RunRecord]]:
    found: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        data = {key: v for key, v in run.settings.items() if key.startswith("dataset.")}
        found[identity(data)].append(run)
    return list(found.values())


def _all(run: RunRecord) -> tuple[Measurement, ...]:
    return (run.measurement, *run.others) if run.measurement else ()


def _most_common(runs: Sequence[RunRecord]) -> Settings:
    """Return the settings that most runs were measured with; among equals, those shown first."""
    shown = Counter(run.measurement.settings for run in runs if run.measurement)
    every = Counter(m.settings for run in runs for m in _all(run))
    return max(every, key=lambda settings: (every[settings], shown[settings]), default=())


def _showing(run: RunRecord, settings: Settings) -> RunRecord:
    """Return the run with the measurement of these settings in front."""
    ordered = sorted(_all(run), key=lambda m: m.settings != settings)
    if not ordered:
        return run
    alike = ordered[0].settings == settings
    return replace(run, measurement=ordered[0], others=tuple(ordered[1:]), alike=alike)
