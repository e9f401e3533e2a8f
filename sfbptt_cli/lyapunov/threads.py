"""Computations side by side in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import torch
from torch import Tensor

Tick = Callable[[int], Any]  # is called now and then with the steps since the last call


def side_by_side(tasks: Sequence[Callable[[Tick], Any]], tick: Tick | None = None) -> list[Any]:
    """Return task(tick) of all tasks, as many at once as torch has threads, each in one of them.

    Threads that share the small operations of a step instead wait for each other, on a busy machine
    twenty times as long as they compute. The first failure is raised. After it, and after Ctrl-C,
    the tick that a task gets raises.
    """
    threads, stopped = torch.get_num_threads(), Event()

    def tick_unless_stopped(steps: int) -> None:
        if stopped.is_set():
            raise CancelledError
        if tick is not None:
            tick(steps)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(threads, len(tasks))) as pool:
            futures = [pool.submit(task, tick_unless_stopped) for task in tasks]
            try:
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()  # raises
                return [future.result() for future in futures]
            except BaseException:
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads)


def by_rows(
    follow: Callable[..., Tensor], size: int, *tensors: Tensor | None, tick: Tick | None = None
) -> Tensor:
    """Return follow(*part, tick) of parts of `size` rows of all tensors, one below the other.

    None has parts that are None. What is found depends on the size, not on the threads.
    """
    count = next(len(x) for x in tensors if x is not None)
    nothing = [None] * -(-count // size)
    parts = zip(*(nothing if x is None else x.split(size) for x in tensors), strict=True)

    def task(part: tuple[Tensor | None, ...]) -> Callable[[Tick], Tensor]:
        return lambda tick: follow(*part, tick)

    return torch.cat(side_by_side([task(part) for part in parts], tick))
