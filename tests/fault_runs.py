"""Short trainings in processes that are killed, and what must be left of them.

`scripts/faults`, `scripts/soak` and test_faults.py share it.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import numpy as np

# A run of about three seconds: start-up, sixteen checkpoints, evaluation, figures.
SETTINGS = (
    "threads=1",
    "tau=20",
    "window=40",
    "dataset.train_steps=2000",
    "dataset.test_steps=1200",
    "dataset.floor_trajectories=2",
    "dataset.transient=100",
    "epochs=16",
    "batches_per_epoch=8",
    "validation.every=1",
    "validation.steps=500",
    "validation.trajectories=2",
    "evaluation.steps=1000",
    "evaluation.transient=100",
    "evaluation.bins=10",
    "evaluation.gmm_points=100",
    "evaluation.gmm_samples=50",
    "evaluation.prediction_steps=5",
    "evaluation.valid_prediction_starts=5",
    "evaluation.lyapunov_steps=100",
    "evaluation.dimension_steps=100",
)
# Without a commit, which runs record and which may change between two of them.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GIT_DIR": os.devnull}
TIMES = ("started", "finished", "training_seconds")
_PATIENCE = 300.0  # seconds; a process that takes longer hangs


class Process(Protocol):
    """A training process; its two streams go to files beside its working directory."""

    @property
    def pid(self) -> int: ...
    def wait(self, seconds: float) -> int | None:
        """Exit status, negative the signal that ended it; None when it still runs."""
        ...


class Console:
    """The console script, as users start it."""

    def __init__(self, cwd: Path, arguments: tuple[str, ...]) -> None:
        script = Path(sys.executable).with_name("sfbptt")
        with _stream(cwd, "stdout").open("a") as out, _stream(cwd, "stderr").open("a") as err:
            self._process = subprocess.Popen(
                [str(script), *arguments],
                cwd=cwd,
                stdout=out,
                stderr=err,
                # In the background of a script SIGINT is ignored, and children inherit that.
                preexec_fn=_heed_sigint,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Forked:
    """The command in a fork of a process that has imported everything: most starts cost nothing.

    It writes a checkpoint after every epoch, not every five seconds.
    """

    def __init__(self, cwd: Path, arguments: tuple[str, ...]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["sfbptt_cli.commands", "hydra", "matplotlib.backends"])
        self._process: BaseProcess = context.Process(
            target=_main, args=(cwd, arguments, dict(os.environ))
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        self._process.join(seconds)
        return self._process.exitcode


Start = Callable[[Path, tuple[str, ...]], Process]


def _stream(cwd: Path, name: str) -> Path:
    return cwd.with_name(f"{cwd.name}.{name}")


def _heed_sigint() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _main(cwd: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    from sfbptt_cli import cli, commands

    _heed_sigint()
    # Semaphores of this process would else be those of the parent to clean up.
    multiprocessing.set_start_method("fork", force=True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with _stream(cwd, name).open("a") as file:
            os.dup2(file.fileno(), number)
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["sfbptt", *arguments]
    commands._CHECKPOINT_SECONDS = 0.0
    cli.main()


def finish(start: Start, cwd: Path, *arguments: str) -> float:
    """Run a command to its end, which must be a success; the processor time that took, in s."""
    process = start(cwd, arguments or ("train", *SETTINGS))
    used = _until_used(process, math.inf)
    status = process.wait(_PATIENCE)
    assert status == 0, f"status {status} in {cwd}: {said(cwd)}"
    return used


def _until_used(process: Process, seconds: float) -> float:
    """Wait until a process has used so much processor time, or has ended; what it has used.

    A moment of its work, however busy the machine is.
    """
    deadline, used = time.monotonic() + _PATIENCE, 0.0
    while used < seconds and process.wait(0.005) is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # it has ended
            # User and system time, after the name in brackets (proc(5)).
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def said(cwd: Path) -> str:
    """Standard error of the processes in `cwd` so far."""
    return _stream(cwd, "stderr").read_text(encoding="utf-8")


def run_of(cwd: Path) -> Path | None:
    """The folder of the only run, None before there is one."""
    found = list((cwd / "outputs" / "run").glob("*/*/*/seed*"))
    assert len(found) <= 1
    return found[0] if found else None


def results(run: Path) -> dict[str, Any]:
    """Every file of a finished run: its bytes, of run.json what is no time."""
    found: dict[str, Any] = {
        str(p.relative_to(run)): p.read_bytes()
        for p in run.rglob("*")
        if p.is_file() and p.name != ".lock"
    }
    manifest = json.loads(found["run.json"])
    assert all(manifest.pop(key) is not None for key in TIMES)
    return {**found, "run.json": manifest}


def differing(run: Path, expected: dict[str, Any]) -> list[str]:
    """Names of the files that are not as expected, missing or too many."""
    found = results(run)
    names = sorted(found.keys() | expected.keys())
    return [name for name in names if found.get(name) != expected.get(name)]


def unreadable(run: Path | None) -> list[str]:
    """Files of a run, in whatever state it is, that their reader refuses, and why."""
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
    }
    refused = []
    for path in run.rglob("[!.]*"):
        reader = {
            ".pt": lambda path=path: load_checkpoint(path),
            ".png": lambda path=path: image.imread(path),
            ".pdf": lambda path=path: _read_pdf(path),
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
    """What a run was at, from the files that it has left."""
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
    """What happened, and what should not have."""

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
    """Start the command and signal it at a random moment; whether it came to its end before.

    The moment is drawn from `seconds` of processor time, and from the next tenth of a second, in
    which it may wait for a disk. Then every file that is there must be readable.
    """
    before = len(said(cwd)) if _stream(cwd, "stderr").exists() else 0
    process = start(cwd, arguments)
    _until_used(process, float(generator.uniform(0, seconds)))
    status = process.wait(float(generator.uniform(0, 0.1)))
    number = numbers[generator.integers(len(numbers))]
    if status is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        status = process.wait(_PATIENCE)
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
