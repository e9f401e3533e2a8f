"""Stop signals end a run, after a checkpoint where it trains, or hand it back to its queue."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from sfbptt_cli.common.errors import Interrupted

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Stopped(KeyboardInterrupt):
    """A stop signal came where there is no checkpoint to wait for; says where, and which.

    No Exception, which what the run is at might take for a failure of its own: a cached file that
    was being read would count as damaged.
    """


class StopSignals:
    """While entered, SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 end what the process is at.

    Within `over` they set a flag, which a call reads, and a second SIGINT raises KeyboardInterrupt
    at once, for a person who does not want to wait. Elsewhere they raise Stopped at once, naming
    `where`: start-up, evaluation and figures are not continued but done again.

    A signal that somebody handled before, as submitit handles SIGUSR2 (preemption, time limit) and
    SIGTERM in the jobs of a cluster, is handed to that handler, within `over` after the checkpoint:
    it requeues the job and exits, or returns, and the work goes on.
    """

    def __init__(self, where: str = "as it began") -> None:
        self.where = where
        self._received: list[tuple[signal.Signals, FrameType | None]] = []
        self._previous: dict[signal.Signals, Any] = {}
        self._waiting = False
        self._ended: str | None = None  # the message of a Stopped that was raised

    def __call__(self) -> bool:
        return bool(self._received)

    def __enter__(self) -> StopSignals:
        # Python hands signals to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in _STOP}
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        if self._ended is not None and isinstance(error, Exception):
            raise Stopped(self._ended) from error  # of a library that was interrupted within

    def _handle(self, number: int, frame: FrameType | None) -> None:
        impatient = any(n == signal.SIGINT for n, _ in self._received) or self._ended is not None
        if number == signal.SIGINT and impatient:
            raise KeyboardInterrupt
        if self._ended is not None:
            return
        if not self._waiting and self._previous[signal.Signals(number)] is signal.SIG_IGN:
            return  # as SIGINT in the workers of a sweep, whose parent sends SIGTERM
        self._received.append((signal.Signals(number), frame))
        if not self._waiting:
            self._stop_at_once()

    def _stop_at_once(self) -> None:
        try:
            self._hand_on(self.where)
        except Interrupted as interruption:
            self._ended = str(interruption)
            raise Stopped(self._ended) from None

    def check(self) -> None:
        """Raise Stopped if that was raised and got lost, in a library's callback or a `__del__`."""
        if self._ended is not None:
            raise Stopped(self._ended)

    def over(self, fit: Callable[[], None]) -> None:
        """Call `fit`, which raises Interrupted after a checkpoint when the flag is set, to its end.

        It is called again where an earlier handler wants the run to go on. Raises Interrupted,
        with the place and the signal, when a signal without such a handler came, or when that
        handler could not requeue the job; SystemExit when it did.
        """
        self._waiting = True
        try:
            self._until_done(fit)
        finally:
            self._waiting = False
        if self():  # one that came between the last look and here
            self._stop_at_once()

    def _until_done(self, fit: Callable[[], None]) -> None:
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
