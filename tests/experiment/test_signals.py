"""Signals: who had them before decides what they mean."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.experiment.signals import Stopped, StopSignals


@pytest.fixture
def handle() -> Iterator[Callable[[signal.Signals, Any], None]]:
    """Sets the handler that a launcher has for a signal, until the end of the test."""
    previous: dict[signal.Signals, Any] = {}

    def set_handler(number: signal.Signals, handler: Any) -> None:
        previous.setdefault(number, signal.signal(number, handler))

    yield set_handler
    for number, handler in previous.items():
        signal.signal(number, handler)


class Fit:
    """Three updates, of which the one with a given number receives signals; saves when stopped."""

    def __init__(self, stop: StopSignals, signals: dict[int, tuple[signal.Signals, ...]]) -> None:
        self.stop, self.signals = stop, signals
        self.updates = 0
        self.saved: list[int] = []

    def __call__(self) -> None:
        while self.updates < 3:
            if self.stop():
                self.saved.append(self.updates)
                raise Interrupted(f"update {self.updates}")
            self.updates += 1
            for number in self.signals.get(self.updates, ()):
                os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
@pytest.mark.parametrize(("update", "where"), [(2, "in update 2"), (3, "after the last epoch")])
def test_without_a_handler_a_signal_stops(number: signal.Signals, update: int, where: str) -> None:
    with StopSignals() as stop:
        fit = Fit(stop, {update: (number,)})
        with pytest.raises(Interrupted, match=f"^{where} by {number.name}$"):
            stop.over(fit)
    assert fit.updates == update


def test_a_handler_that_returns_lets_the_run_go_on(handle: Callable[..., None]) -> None:
    called: list[tuple[int, object, list[int]]] = []
    handle(signal.SIGTERM, lambda number, frame: called.append((number, frame, [*fit.saved])))
    with StopSignals() as stop:
        fit = Fit(stop, {1: (signal.SIGTERM,), 3: (signal.SIGTERM,)})
        stop.over(fit)
        assert not stop()
    assert fit.updates == 3
    # After the checkpoint, and with the frame that the signal met.
    assert [(number, saved) for number, _, saved in called] == [(signal.SIGTERM, [1])] * 2
    assert all(frame is not None for _, frame, _ in called)


def test_a_requeue_exits_after_the_checkpoint(handle: Callable[..., None]) -> None:
    order: list[str] = []

    def requeue(*_: object) -> None:
        order.append(f"requeued, saved {fit.saved}")
        raise SystemExit(-1)

    handle(signal.SIGTERM, lambda *_: order.append("ignored"))
    handle(signal.SIGUSR2, requeue)
    with StopSignals() as stop:
        fit = Fit(stop, {2: (signal.SIGTERM, signal.SIGUSR2)})
        with pytest.raises(SystemExit):
            stop.over(fit)
    assert order == ["ignored", "requeued, saved [2]"]
    assert signal.getsignal(signal.SIGUSR2) is requeue


def test_a_refused_requeue_interrupts(handle: Callable[..., None]) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("timed-out too many times")

    handle(signal.SIGUSR2, refuse)
    with StopSignals() as stop:
        fit = Fit(stop, {2: (signal.SIGUSR2,)})
        with pytest.raises(Interrupted, match=r"^in update 2 by SIGUSR2 \(timed-out too many"):
            stop.over(fit)


def test_the_second_sigint_does_not_wait() -> None:
    with StopSignals() as stop:
        fit = Fit(stop, {1: (signal.SIGINT, signal.SIGINT)})
        with pytest.raises(KeyboardInterrupt):
            stop.over(fit)
    assert fit.saved == []


def test_a_lost_stop_is_found_again() -> None:
    """A library's callback may swallow what a handler raises."""
    with StopSignals("here") as signals:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # it is on its way out already
        with pytest.raises(Stopped, match=r"^here by SIGTERM$"):
            signals.check()
        with pytest.raises(KeyboardInterrupt):  # for a person who does not want to wait
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_stop_that_a_library_made_an_error_of_is_a_stop() -> None:
    def interrupted() -> None:
        with StopSignals("in its evaluation"):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except KeyboardInterrupt:
                raise TypeError("an argument is missing") from None

    with pytest.raises(Stopped, match=r"^in its evaluation by SIGTERM$"):
        interrupted()


def test_a_signal_that_is_ignored_stays_ignored_at_once(handle: Callable[..., None]) -> None:
    handle(signal.SIGINT, signal.SIG_IGN)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        signals.check()
        assert not signals()
