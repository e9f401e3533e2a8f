"""A run's folder: what lies where, whether it may be used, and its manifest."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from sfbptt_cli.config import NOT_RESULTS, flatten, typed_config
from sfbptt_cli.errors import RequestError
from sfbptt_cli.storage.atomic import write_json, write_text

SCHEMA = 1

# Every name that a run writes but config.yaml, by which it is known; `overwrite` removes these and
# nothing else.
_FILES = (
    "run.json",
    "metrics.csv",
    "trajectories.h5",
    "evaluation.json",
    "lyapunov.json",
    "gradients.json",
)
_FOLDERS = ("checkpoints", "figures")


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.manifest_file = path / "run.json"
        self.metrics_file = path / "metrics.csv"
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self.trajectories = path / "trajectories.h5"
        self.evaluation_file = path / "evaluation.json"
        self.figures = path / "figures"

    @classmethod
    def existing(cls, path: Path, field: str) -> RunFolder:
        """A folder that holds a run; RequestError otherwise."""
        folder = cls(path)
        if not path.is_dir():
            raise RequestError(f"{field}: '{path}' is not a folder; accepted: the folder of a run")
        if not folder.config_file.is_file() or not folder.manifest_file.is_file():
            raise RequestError(
                f"{field}: '{path}' is not a run (no config.yaml and run.json in it); "
                "accepted: the folder of a run"
            )
        return folder

    def claim(self, config: dict[str, Any], overwrite: bool) -> None:
        """Make the folder this run's own, or refuse without touching it.

        A new folder, or one whose stored config agrees in everything that changes results, is
        accepted. Another config is refused with the differing keys named; `overwrite` removes the
        earlier run's files. A folder with other files in it is never touched.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RequestError(f"name: '{self.path}' is a file; name=… gives another folder")
        names = sorted(p.name for p in self.path.iterdir()) if self.path.exists() else []
        # A run that was killed as it began leaves these.
        present = [n for n in names if n != ".lock" and not n.startswith(".config-")]
        if present and not self.config_file.is_file():
            raise RequestError(
                f"name: '{self.path}' is no run but holds {present[0]}; name=… gives another folder"
            )
        if present and not overwrite:
            self._compare(config)
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with self.lock():  # nothing is removed from under a process that works on the run
            self._remove()
            text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
            write_text(self.config_file, text)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes off the run; RequestError when one is at it.

        The kernel drops the lock when its process ends, however it ends.
        """
        with (self.path / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RequestError(
                    f"name: another process works on '{self.path}'; name=… gives another folder"
                ) from None
            yield

    def _compare(self, config: dict[str, Any]) -> None:
        before = self.config()
        with suppress(RequestError):  # settings that were added since then have their defaults
            before = asdict(typed_config(before))
        stored, given = flatten(before), flatten(config)
        differing = [
            f"{key} ({stored.get(key)} there, {given.get(key)} given)"
            for key in sorted(stored.keys() | given.keys())
            if key not in NOT_RESULTS and stored.get(key) != given.get(key)
        ]
        if differing:
            raise RequestError(
                f"name: '{self.path}' holds another run, which differs in {', '.join(differing)}; "
                "name=… gives another folder, overwrite=true starts again"
            )

    def _remove(self) -> None:
        for name in _FILES:
            (self.path / name).unlink(missing_ok=True)
        for name in _FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def config(self) -> dict[str, Any]:
        """The stored configuration as plain values."""
        try:
            content = yaml.safe_load(self.config_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())  # YAML's takes several lines
            raise RequestError(f"run: '{self.config_file}' cannot be read: {reason}") from error
        if not isinstance(content, dict):
            raise RequestError(f"run: '{self.config_file}' is not a mapping of settings")
        return content

    def manifest(self) -> dict[str, Any]:
        """run.json, empty before the run has begun."""
        return _read_json(self.manifest_file) if self.manifest_file.exists() else {}

    def update_manifest(self, **entries: Any) -> None:
        """Replace entries of run.json, keeping the others."""
        write_json(self.manifest_file, {"schema": SCHEMA, **self.manifest(), **entries})

    def write_history(self, rows: Sequence[dict[str, Any]]) -> None:
        """metrics.csv, one row an epoch; an empty field is a value that was not computed."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.metrics_file, text.getvalue())

    def history(self) -> list[dict[str, Any]]:
        """The rows of metrics.csv as numbers, None where a field is empty."""
        try:
            with self.metrics_file.open(newline="", encoding="utf-8") as file:
                return [
                    {k: int(v) if k == "epoch" else float(v) if v else None for k, v in row.items()}
                    for row in csv.DictReader(file)
                ]
        except (OSError, ValueError, TypeError) as error:
            raise RequestError(f"run: '{self.metrics_file}' cannot be read: {error}") from error

    def write_evaluation(self, evaluation: dict[str, Any]) -> None:
        """evaluation.json."""
        write_json(self.evaluation_file, evaluation)

    def evaluation(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        return _read_json(self.evaluation_file)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"run: '{path}' cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RequestError(f"run: '{path}' is not a JSON object")
    return content
