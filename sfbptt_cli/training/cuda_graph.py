"""Loss and gradient of an update recorded once as a CUDA graph, then replayed.

An update of these small models is hundreds of kernels of a few microseconds, and starting them from
Python takes longer than they do. A graph starts all with one call. It needs inputs, gradients and
loss at fixed places in memory, hence a recording for each combination of models, shapes, τ and α.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sfbptt_cli.training.trainer import Batch, Trainer

log = logging.getLogger("sfbptt")

# Each keeps the memory of an update; a schedule of τ with more values is not worth it.
_MOST_RECORDINGS = 16

# From a function without arguments to one that does the same again, on the same memory.
Record = Callable[[Callable[[], None]], Callable[[], None]]
# From models and their batches to the losses (K); gradients are left in the parameters.
Differentiate = Callable[[Sequence[Trainer], Sequence[Batch]], Tensor]


def cuda_graph(work: Callable[[], None]) -> Callable[[], None]:
    """Record the kernels that `work` starts; needs a GPU.

    `work` first runs a few times on a stream of its own, as libraries allocate at their first
    calls, which a recording must not.
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


class Recordings:
    """A `Differentiate` that is recorded for the first shapes it meets, and otherwise called.

    Where recording fails, as a library may do what a graph cannot hold, it is called from then on,
    which is slower and gives the same numbers; a log line tells so.
    """

    def __init__(self, differentiate: Differentiate, record: Record) -> None:
        self._differentiate = differentiate
        self._record: Record | None = record
        self._recorded: dict[Any, _Recorded] = {}

    def __call__(self, trainers: Sequence[Trainer], batches: Sequence[Batch]) -> Tensor:
        alike = trainers[0].method.alike
        if self._record is None or alike is None:
            return self._differentiate(trainers, batches)
        key = (alike, *map(id, trainers), *map(_shapes, batches))
        if key not in self._recorded:
            if len(self._recorded) == _MOST_RECORDINGS:
                return self._differentiate(trainers, batches)
            try:
                recorded = _Recorded(self._differentiate, trainers, batches, self._record)
            except RuntimeError as error:
                reason = str(error).strip().splitlines() or [type(error).__name__]
                log.warning("updates are not recorded as a CUDA graph: %s", reason[0])
                self._record = None
                _forget_gradients(trainers)
                return self._differentiate(trainers, batches)
            self._recorded[key] = recorded
        return self._recorded[key](batches)


class _Recorded:
    """A `Differentiate` for fixed models and shapes, recorded at its first batches."""

    def __init__(
        self,
        differentiate: Differentiate,
        trainers: Sequence[Trainer],
        batches: Sequence[Batch],
        record: Record,
    ) -> None:
        self._differentiate = differentiate
        self._trainers = trainers
        self._parameters = [p for trainer in trainers for p in trainer.model.parameters()]
        self._batches = [_clone(batch) for batch in batches]
        self._gradients: list[Tensor | None] = []
        self._replay = record(self._work)

    def _work(self) -> None:
        _forget_gradients(self._trainers)  # so that a gradient is written and not added
        self._loss = self._differentiate(self._trainers, self._batches).detach()
        self._gradients = [parameter.grad for parameter in self._parameters]

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        for mine, given in zip(self._batches, batches, strict=True):
            for to, source in zip(_tensors(mine), _tensors(given), strict=True):
                to.copy_(source)
        self._replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss


def _forget_gradients(trainers: Sequence[Trainer]) -> None:
    for trainer in trainers:
        for parameter in trainer.model.parameters():
            parameter.grad = None


def _shapes(batch: Batch) -> tuple[Any, ...]:
    """Return the shapes that a recording fixes."""
    return (batch.teacher is batch.x, *(tensor.shape for tensor in _tensors(batch)))


def _tensors(batch: Batch) -> list[Tensor]:
    """List the tensors of a batch, each once."""
    teacher = [] if batch.teacher is batch.x else [batch.teacher]
    return [batch.x, *teacher, *([] if batch.s is None else [batch.s])]


def _clone(batch: Batch) -> Batch:
    """Copy a batch to memory of its own."""
    x = batch.x.clone()
    teacher = x if batch.teacher is batch.x else batch.teacher.clone()
    return Batch(x, teacher, None if batch.s is None else batch.s.clone())
