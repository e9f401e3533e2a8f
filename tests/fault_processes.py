"""Short trainings in processes of their own, to be killed."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from conftest import TINY

# A run of about three seconds: start-up, sixteen checkpoints, evaluation, figures.
SETTINGS = (
    *TINY,
    "tau=20",
    "window=40",
    "epochs=16",
    "batches_per_epoch=8",
)
# Without a commit, which runs record and which may change between two of them.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GIT_DIR": os.devnull}
PATIENCE = 300.0  # seconds; a process that takes longer hangs


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
        with stream(cwd, "stdout").open("a") as out, stream(cwd, "stderr").open("a") as err:
            self._process = subprocess.Popen(
                [str(script), *arguments],
                cwd=cwd,
                stdout=out,
                stderr=err,
                preexec_fn=heed_sigint,
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
        context.set_forkserver_preload(
            ["sfbptt_cli.commands.train", "hydra", "matplotlib.backends", "pytorch_optimizer"]
        )
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


def stream(cwd: Path, name: str) -> Path:
    """The file that a stream of the processes in `cwd` goes to."""
    return cwd.with_name(f"{cwd.name}.{name}")


def heed_sigint() -> None:
    """In the background of a script SIGINT is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _main(cwd: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    from sfbptt_cli.cli.main import main as cli
    from sfbptt_cli.experiment import training as run_training

    heed_sigint()
    # Semaphores of this process would else be those of the parent to clean up.
    multiprocessing.set_start_method("fork", force=True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with stream(cwd, name).open("a") as file:
            os.dup2(file.fileno(), number)
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["sfbptt", *arguments]
    run_training._CHECKPOINT_SECONDS = 0.0
    cli()


def finish(start: Start, cwd: Path, *arguments: str) -> float:
    """Run a command to its end, which must be a success; the processor time that took, in s."""
    process = start(cwd, arguments or ("train", *SETTINGS))
    used = until_used(process, math.inf)
    status = process.wait(PATIENCE)
    assert status == 0, f"status {status} in {cwd}: {said(cwd)}"
    return used


def until_used(process: Process, seconds: float) -> float:
    """Wait until a process has used so much processor time, or has ended; what it has used.

    A moment of its work, however busy the machine is.
    """
    deadline, used = time.monotonic() + PATIENCE, 0.0
    while used < seconds and process.wait(0.005) is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # it has ended
            # User and system time, after the name in brackets (proc(5)).
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def said(cwd: Path) -> str:
    """Standard error of the processes in `cwd` so far."""
    return stream(cwd, "stderr").read_text(encoding="utf-8")
