"""The installed program, run as users run it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SFBPTT = str(Path(sys.executable).parent / "sfbptt")
SCRIPTS = Path(__file__).resolve().parent.parent


class Usage(NamedTuple):
    """What a finished process took."""

    seconds: float
    cpu_seconds: float  # of all its threads
    megabytes: float  # most that was resident at once
    said: str  # standard output


def run(command: Sequence[str], cwd: Path | None = None) -> Usage:
    """Run a command silently to its end; SystemExit with its last words where it fails."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=said, stderr=errors, cwd=cwd)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        said.seek(0)
        errors.seek(0)
        if process.returncode:
            last = errors.read().strip().rpartition("\n")[2]
            raise SystemExit(f"{shlex.join(command)} ended with {process.returncode}: {last}")
        cpu = usage.ru_utime + usage.ru_stime
        return Usage(seconds, cpu, usage.ru_maxrss / 1024, said.read())
