"""Orbits side by side in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event
from typing import Any

import torch
from torch import Tensor

Tick = Callable[[int], None]


def in_threads(follow: Callable[..., Tensor], parts: Sequence[Any], bar: Any = None) -> Tensor:
    """Return follow(*part, tick) of all parts, one after another along the first axis.

    As many parts at once as torch has threads, each in one of them: threads that share the small
    operations of a step would wait for each other. `follow` calls tick(steps) now and then, which
    moves the bar and, after Ctrl-C, raises. What is found depends on the parts, not the threads.
    """
    threads, stopped = torch.get_num_threads(), Event()

    def tick(steps: int) -> None:
        if stopped.is_set():
            raise CancelledError
        if bar is not None:
            bar.update(steps)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(threads, len(parts))) as pool:
            futures = [pool.submit(follow, *part, tick) for part in parts]
            try:
                return torch.cat([future.result() for future in futures])
            except BaseException:
                stopped.set()
                raise
    finally:
        torch.set_num_threads(threads)


def split(size: int, *tensors: Tensor | None) -> list[tuple[Tensor | None, ...]]:
    """Return parts of `size` rows of all tensors, None for those that are None."""
    count = next(len(x) for x in tensors if x is not None)
    pieces = [[None] * -(-count // size) if x is None else list(x.split(size)) for x in tensors]
    return list(zip(*pieces, strict=True))
