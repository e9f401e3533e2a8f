"""Stop signals end a run at its next update, after a checkpoint, or hand it back to its queue."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from sfbptt_cli.errors import Interrupted

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class StopSignals:
    """While entered, SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 set a flag; calling it reads the flag.

    A second SIGINT raises KeyboardInterrupt at once, for a person who does not want to wait.

    A signal that somebody handled before, as submitit handles SIGUSR2 (preemption, time limit) and
    SIGTERM in the jobs of a cluster, is handed to that handler after the checkpoint: it requeues
    the job and exits, or returns, and training goes on.
    """

    def __init__(self) -> None:
        self._received: list[tuple[signal.Signals, FrameType | None]] = []
        self._previous: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        return bool(self._received)

    def __enter__(self) -> StopSignals:
        self._previous = {number: signal.signal(number, self._handle) for number in _STOP}
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and any(n == signal.SIGINT for n, _ in self._received):
            raise KeyboardInterrupt
        self._received.append((signal.Signals(number), frame))

    def over(self, fit: Callable[[], None]) -> None:
        """Call `fit`, which raises Interrupted after a checkpoint when the flag is set, to its end.

        It is called again where an earlier handler wants the run to go on. Raises Interrupted,
        with the place and the signal, when a signal without such a handler came, or when that
        handler could not requeue the job; SystemExit when it did.
        """
        while True:
            where = None
            try:
                fit()
            except Interrupted as interruption:
                where = f"in {interruption}"
            self._hand_on(where or "after the last epoch")
            if where is None:
                return

    def _hand_on(self, where: str) -> None:
        # A launcher sends SIGTERM, which it ignores, before the signal that requeues.
        while self._received:
            number, frame = self._received.pop(0)
            previous = self._previous[number]
            if number == signal.SIGINT or not callable(previous):
                raise Interrupted(f"{where} by {number.name}")
            try:
                previous(number, frame)
            except Exception as error:  # submitit's, of a job that was requeued too often
                raise Interrupted(f"{where} by {number.name} ({error})") from error
