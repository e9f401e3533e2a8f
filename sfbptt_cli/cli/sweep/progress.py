"""The progress of a sweep on standard error, and the table at its end."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from sfbptt_cli.cli.sweep.folder import ENDS, Job, SweepFolder
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.common.program import program
from sfbptt_cli.common.tables import aligned
from sfbptt_cli.common.terminal import one_line
from sfbptt_cli.storage.evaluations import find, measured
from sfbptt_cli.storage.run_folder import RunFolder

_POLL_SECONDS = 0.5


class Progress:
    """Follows the records of the jobs while entered: runs done, failed, time left, failures.

    A bar where standard error is a terminal, otherwise a line whenever a run ends.
    """

    def __init__(self, folder: SweepFolder, jobs: Sequence[Job]) -> None:
        self._folder = folder
        self._jobs = jobs
        # Kept, as a job that runs in this process has sys.stderr to itself.
        self._stream = sys.stderr
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._begun = time.monotonic()
        self._before = self._ended()
        self._bar = tqdm(total=len(jobs), unit="run", file=self._stream, disable=None)

    def __enter__(self) -> Progress:
        for job in self._jobs:
            if job.status in ENDS:
                self._announce(job)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()
        self._bar.close()

    def look(self) -> None:
        """Read the records of the jobs."""
        for index, job in enumerate(self._jobs):
            if job.status in ENDS:
                continue
            record = self._folder.record(index)
            job.status = record.get("status", job.status)
            job.message = record.get("message", "")
            if job.status == "failed" and _diverged(job.run):
                job.status = "diverged"
            if job.status in ENDS:
                self._announce(job)

    def end(self, job: Job, status: str) -> None:
        """Set the status of a job that could not record it itself."""
        job.status = status
        self._announce(job)

    def say(self, line: str) -> None:
        """Print a line on standard error, above the bar where there is one."""
        self._bar.write(one_line(line), file=self._stream)

    def _follow(self) -> None:
        while not self._over.wait(_POLL_SECONDS):
            self.look()

    def _ended(self) -> int:
        return sum(job.status in ENDS for job in self._jobs)

    def _failed(self) -> int:
        return sum(job.status in ENDS and job.status != "finished" for job in self._jobs)

    def _announce(self, job: Job) -> None:
        if job.status != "finished":
            self.say(f"sfbptt: {job.label}: {job.message}")
        self._bar.n = self._ended()
        self._bar.set_postfix_str(f"{self._failed()} failed")
        if self._bar.disable and self._ended() > self._before:
            self.say(
                f"{self._ended()} of {len(self._jobs)} runs done, {self._failed()} failed, "
                f"{self._left()} left ({job.label}: {job.status})"
            )

    def _left(self) -> str:
        done, seconds = self._ended() - self._before, time.monotonic() - self._begun
        return tqdm.format_interval(seconds / done * (len(self._jobs) - self._ended()))


def table(jobs: Sequence[Job]) -> str:
    """Make a table of the runs: varied settings, status, D_stsp and D_H."""
    keys = list(jobs[0].varied)
    rows = [[*keys, "status", "D_stsp", "D_H"]]
    rows += [[*job.varied.values(), job.status, *_metrics(job)] for job in jobs]
    return aligned(rows, right=range(len(keys) + 1, len(rows[0])))


def summary(jobs: Sequence[Job], before: int, folder: SweepFolder) -> str:
    """Count the runs by status, and name the folder of the logs."""
    counts = Counter(job.status for job in jobs)
    counted = ", ".join(f"{counts[status]} {status}" for status in sorted(counts))
    earlier = f" ({before} before)" if before else ""
    return f"{len(jobs)} runs: {counted}{earlier}; logs in {folder.path}"


def report_command(jobs: Sequence[Job]) -> str:
    """Return the command that reports on these runs; empty where they have no folder in common."""
    # Name and dataset; below are model, recipe, seed.
    folders = {job.run.parents[2] for job in jobs if job.run and job.status == "finished"}
    if len({folder.parent for folder in folders}) != 1:
        return ""
    runs = f"runs={os.path.commonpath(folders)}"
    return f"report: {program()} report {shlex.quote(runs)}"


def _diverged(run: Path | None) -> bool:
    with suppress(RequestError):
        return run is not None and RunFolder(run).manifest().get("status") == "diverged"
    return False


def _metrics(job: Job) -> list[str]:
    """Return the scores of a run, measured as the job has it."""
    if job.status == "finished" and job.run is not None:
        with suppress(RequestError):  # its folder was removed or damaged since
            folder = RunFolder(job.run)
            entry = (job.evaluation and find(folder, job.evaluation)) or measured(folder)
            scores = [entry["metrics"].get(name) for name in ("d_stsp", "d_h")]
            return ["-" if score is None else number_text(score["value"], 4) for score in scores]
    return ["-", "-"]
