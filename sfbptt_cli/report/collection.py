"""The runs below a folder, read from their stored files alone, and the measurement shown of each.

What cannot be read is named with a reason; nothing is dropped silently. One median never mixes
settings of evaluation.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sfbptt_cli.common.documents import ODD
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.terminal import shown
from sfbptt_cli.config.schema import changes_results, flatten
from sfbptt_cli.report.measurements import Measurement, Metric, read_measurements, stored_number
from sfbptt_cli.storage.own_files import require_own_files
from sfbptt_cli.storage.run_folder import SCHEMA, RunFolder

Settings = tuple[tuple[str, Any], ...]
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)

# A folder that holds one of these is a run, or what is left of one.
_SIGNS = frozenset({"config.yaml", "run.json", "metrics.csv", "evaluation.json", "trajectories.h5"})
_INSIDE_A_RUN = frozenset({"checkpoints", "figures"})
# That a picture can hold.
_LARGEST_TAU, _LARGEST_RATE = 10**9, 1e9
_GIVEN = "evaluation."  # before the name of a setting; others follow from them and the data
# Characters of a fingerprint that tell the data of a report apart.
_SIGN = 8


class Skipped(NamedTuple):
    """A folder or file that the report leaves out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class RunRecord:
    """One run, as its files describe it."""

    folder: RunFolder
    label: str  # its path below the reported folder
    settings: dict[str, Any]  # flat; all that changes results, but the seed; tau as it was used
    dataset: str
    model: str
    forcing: str
    tau: int | None  # steps
    seed: int
    status: str  # of run.json
    measurements: tuple[Measurement, ...]  # the one that is shown, then those with other settings
    lambda_max: float | None  # of the system or the data, per time unit
    manifest: dict[str, Any]
    alike: bool = True  # whether it was measured as most runs on its data were

    @property
    def measurement(self) -> Measurement | None:
        return self.measurements[0] if self.measurements else None

    @property
    def measured(self) -> bool:
        """Return whether training ended and the model was measured."""
        return bool(self.measurements)

    @property
    def metrics(self) -> dict[str, Metric]:
        return self.measurement.metrics if self.measurement else {}

    @property
    def result(self) -> str:
        """Return the result in words; empty where there is none yet."""
        failed = "not reconstructed" if self.status == "diverged" else ""
        return self.measurement.result if self.measurement else failed

    @property
    def dynamics(self) -> str:
        """Return what the model does in the long run; how training ended where it is not known."""
        if self.measurement:
            return self.measurement.dynamics
        return "diverged in training" if self.status == "diverged" else self.status

    @property
    def diverged(self) -> bool:
        """Return whether training diverged, or the trained model does when it runs freely."""
        return "diverged" in (self.status, self.dynamics)


def collect(folder: Path) -> tuple[list[RunRecord], list[Skipped]]:
    """Read every run below `folder`; return them sorted by path, and what was left out.

    Raises RequestError (field `runs`) where there is no folder, no run, or none that can be read.
    """
    if not folder.is_dir():
        raise RequestError(f"runs: '{folder}' is not a folder; accepted: a folder of runs")
    runs: list[RunRecord] = []
    skipped: list[Skipped] = []
    for path in _candidates(folder, skipped):
        label = "." if path == folder else str(path.relative_to(folder))
        try:
            runs.append(_read(path, label))
        except (RequestError, OSError, ValueError, TypeError, RecursionError) as error:
            reason = shown(reason_of(error, path)) or type(error).__name__
            skipped.append(Skipped(shown(label), reason))
    if not runs:
        holds, what = f"'{folder}' holds no run", "a folder with runs below it"
        if skipped:
            first = f"{skipped[0].path}: {skipped[0].reason}"
            holds = f"no run below '{folder}' can be read ({len(skipped)} tried; {first})"
        else:
            what += ", as outputs/<name>"
        raise RequestError(f"runs: {holds}; accepted: {what}")
    return _without_repetitions(runs, skipped), skipped


def reason_of(error: Exception, folder: Path) -> str:
    """Return an error's message in one line, with paths relative to the run's folder."""
    return " ".join(str(error).removeprefix("run: ").replace(f"{folder}{os.sep}", "").split())


