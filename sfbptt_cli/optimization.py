"""Optimizers and learning-rate schedules, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from sfbptt_cli.errors import lookup

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adam": Adam}


def _constant(
    optimizer: Optimizer, learning_rate: float, updates: int, warmup: float
) -> LRScheduler:
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


def _onecycle(
    optimizer: Optimizer, learning_rate: float, updates: int, warmup: float
) -> LRScheduler:
    return OneCycleLR(optimizer, learning_rate, total_steps=updates, pct_start=warmup)


SCHEDULES: dict[str, Callable[[Optimizer, float, int, float], LRScheduler]] = {
    "constant": _constant,
    "onecycle": _onecycle,
}


def build_optimizer(
    parameters: Iterable[nn.Parameter],
    name: str,
    learning_rate: float,
    schedule: str,
    warmup: float,
    updates: int,
) -> tuple[Optimizer, LRScheduler]:
    """Optimizer and its schedule, stepped once an update, over `updates` updates.

    `learning_rate` is the schedule's maximum. `onecycle` rises from 1/25 of it over the fraction
    `warmup` of training and falls to 4e-6 of it along cosines, while Adam's β₁ does the opposite
    between 0.85 and 0.95 (Smith and Topin 2019). RequestError for an unknown name.
    """
    optimizer = lookup(OPTIMIZERS, name, "optimizer.name")(parameters, lr=learning_rate)
    build = lookup(SCHEDULES, schedule, "optimizer.schedule")
    return optimizer, build(optimizer, learning_rate, updates, warmup)
