"""What must be left of a training that is killed, and how to kill one.

`scripts/faults`, `scripts/soak` and test_faults.py share it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from conftest import run_folders
from fault_processes import PATIENCE, SETTINGS, Start, said, stream, until_used

TIMES = ("started", "finished", "training_seconds")


def run_of(cwd: Path) -> Path | None:
    """Return the folder of the only run, None before there is one."""
    found = run_folders(cwd)
    assert len(found) <= 1
    return found[0] if found else None


def results(run: Path) -> dict[str, Any]:
    """Return the bytes of every file of a finished run, and run.json without its times."""
    found: dict[str, Any] = {
        str(p.relative_to(run)): p.read_bytes()
        for p in run.rglob("*")
        if p.is_file() and p.name != ".lock"
    }
    manifest = json.loads(found["run.json"])
    assert all(manifest.pop(key) is not None for key in TIMES)
    return {**found, "run.json": manifest}


def differing(run: Path, expected: dict[str, Any]) -> list[str]:
    """Return the names of files that differ from the expected, are missing or too many."""
    found = results(run)
    names = sorted(found.keys() | expected.keys())
    return [name for name in names if found.get(name) != expected.get(name)]


def unreadable(run: Path | None) -> list[str]:
    """Return the files of a run, in any state, that their reader refuses, and why."""
    from matplotlib import image

    from sfbptt_cli.storage.checkpoint import load_checkpoint
    from sfbptt_cli.storage.run_folder import RunFolder
    from sfbptt_cli.storage.trajectories import read_trajectories

    if run is None:
        return []
    folder = RunFolder(run)
    readers: dict[Path, Callable[[], object]] = {
        folder.config_file: folder.config,
        folder.manifest_file: folder.manifest,
        folder.metrics_file: folder.history,
        folder.evaluation_file: folder.evaluation,
        folder.trajectories: lambda: read_trajectories(folder.trajectories),
        **{p: partial(load_checkpoint, p) for p in (folder.last, folder.previous, folder.best)},
    }
    refused = []
    for path in run.rglob("[!.]*"):
        reader = {
            ".png": partial(image.imread, path),
            ".pdf": partial(_read_pdf, path),
        }.get(path.suffix, readers.get(path))
        try:
            if path.is_file():
                assert reader is not None, "no file of a run"
                reader()
        except Exception as error:
            refused.append(f"{path}: {error!r}")
    return refused


def _read_pdf(path: Path) -> None:
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.endswith(b"%%EOF\n")


def phase(run: Path | None) -> str:
    """Return the phase that a run was in, from the files that it has left."""
    if run is None or not (run / "run.json").exists():
        return "start-up"
    status = json.loads((run / "run.json").read_text(encoding="utf-8"))["status"]
    if status != "trained":
        words = {"running": "training", "finished": "end"}
        return words.get(status, f"status {status}")
    evaluation = run / "evaluation.json"
    written = (run / "run.json").stat().st_mtime
    measured = evaluation.exists() and evaluation.stat().st_mtime > written
    return "figures" if measured else "evaluation"


@dataclass
class Tally:
    """Counts of what happened, and the failures."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def fail(self, what: str) -> None:
        self.failures.append(what)

    def __str__(self) -> str:
        lines = [f"{number:6d}  {what}" for what, number in sorted(self.counts.items())]
        return "\n".join([*lines, f"{len(self.failures):6d}  failures", *self.failures])


# What ends a process, besides SIGKILL: status 130, or, before it has a handler, the signal.
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


def disturb(
    start: Start,
    cwd: Path,
    seconds: float,
    numbers: tuple[signal.Signals, ...],
    generator: np.random.Generator,
    tally: Tally,
    arguments: tuple[str, ...] = ("train", *SETTINGS),
) -> bool:
    """Start the command and signal it at a random moment; return whether it ended before.

    The moment is drawn from `seconds` of processor time, and from the next tenth of a second, in
    which it may wait for a disk. Then every file that is there must be readable.
    """
    before = len(said(cwd)) if stream(cwd, "stderr").exists() else 0
    process = start(cwd, arguments)
    until_used(process, float(generator.uniform(0, seconds)))
    status = process.wait(float(generator.uniform(0, 0.1)))
    number = numbers[generator.integers(len(numbers))]
    if status is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        status = process.wait(PATIENCE)
        if status is None:
            os.kill(process.pid, signal.SIGKILL)
            tally.fail(f"{cwd}: hangs after {number.name}")
    run = run_of(cwd)
    expected = {0, -number} if number == signal.SIGKILL else {0, 130, -number}
    if status not in expected:
        tally.fail(f"{cwd}: status {status} after {number.name}: {said(cwd)[before:]}")
    if status == 130 and said(cwd)[before:].count("sfbptt: ") != 1:
        tally.fail(f"{cwd}: not one line: {said(cwd)[before:]}")
    if status != 0:
        at = phase(run) if arguments[0] == "train" else f"another {arguments[0]}"
        tally.count(f"{number.name} at {at}")
        if any(p.name != ".lock" for p in (run.rglob(".*") if run else ())):
            tally.count("ended with a file half written")
    for refused in unreadable(run):
        tally.fail(refused)
    return status == 0
