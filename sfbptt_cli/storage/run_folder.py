"""A run's folder: what lies where, whether it may be used, and its manifest."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from sfbptt_cli.common.atomic import leftovers, write_json, write_text
from sfbptt_cli.common.documents import read_json, read_yaml
from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.config.schema import REMOVED, REMOVED_VALUES, changes_results, flatten, typed_config
from sfbptt_cli.storage.history import read_history, write_history
from sfbptt_cli.storage.own_files import RUN_FILES, RUN_FOLDERS, require_own_files

SCHEMA = 1
# Values in run.json; a hundred are usual.
_MOST_ENTRIES = 20_000
# Of folders below one that was taken for a run, and of the runs found there.
_MOST_LOOKED_AT, _MOST_NAMED = 2_000, 3


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.manifest_file = path / "run.json"
        self.metrics_file = path / "metrics.csv"
        self.checkpoints = path / "checkpoints"
        self.last = self.checkpoints / "last.safetensors"
        self.previous = self.checkpoints / "previous.safetensors"  # the one before, in training
        self.best = self.checkpoints / "best.safetensors"
        self.trajectories = path / "trajectories.h5"
        self.evaluation_file = path / "evaluation.json"
        self.figures = path / "figures"
        self._lock: int | None = None  # the descriptor of .lock while this process holds it

    @classmethod
    def existing(cls, path: Path, field: str) -> RunFolder:
        """Open a folder that holds a run; RequestError otherwise."""
        folder = cls(path)
        if not path.is_dir():
            raise RequestError(f"{field}: '{path}' is not a folder; accepted: the folder of a run")
        if not folder.config_file.is_file() or not folder.manifest_file.is_file():
            raise RequestError(f"{field}: '{path}' is not a run{_hint(path)}")
        return folder

    def claim(self, config: dict[str, Any], overwrite: bool) -> None:
        """Make the folder this run's own, or refuse without touching it.

        A new folder, or one whose stored config agrees in everything that changes results, is
        accepted. Another config is refused with the differing keys named; `overwrite` removes the
        earlier run's files. A folder with other files in it is never touched.
        """
        if not self._agrees(config, overwrite):
            with self.claimed(config, overwrite):
                pass

    @contextmanager
    def claimed(self, config: dict[str, Any], overwrite: bool) -> Iterator[None]:
        """Claim the folder and keep other processes off until the end."""
        self._agrees(config, overwrite)  # refused before anything is made
        self.path.mkdir(parents=True, exist_ok=True)
        with self.lock():  # nothing is removed from under a process that works on the run
            if not self._agrees(config, overwrite):
                self._remove()
                text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
                write_text(self.config_file, text)
            yield

    def _agrees(self, config: dict[str, Any], overwrite: bool) -> bool:
        """Return whether the folder is this run's and is not begun again; or refuse."""
        if self.path.exists() and not self.path.is_dir():
            raise RequestError(f"name: '{self.path}' is a file; name=… gives another folder")
        names = sorted(p.name for p in self.path.iterdir()) if self.path.exists() else []
        # A run that was killed as it began leaves these.
        present = [n for n in names if n != ".lock" and not n.startswith(".config-")]
        if present and not self.config_file.is_file():
            raise RequestError(
                f"name: '{self.path}' is no run but holds {present[0]}; name=… gives another folder"
            )
        if present:
            require_own_files(self.path)
        if not present or overwrite:
            return False
        self._compare(config)
        return True

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes off the run; RequestError when one works on it.

        The kernel drops the lock when its process ends, however it ends. Half-written files of
        killed processes are removed.
        """
        require_own_files(self.path)
        with (self.path / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RequestError(
                    f"name: another process works on '{self.path}'; name=… gives another folder"
                ) from None
            self._lock = file.fileno()
            try:
                self.require_own()
                self._remove_leftovers()
                yield
            finally:
                self._lock = None

    def require_own(self) -> None:
        """Raise RunFailed if the folder was removed or replaced since it was locked."""
        if self._lock is None:
            return
        held, found = os.fstat(self._lock), None
        with suppress(OSError):
            found = (self.path / ".lock").stat()
        if found is None or (held.st_dev, held.st_ino) != (found.st_dev, found.st_ino):
            raise RunFailed(
                f"'{self.path}' was removed from under the run; the same command starts it again"
            )

    def _remove_leftovers(self) -> None:
        own = {self.config_file.name, *RUN_FILES}
        for folder in (self.path, *(self.path / name for name in RUN_FOLDERS)):
            for path, name in leftovers(folder):
                if folder != self.path or name in own:
                    path.unlink(missing_ok=True)

    def _compare(self, config: dict[str, Any]) -> None:
        before = self.config()
        with suppress(RequestError):  # settings that were added since then have their defaults
            before = asdict(typed_config(before))
        stored, given = flatten(before), flatten(config)
        differing = [
            f"{key} ({stored.get(key)} there, {given.get(key)} given)"
            for key in sorted(stored.keys() | given.keys())
            if changes_results(key) and not _names_data(key) and stored.get(key) != given.get(key)
        ]
        if differing:
            raise RequestError(
                f"name: '{self.path}' holds another run, which differs in {', '.join(differing)}; "
                "name=… gives another folder, overwrite=true starts again"
            )

    def _remove(self) -> None:
        for name in RUN_FILES:
            (self.path / name).unlink(missing_ok=True)
        for name in RUN_FOLDERS:
            folder = self.path / name
            if folder.is_symlink():  # to a folder within, as `require_own_files` has seen
                folder.unlink()
            elif folder.exists():
                shutil.rmtree(folder)

    def config(self) -> dict[str, Any]:
        """Read the stored configuration as plain values, without settings removed since."""
        stored = read_yaml(self.config_file, "run")
        return {
            key: value
            for key, value in stored.items()
            if not (key in REMOVED or (key, str(value)) in REMOVED_VALUES)
        }

    def manifest(self) -> dict[str, Any]:
        """Read run.json; empty before the run has begun."""
        if not self.manifest_file.exists():
            return {}
        return read_json(self.manifest_file, "run", _MOST_ENTRIES)

    def update_manifest(self, **entries: Any) -> None:
        """Replace entries of run.json and keep the others; raises as `require_own`."""
        self.require_own()
        write_json(self.manifest_file, {"schema": SCHEMA, **self.manifest(), **entries})

    def write_history(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write metrics.csv, one row an epoch; raises as `require_own`."""
        self.require_own()
        write_history(self.metrics_file, rows)

    def history(self) -> list[dict[str, Any]]:
        """Read the rows of metrics.csv as numbers, None where a field is empty."""
        return read_history(self.metrics_file)

    def write_evaluation(self, evaluation: dict[str, Any]) -> None:
        """Write evaluation.json."""
        write_json(self.evaluation_file, evaluation)

    def evaluation(self) -> dict[str, Any]:
        """Read evaluation.json."""
        return read_json(self.evaluation_file, "run")


def runs_below(folder: Path, most: int | None = None) -> list[Path]:
    """List the folders of runs below a folder, sorted; links are not followed.

    At most `most` folders are looked into, where that is given.
    """
    found = []
    for place, folders, files in islice(os.walk(folder), most):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if {"config.yaml", "run.json"} <= set(files):
            found.append(Path(place))
            folders.clear()
    return found


def _hint(path: Path) -> str:
    """Return what follows `is not a run`: the runs below, which may have been meant."""
    below = runs_below(path, _MOST_LOOKED_AT)
    if not below:
        return " (no config.yaml and run.json in it); accepted: the folder of a run"
    more = f" and {len(below) - _MOST_NAMED} more" if len(below) > _MOST_NAMED else ""
    named = ", ".join(map(str, below[:_MOST_NAMED]))
    return f", but holds {len(below)}: {named}{more}; accepted: one of them"


def _names_data(key: str) -> bool:
    """Whether a setting names a file of data: it may move, and its content has a fingerprint."""
    return key.startswith("dataset.") and key.endswith("path")
