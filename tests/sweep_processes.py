"""What the tests of sweeps share: what a sweep's folder holds, and how to wait for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Of runs of TINY that are slowed down, to be disturbed.
LONG = ("epochs=8", "batches_per_epoch=5", "batch_size=8", "window=40", "tau=20", "model=rnn")


def latest(cwd: Path) -> Path:
    """The folder of the last sweep."""
    return max((cwd / "outputs" / "run" / ".sweeps").iterdir())


def records(sweep: Path) -> dict[int, dict[str, Any]]:
    """What each job that has begun said last, by its number."""
    return {
        int(path.stem.split()[1]): json.loads(path.read_text()) for path in sweep.glob("job *.json")
    }


def wait(condition: Callable[[], Any], seconds: float = 240) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
