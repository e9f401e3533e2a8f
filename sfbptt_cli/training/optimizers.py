"""Optimizers and learning-rate schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RAdam
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LRScheduler, OneCycleLR

from sfbptt_cli.common.errors import RequestError, choices, lookup


def _soap(parameters: Iterable[nn.Parameter], lr: float, basis_every: int = 10) -> Optimizer:
    from sfbptt_cli.training.soap import OneThreadSOAP

    return OneThreadSOAP(parameters, lr, basis_every)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "soap": _soap,
    "adam": Adam,
    "adamw": AdamW,
    "radam": RAdam,
    "sgd": SGD,
}

# The settings that one optimizer has and others have not.
OPTIONS: dict[str, tuple[str, ...]] = {
    "soap": ("basis_every",),
    "adam": (),
    "adamw": ("weight_decay",),
    "radam": (),
    "sgd": ("momentum",),
}


def _constant(optimizer: Optimizer, updates: int, warmup: float, final: float) -> LRScheduler:
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


def _onecycle(optimizer: Optimizer, updates: int, warmup: float, final: float) -> LRScheduler:
    highest = optimizer.defaults["lr"]
    # SGD has the momentum it was given.
    cycled = "betas" in optimizer.defaults
    return OneCycleLR(
        optimizer, highest, total_steps=updates, pct_start=warmup, cycle_momentum=cycled
    )


def _cosine(optimizer: Optimizer, updates: int, warmup: float, final: float) -> LRScheduler:
    def factor(update: int) -> float:
        return final + (1 - final) * (1 + math.cos(math.pi * _done(update, updates))) / 2

    return LambdaLR(optimizer, factor)


def _exponential(optimizer: Optimizer, updates: int, warmup: float, final: float) -> LRScheduler:
    return LambdaLR(optimizer, lambda update: final ** _done(update, updates))


def _done(update: int, updates: int) -> float:
    """0 at the first update, 1 at the last one and after it."""
    return min(update / max(updates - 1, 1), 1.0)


SCHEDULES: dict[str, Callable[[Optimizer, int, float, float], LRScheduler]] = {
    "constant": _constant,
    "onecycle": _onecycle,
    "cosine": _cosine,
    "exponential": _exponential,
}


def build_optimizer(
    parameters: Iterable[nn.Parameter],
    name: str,
    learning_rate: float,
    schedule: str,
    warmup: float,
    updates: int,
    *,
    final: float = 1e-3,
    options: Mapping[str, float] | None = None,
) -> tuple[Optimizer, LRScheduler]:
    """Optimizer and its schedule, stepped once an update, over `updates` updates.

    `soap` is Adam in the eigenbasis of G Gᵀ and Gᵀ G, averaged over gradients G, for matrices, and
    Adam for vectors (Vyas et al., ICLR 2025); the basis is turned every `basis_every` updates.

    `learning_rate` is the schedule's maximum. `onecycle` rises from 1/25 of it over the fraction
    `warmup` of training and falls to 4e-6 of it along cosines, while Adam's β₁ does the opposite
    between 0.85 and 0.95 (Smith and Topin 2019). `cosine` and `exponential` fall from it to
    `final` times it, in (0, 1], at the last update; Hess et al. (2023) train with RAdam and
    `exponential` from 1e-3 to 1e-6.

    `options` are the optimizer's own settings, those of OPTIONS. RequestError for an unknown name
    or an option the optimizer does not have.
    """
    build = lookup(OPTIMIZERS, name, "optimizer.name")
    for option in options or {}:
        if option not in OPTIONS[name]:
            accepted = choices(OPTIONS[name]) or "none"
            raise RequestError(f"optimizer.{option}: not an option of {name}; accepted: {accepted}")
    optimizer = build(parameters, lr=learning_rate, **(options or {}))
    return optimizer, lookup(SCHEDULES, schedule, "optimizer.schedule")(
        optimizer, updates, warmup, final
    )
