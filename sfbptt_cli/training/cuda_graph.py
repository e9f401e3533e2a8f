"""Loss and gradient of an update recorded once as a CUDA graph, then replayed.

An update of these small models is hundreds of kernels of a few microseconds, and starting them from
Python takes longer than they do. A graph starts all with one call. It needs inputs, gradients and
loss at fixed places in memory, hence a recording for each combination of shapes, τ and α.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger("sfbptt")

# Each keeps the memory of an update; a schedule of τ with more values is not worth it.
_MOST_RECORDINGS = 16

# From a function without arguments to one that does the same again, on the same memory.
Record = Callable[[Callable[[], None]], Callable[[], None]]


@dataclass(frozen=True)
class Batch:
    """What an update is made of."""

    x: Tensor  # windows (batch, T + 1, obs), standardised
    teacher: Tensor  # the same, with the noise of the update
    tau: int | None  # None for a method without an interval
    s: Tensor | None  # external inputs (batch, T + 1, input)

    def clone(self) -> Batch:
        """The same at places in memory of its own."""
        x = self.x.clone()
        teacher = x if self.teacher is self.x else self.teacher.clone()
        return Batch(x, teacher, self.tau, None if self.s is None else self.s.clone())

    def copy_(self, other: Batch) -> None:
        """Take the numbers of a batch of the same shapes."""
        self.x.copy_(other.x)
        if self.teacher is not self.x:
            self.teacher.copy_(other.teacher)
        if self.s is not None and other.s is not None:
            self.s.copy_(other.s)

    @property
    def shapes(self) -> tuple[Any, ...]:
        """What is fixed in a recording."""
        inputs = None if self.s is None else self.s.shape
        return self.tau, self.x.shape, inputs, self.teacher is self.x


# The loss, or losses, of batches; its gradient is left in the parameters, which have none before.
Differentiate = Callable[[Sequence[Batch]], Tensor]


def cuda_graph(work: Callable[[], None]) -> Callable[[], None]:
    """Record the kernels that `work` starts; needs a GPU.

    First it is done a few times on a stream of its own, as libraries allocate at their first calls,
    which a recording must not.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class Recorded:
    """A `Differentiate` for fixed shapes, recorded at its first batches."""

    def __init__(
        self,
        differentiate: Differentiate,
        parameters: Sequence[Tensor],
        batches: Sequence[Batch],
        record: Record,
    ) -> None:
        self._differentiate = differentiate
        self._parameters = parameters
        self._batches = [batch.clone() for batch in batches]
        self._gradients: list[Tensor | None] = []
        self._replay = record(self._work)

    def _work(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None  # so that a gradient is written and not added
        self._loss = self._differentiate(self._batches).detach()
        self._gradients = [parameter.grad for parameter in self._parameters]

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        for mine, given in zip(self._batches, batches, strict=True):
            mine.copy_(given)
        self._replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss


class Recordings:
    """A `Differentiate` that is recorded for the first shapes it meets, and otherwise called.

    Where recording fails, as a library may do what a graph cannot hold, it is called from then on,
    which is slower and gives the same numbers; the log says so.
    """

    def __init__(
        self, differentiate: Differentiate, parameters: Sequence[Tensor], record: Record | None
    ) -> None:
        self._differentiate = differentiate
        self._parameters = parameters
        self._record = record
        self._recorded: dict[Any, Recorded] = {}

    def __call__(self, batches: Sequence[Batch], alike: float | None) -> Tensor:
        """`alike` is the methods' own (`Method.alike`); with None nothing is recorded."""
        if self._record is None or alike is None:
            return self._differentiate(batches)
        key = (alike, *(batch.shapes for batch in batches))
        if key not in self._recorded:
            if len(self._recorded) == _MOST_RECORDINGS:
                return self._differentiate(batches)
            try:
                self._recorded[key] = Recorded(
                    self._differentiate, self._parameters, batches, self._record
                )
            except RuntimeError as error:
                self._give_up(error)
                return self._differentiate(batches)
        return self._recorded[key](batches)

    def _give_up(self, error: RuntimeError) -> None:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        log.warning("updates are not recorded as a CUDA graph: %s", reason[0])
        self._record = None
        for parameter in self._parameters:
            parameter.grad = None
