"""What a sweep needs of Slurm, and what its plugin leaves out."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path
from typing import Any

from sfbptt_cli.common.checks import require


def require_slurm(settings: Any) -> None:
    """Raise RequestError without Slurm, or with times that do not fit."""
    found = shutil.which("sbatch") and shutil.which("srun")
    accepted = "a machine with sbatch and srun, or hydra/launcher=joblib"
    require(bool(found), "hydra/launcher", "slurm", accepted)
    accepted = f"less than hydra.launcher.timeout_min = {settings.timeout_min} minutes"
    delay = settings.signal_delay_s
    fits = delay < 60 * settings.timeout_min
    require(fits, "hydra.launcher.signal_delay_s", f"{delay} s", accepted)


def watch_queue() -> None:
    """Let submitit ask the queue for its jobs, not the accounts that some clusters do not keep.

    A job that has left the queue has ended, whatever became of it.
    """
    from submitit import SlurmJob
    from submitit.slurm.slurm import SlurmInfoWatcher

    class Watcher(SlurmInfoWatcher):
        def _make_command(self) -> list[str] | None:
            queue = ["squeue", "-h", "-r", "-u", getpass.getuser(), "-o", "%i %T"]
            return queue if self._registered - self._finished else None

        def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
            text = string if isinstance(string, str) else string.decode()
            queued = dict(line.split() for line in text.splitlines())
            return {job: {"State": queued.get(job, "ENDED")} for job in self._registered}

    SlurmJob.watcher = Watcher(delay_s=600)


def await_jobs(launcher: Any) -> None:
    """Wait for all jobs of a launcher that has given up at the first which died."""
    from submitit import SlurmJob

    pattern = Path(launcher.params["submitit_folder"]).absolute()  # ends with the job's name, %j
    submitted = pattern.parent.glob("*/*_submitted.pkl")
    jobs: list[Any] = [SlurmJob(pattern, path.parent.name) for path in submitted]
    for job in jobs:
        job.wait()
