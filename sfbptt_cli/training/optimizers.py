"""Optimizers and learning-rate schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RAdam
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LRScheduler, OneCycleLR

from sfbptt_cli.common.errors import lookup
from sfbptt_cli.training.settings import LRScheduleSettings, OptimizerSettings
from sfbptt_cli.training.soap import SOAP

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "soap": SOAP,
    "adam": Adam,
    "adamw": AdamW,
    "radam": RAdam,
    "sgd": SGD,
}


# A cycle needs an update up, one at the top and one down.
_FEWEST = 3


def _constant(optimizer: Optimizer, updates: int) -> LRScheduler:
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


def _onecycle(optimizer: Optimizer, updates: int, rise: float) -> LRScheduler:
    """Rise from 1/25 of the rate over the fraction `rise`, then fall to 4e-6 of it, along cosines.

    Adam's β₁ does the opposite between 0.85 and 0.95 (Smith and Topin 2019).
    """
    if updates < _FEWEST:
        return _constant(optimizer, updates)
    # torch's formula divides by zero where the rise ends with the first update.
    rise = rise if rise * updates > 1 else 2 / updates
    highest = optimizer.defaults["lr"]
    # SGD has the momentum it was given.
    cycled = "betas" in optimizer.defaults
    return OneCycleLR(
        optimizer, highest, total_steps=updates, pct_start=rise, cycle_momentum=cycled
    )


def _cosine(optimizer: Optimizer, updates: int, final: float) -> LRScheduler:
    def factor(update: int) -> float:
        return final + (1 - final) * (1 + math.cos(math.pi * _done(update, updates))) / 2

    return LambdaLR(optimizer, factor)


def _exponential(optimizer: Optimizer, updates: int, final: float) -> LRScheduler:
    return LambdaLR(optimizer, lambda update: final ** _done(update, updates))


def _done(update: int, updates: int) -> float:
    """Return 0 at the first update, 1 at the last one and after it."""
    return min(update / max(updates - 1, 1), 1.0)


LR_SCHEDULES: dict[str, Callable[..., LRScheduler]] = {
    "constant": _constant,
    "onecycle": _onecycle,
    "cosine": _cosine,
    "exponential": _exponential,
}


def build_optimizer(
    parameters: Iterable[nn.Parameter],
    settings: OptimizerSettings,
    schedule: LRScheduleSettings,
    updates: int,
) -> tuple[Optimizer, LRScheduler]:
    """Make the optimizer and its schedule, stepped once an update, over `updates` updates.

    `soap` is Adam in the eigenbasis of G Gᵀ and Gᵀ G, averaged over gradients G, for matrices, and
    Adam for vectors (Vyas et al., ICLR 2025). The learning rate is the schedule's maximum. `cosine`
    and `exponential` fall from it to `final` times it at the last update; Hess et al. (2023) train
    with RAdam and `exponential` from 1e-3 to 1e-6. RequestError for an unknown name.
    """
    build = lookup(OPTIMIZERS, settings.name, "optimizer.name")
    optimizer = build(parameters, lr=settings.learning_rate, **settings.options())
    chosen = asdict(schedule)
    vary = lookup(LR_SCHEDULES, chosen.pop("name"), "lr_schedule.name")
    return optimizer, vary(optimizer, updates, **chosen)
