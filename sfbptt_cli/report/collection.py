"""The runs below a folder, read from their stored files alone.

What cannot be read is named with a reason; nothing is dropped silently.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sfbptt_cli.common.documents import ODD
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.terminal import shown
from sfbptt_cli.config.schema import changes_results, flatten
from sfbptt_cli.report.measurements import Measurement, Metric, read_measurements, stored_number
from sfbptt_cli.storage.own_files import require_own_files
from sfbptt_cli.storage.run_folder import SCHEMA, RunFolder

# A folder that holds one of these is a run, or what is left of one.
_SIGNS = frozenset({"config.yaml", "run.json", "metrics.csv", "evaluation.json", "trajectories.h5"})
_INSIDE_A_RUN = frozenset({"checkpoints", "figures"})
# That a picture can hold.
_LARGEST_TAU, _LARGEST_RATE = 10**9, 1e9
# Characters of a fingerprint that tell the data of a report apart.
_SIGN = 8
# Of these a run's numbers are those of finished training.
_TRAINED = ("trained", "finished")


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
    measurement: Measurement | None  # the one that is shown; None where nothing was measured
    others: tuple[Measurement, ...]  # with other settings
    alike: bool  # whether it was measured as most runs on its data were
    lambda_max: float | None  # of the system or the data, per time unit
    manifest: dict[str, Any]

    @property
    def measured(self) -> bool:
        """Return whether training ended and the model was measured."""
        return self.measurement is not None

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
        if skipped:
            first = f"{skipped[0].path}: {skipped[0].reason}"
            raise RequestError(
                f"runs: no run below '{folder}' can be read ({len(skipped)} tried; {first}); "
                "accepted: a folder with runs below it"
            )
        raise RequestError(
            f"runs: '{folder}' holds no run; accepted: a folder with runs below it, "
            "as outputs/<name>"
        )
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
    if manifest.get("schema") != SCHEMA:
        raise ValueError(
            f"run.json has schema {manifest.get('schema')}; this version reads {SCHEMA}"
        )
    status = _text(manifest, "status", "run.json")
    tau = manifest.get("tau")
    if not (tau is None or (type(tau) is int and 1 <= tau <= _LARGEST_TAU)):
        raise ValueError(f"run.json: tau is {tau!r}")
    if not isinstance(manifest.get("dataset", ""), str):
        raise ValueError("run.json: dataset is no fingerprint")
    seed = settings.get("seed")
    if not isinstance(seed, int):
        raise ValueError(f"config.yaml: seed is {seed!r}")
    if not math.isnan(dt := stored_number(settings.get("dataset.dt"), "config.yaml: dataset.dt")):
        _require_rate(dt, "config.yaml: dataset.dt")
    lambda_max = manifest.get("lambda_max")
    if lambda_max is not None:
        lambda_max = stored_number(lambda_max, "run.json: lambda_max")
        if lambda_max > 0:
            _require_rate(lambda_max, "run.json: lambda_max")
    measurements: list[Measurement] = []
    if status in _TRAINED and (status == "finished" or folder.evaluation_file.exists()):
        measurements = read_measurements(folder)
    own = {k: v for k, v in settings.items() if changes_results(k) and k != "seed"}
    own |= _data(own, manifest)
    return RunRecord(
        folder=folder,
        label=shown(label),
        settings={**own, "tau": tau},
        dataset=_text(settings, "dataset.name", "config.yaml"),
        model=_text(settings, "model.name", "config.yaml"),
        forcing=_text(settings, "forcing.name", "config.yaml"),
        tau=tau,
        seed=seed,
        status=status,
        measurement=measurements[0] if measurements else None,
        others=tuple(measurements[1:]),
        alike=True,
        lambda_max=lambda_max,
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


def _require_rate(value: float, where: str) -> None:
    low = 1 / _LARGEST_RATE
    if not low <= value <= _LARGEST_RATE:
        raise ValueError(f"{where} is {value:g}, not from {low:g} to {_LARGEST_RATE:g}")


def _text(entries: Mapping[str, Any], key: str, file: str) -> str:
    value = entries.get(key)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{file}: {key} is {value!r}")
    return value


def _without_repetitions(runs: list[RunRecord], skipped: list[Skipped]) -> list[RunRecord]:
    """Keep one run for each settings and seed: a repeated run is no second seed.

    A measured run is kept before others, then the first by path.
    """
    kept: dict[str, RunRecord] = {}
    for run in sorted(runs, key=lambda run: not run.measured):
        first = kept.setdefault(f"{run.seed} {identity(run.settings)}", run)
        if first is not run:
            reason = f"repeats settings and seed of {first.label}, which is counted"
            skipped.append(Skipped(run.label, reason))
    return sorted(kept.values(), key=lambda run: run.label)


def identity(settings: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal settings only."""
    return repr(sorted(settings.items()))
