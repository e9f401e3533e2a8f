"""The folder of a sweep: its plan, and a small file with the status of each job.

All jobs share it; nothing else comes back from their processes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfbptt_cli.common.atomic import write_json
from sfbptt_cli.common.documents import read_json
from sfbptt_cli.evaluation.settings import EvaluationSettings

# The ends of a job; before them it is waiting, running or requeued.
ENDS = ("finished", "refused", "failed", "diverged", "interrupted", "died")


@dataclass
class Job:
    """One run of a sweep."""

    overrides: list[str]
    varied: dict[str, str] = field(default_factory=dict)
    run: Path | None = None  # its folder, where the command has one
    status: str = "waiting"
    message: str = ""
    evaluation: EvaluationSettings | None = None  # how the run is measured

    @property
    def label(self) -> str:
        """What was varied, as on the command line."""
        return " ".join(f"{key}={value}" for key, value in self.varied.items()) or "the run"


class SweepFolder:
    """The files of one sweep; a job is known by its number in the plan."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._plan = path / "sweep.json"
        self._stop = path / "stop"

    def write_plan(self, jobs: Sequence[Job]) -> None:
        """Write the overrides and the run folder of each job into sweep.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        plan = [{"overrides": j.overrides, "run": j.run and str(j.run)} for j in jobs]
        write_json(self._plan, {"jobs": plan})

    def number(self, overrides: list[str]) -> int:
        """Find the number of the job with these overrides."""
        plan = read_json(self._plan, "sweep")
        return [job["overrides"] for job in plan["jobs"]].index(overrides)

    def record(self, number: int) -> dict[str, Any]:
        """Read the last record of a job: status, message, process, host; empty before it begins."""
        path = self._record(number)
        return read_json(path, "sweep") if path.exists() else {}

    def records(self) -> list[dict[str, Any]]:
        """Read the last record of every job that has begun."""
        return [read_json(path, "sweep") for path in self.path.glob("job *.json")]

    def write_record(self, number: int, status: str, message: str = "") -> None:
        """Write the record of a job."""
        origin = {"process": os.getpid(), "host": socket.gethostname()}
        write_json(self._record(number), {"status": status, "message": message, **origin})

    def log(self, number: int) -> Path:
        """Return the file for the output of a job."""
        return self.path / f"job {number}.log"

    def stop(self) -> None:
        """Let no further job begin."""
        self._stop.touch()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called, in any process."""
        return self._stop.exists()

    def _record(self, number: int) -> Path:
        return self.path / f"job {number}.json"
