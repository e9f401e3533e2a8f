"""Short trainings and sweeps in processes of their own, to be killed or stopped."""

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
import warnings
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from conftest import TINY

# A run of about two seconds: start-up, eight checkpoints, evaluation, figures.
SETTINGS = (*TINY, "tau=20", "window=40", "epochs=8", "batches_per_epoch=4", "batch_size=8")
# Of runs of TINY that are slowed down, to be disturbed.
LONG = ("epochs=8", "batches_per_epoch=5", "batch_size=8", "window=40", "tau=20", "model=rnn")
SFBPTT = str(Path(sys.executable).with_name("sfbptt"))
# Without a commit, which runs record and which may change between two of them.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GIT_DIR": os.devnull}
PATIENCE = 300.0  # seconds; a process that takes longer hangs


class Console:
    """The console script, as users start it; its streams go to files next to its folder."""

    def __init__(self, cwd: Path, arguments: tuple[str, ...]) -> None:
        with stream(cwd, "stdout").open("a") as out, stream(cwd, "stderr").open("a") as err:
            self._process = subprocess.Popen(
                [SFBPTT, *arguments],
                cwd=cwd,
                stdout=out,
                stderr=err,
                preexec_fn=heed_sigint,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, of a signal negative; None if the process still runs."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Forked:
    """The command in a fork of a process that has imported everything: most starts cost nothing.

    It writes a checkpoint after every epoch, not every five seconds. With `sleep`, seconds an
    update, there are no figures, and the process leads a group of its own.
    """

    def __init__(self, cwd: Path, arguments: tuple[str, ...], sleep: float | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            ["sfbptt_cli.commands.train", "hydra", "matplotlib.backends"]
        )
        self._process: BaseProcess = context.Process(
            target=_main, args=(cwd, arguments, dict(os.environ), sleep)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        self._process.join(seconds)
        return self._process.exitcode


Process = Console | Forked
Start = Callable[[Path, tuple[str, ...]], Process]


def stream(cwd: Path, name: str) -> Path:
    """Return the file that a stream of the processes in `cwd` goes to."""
    return cwd.with_name(f"{cwd.name}.{name}")


def heed_sigint() -> None:
    """Undo that a script ignores SIGINT in its background jobs, and so do their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _main(
    cwd: Path, arguments: tuple[str, ...], environment: dict[str, str], sleep: float | None
) -> None:
    from sfbptt_cli.cli.main import main as cli
    from sfbptt_cli.experiment import training

    heed_sigint()
    # Semaphores of this process would else be those of the parent to clean up.
    multiprocessing.set_start_method("fork", force=True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with stream(cwd, name).open("a") as file:
            os.dup2(file.fileno(), number)
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["sfbptt", *arguments]
    training._CHECKPOINT_SECONDS = 0.0
    if sleep is not None:
        os.setsid()
        slow_down(sleep)
        _fork_workers()
    try:
        cli()
    except SystemExit as ended:
        sys.stdout.flush()
        # Without joining joblib's idle workers, which end with their parent.
        os._exit(ended.code if isinstance(ended.code, int) else 1)


def slow_down(seconds: float) -> None:
    """Let every update wait, without work for the cores, and checkpoint often; draw no figures."""
    from sfbptt_cli.experiment import measure, training
    from sfbptt_cli.training.trainer import Trainer

    step = Trainer.step

    def slow(self: Trainer, loss: Any) -> None:
        time.sleep(seconds)
        step(self, loss)

    Trainer.step = slow
    measure.draw_missing = lambda *_: None
    training._CHECKPOINT_SECONDS = 0.0


def _fork_workers() -> None:
    """Fork joblib's workers, which would import everything again, and know of no patch."""
    from joblib.externals.loky.backend import context

    warnings.filterwarnings("ignore", "`fork` start method")  # of threads, and there are none
    context.set_start_method("fork")


def finish(start: Start, cwd: Path, *arguments: str) -> float:
    """Run a command, which must succeed; return the processor time that it took, s."""
    process = start(cwd, arguments or ("train", *SETTINGS))
    used = until_used(process, math.inf)
    status = process.wait(PATIENCE)
    assert status == 0, f"status {status} in {cwd}: {said(cwd)}"
    return used


def until_used(process: Process, seconds: float) -> float:
    """Wait until a process has used so much processor time, or has ended; return what it has used.

    That is the same moment of its work however busy the machine is.
    """
    deadline, used = time.monotonic() + PATIENCE, 0.0
    while used < seconds and process.wait(0.005) is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # it has ended
            # User and system time, after the name in brackets (proc(5)).
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def said(cwd: Path) -> str:
    """Return the standard error of the processes in `cwd` so far."""
    return stream(cwd, "stderr").read_text(encoding="utf-8")


def latest(cwd: Path) -> Path:
    """Return the folder of the last sweep."""
    return max((cwd / "outputs" / "run" / ".sweeps").iterdir())


def records(sweep: Path) -> dict[int, dict[str, Any]]:
    """Return the last record of each job that has begun, by its number."""
    return {
        int(path.stem.split()[1]): json.loads(path.read_text()) for path in sweep.glob("job *.json")
    }


def wait(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
