"""What a long computation shows of itself: bars, and a line a stage."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

log = logging.getLogger("sfbptt")


def progress(total: int, title: str, unit: str = "step") -> Any:
    """Return a bar for people, on standard error, gone when it is done; none for a log file."""
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=f" {unit}s", disable=None, leave=False)


class Stage:
    """A stage of a run: its name while it lasts, for people, then a line with its seconds."""

    def __init__(self, name: str) -> None:
        self._name, self._begun = name, time.monotonic()
        if sys.stderr.isatty():
            sys.stderr.write(f"{name} …\r")
            sys.stderr.flush()

    def line(self, made: str) -> str:
        """Return the stage with what it made, and its seconds so far."""
        return f"{self._name:<8} {made} ({time.monotonic() - self._begun:.1f} s)"

    def done(self, made: str) -> None:
        """Log what the stage made."""
        log.info("%s", self.line(made))
