"""Stop signals end a run at its next update, after a checkpoint."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class StopSignals:
    """While entered, SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 set a flag; calling it reads the flag.

    A second SIGINT raises KeyboardInterrupt at once, for a person who does not want to wait.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        return self.received is not None

    def __enter__(self) -> StopSignals:
        self._previous = {number: signal.signal(number, self._handle) for number in _STOP}
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
