"""One run of a sweep, in the process that a launcher has given it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from sfbptt_cli.cli.sweep.folder import SweepFolder
from sfbptt_cli.common.terminal import log_to

# From exit statuses to words.
_STATUS = {0: "finished", 1: "failed", 2: "refused", 130: "interrupted"}


def within() -> bool:
    """Whether the Hydra job at hand is one of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def apart() -> bool:
    """Whether the Hydra job at hand is one of a sweep over several processes."""
    return within() and launcher(HydraConfig.get()) != "BasicLauncher"


def launcher(hydra: Any) -> str:
    """Return the class of the launcher, from Hydra's own configuration."""
    return hydra.launcher._target_.rpartition(".")[2]


def run_job(attempt: Callable[[bool], tuple[int, str]], quiet: bool) -> int:
    """Run one job of a sweep and record its status in the sweep's folder.

    `attempt(again)`, with whether the job begins again, returns an exit status and a message. With
    `quiet` its output goes to the log of the job.
    """
    hydra = HydraConfig.get()
    folder = SweepFolder(Path(hydra.runtime.output_dir))
    number = folder.number(list(hydra.overrides.task))
    earlier = folder.record(number).get("status")
    if earlier == "finished":
        return 0  # it ended in the grace time of a preemption, and was requeued all the same
    if folder.stopped:
        return 130
    folder.write_record(number, "running")
    output = _into(folder.log(number)) if quiet else contextlib.nullcontext()
    local = launcher(hydra) == "JoblibLauncher"
    try:
        with output, _following_parent(folder) if local else contextlib.nullcontext():
            status, message = attempt(earlier is not None)
    except SystemExit:  # the cluster's launcher has requeued it
        folder.write_record(number, "requeued")
        raise
    folder.write_record(number, _STATUS[status], message)
    if status == 130 and not apart():
        folder.stop()  # a stop signal ends the sweep, not only the run that it met
    return status


@contextlib.contextmanager
def _into(path: Path) -> Iterator[None]:
    log = logging.getLogger("sfbptt")
    handlers, level = log.handlers, log.level
    with path.open("a", encoding="utf-8", buffering=1) as file:
        log.handlers = [log_to(file)]
        log.setLevel(logging.INFO)
        try:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        finally:
            log.handlers = handlers
            log.setLevel(level)


@contextlib.contextmanager
def _following_parent(folder: SweepFolder) -> Iterator[None]:
    """Ignore SIGINT, which a terminal sends to all, as the parent sends SIGTERM.

    A worker stops when its parent is killed, and does not disturb a later sweep.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    if all(thread.name != _watch.__name__ for thread in threading.enumerate()):
        arguments = (os.getppid(), folder)
        threading.Thread(target=_watch, name=_watch.__name__, args=arguments, daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> None:
    # Not an Exception, which what the run is at might take for a failure of its own.
    raise KeyboardInterrupt("the sweep was stopped; the same command continues it")


def _watch(parent: int, folder: SweepFolder) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    with contextlib.suppress(OSError):  # the folder may be gone, too
        folder.stop()
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