def _candidates(folder: Path, skipped: list[Skipped]) -> Iterator[Path]:
    """Yield folders that are runs or remains of runs, sorted."""

    def unreadable(error: OSError) -> None:
        skipped.append(Skipped(shown(str(error.filename)), f"cannot be read: {error.strerror}"))

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        if _SIGNS.intersection(files):
            yield Path(parent)
            folders[:] = [name for name in folders if name not in _INSIDE_A_RUN]
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def _read(path: Path, label: str) -> RunRecord:
    folder = RunFolder(path)
    if odd := ODD.search(label) or re.search(r"[\n\r\t]", label):
        raise ValueError(f"its name holds {odd[0]!r}")
    require_own_files(path)
    for file in (folder.config_file, folder.manifest_file):
        if not file.is_file():
            raise ValueError(f"half-written: there is no {file.name}")
    settings, manifest = flatten(folder.config()), folder.manifest()
    if (schema := manifest.get("schema")) != SCHEMA:
        raise ValueError(f"run.json has schema {schema}; this version reads {SCHEMA}")
    tau, seed = manifest.get("tau"), settings.get("seed")
    if not (tau is None or (type(tau) is int and 1 <= tau <= _LARGEST_TAU)):
        raise ValueError(f"run.json: tau is {tau!r}")
    if not isinstance(manifest.get("dataset", ""), str):
        raise ValueError("run.json: dataset is no fingerprint")
    if not isinstance(seed, int):
        raise ValueError(f"config.yaml: seed is {seed!r}")
    _rate(settings.get("dataset.dt"), "config.yaml: dataset.dt")
    status = _text(manifest, "status", "run.json")
    ended = status == "finished" or (status == "trained" and folder.evaluation_file.exists())
    own = {k: v for k, v in settings.items() if changes_results(k) and k != "seed"}
    return RunRecord(
        folder=folder,
        label=shown(label),
        settings={**own, **_data(own, manifest), "tau": tau},
        dataset=_text(settings, "dataset.name", "config.yaml"),
        model=_text(settings, "model.name", "config.yaml"),
        forcing=_text(settings, "forcing.name", "config.yaml"),
        tau=tau,
        seed=seed,
        status=status,
        measurements=tuple(read_measurements(folder)) if ended else (),
        lambda_max=_rate(manifest.get("lambda_max"), "run.json: lambda_max", signed=True),
        manifest=manifest,
    )


def _data(settings: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells recorded data apart: the names of files, and a sign of the content.

    Files move, and files of one name may hold different data.
    """
    names = {
        key: Path(value).name
        for key, value in settings.items()
        if key.startswith("dataset.") and key.endswith("path") and isinstance(value, str)
    }
    sign = manifest.get("dataset", "")[:_SIGN]
    return {**names, "dataset.fingerprint": sign} if names and sign else names


def _rate(stored: Any, where: str, signed: bool = False) -> float | None:
    """Return a number whose size a picture can hold, None where there is none."""
    if stored is None:
        return None
    value, low = stored_number(stored, where), 1 / _LARGEST_RATE
    if not (low <= value <= _LARGEST_RATE or math.isnan(value) or (signed and value <= 0)):
        raise ValueError(f"{where} is {value:g}, not from {low:g} to {_LARGEST_RATE:g}")
    return value


def _text(entries: Mapping[str, Any], key: str, file: str) -> str:
    value = entries.get(key)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{file}: {key} is {value!r}")
    return value


def _without_repetitions(runs: list[RunRecord], skipped: list[Skipped]) -> list[RunRecord]:
    """Keep one run for each settings and seed: a repeated run is no second seed.

    A measured run is kept before others, then the first by path.
    """
    kept = []
    same = grouped(runs, lambda run: f"{run.seed} {identity(run.settings)}")
    for first, *others in (sorted(x, key=lambda run: not run.measured) for x in same.values()):
        kept.append(first)
        reason = f"repeats settings and seed of {first.label}, which is counted"
        skipped += [Skipped(run.label, reason) for run in others]
    return sorted(kept, key=lambda run: run.label)


def identity(settings: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal settings only."""
    return repr(sorted(settings.items()))


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Return the items of each key, both in the order in which they come."""
    found: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return dict(found)


def compared(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs, each with the measurement whose settings most runs on its data share.

    A run without such a measurement keeps its own and is no longer `alike`.
    """
    found = []
    for same in grouped(runs, _of_dataset).values():
        common = _most_common(same)
        found += [_showing(run, common) for run in same]
    return sorted(found, key=lambda run: run.label)


def other_measurements(runs: Sequence[RunRecord]) -> list[tuple[str, list[RunRecord]]]:
    """Return, for every other settings, how they differ and the runs that were measured so.

    All runs have the same data.
    """
    common = _most_common(runs)
    kinds = dict.fromkeys(m.settings for run in runs for m in run.measurements)
    kinds.pop(common, None)
    shown = {kind: [_showing(run, kind) for run in runs] for kind in kinds}
    return [
        (difference(kind, common), [run for run in found if run.measured and run.alike])
        for kind, found in shown.items()
    ]


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


def _of_dataset(run: RunRecord) -> str:
    return identity({key: v for key, v in run.settings.items() if key.startswith("dataset.")})


def _most_common(runs: Sequence[RunRecord]) -> Settings:
    """Return the settings that most runs were measured with; among equals, those shown first."""
    shown = Counter(run.measurement.settings for run in runs if run.measurement)
    every = Counter(m.settings for run in runs for m in run.measurements)
    return max(every, key=lambda settings: (every[settings], shown[settings]), default=())


def _showing(run: RunRecord, settings: Settings) -> RunRecord:
    """Return the run with the measurement of these settings in front."""
    ordered = tuple(sorted(run.measurements, key=lambda m: m.settings != settings))
    alike = not ordered or ordered[0].settings == settings
    return replace(run, measurements=ordered, alike=alike)
