"""Settings of the optimizers and their learning-rate schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from sfbptt_cli.common.checks import at_least, fraction, one_of, positive, require
from sfbptt_cli.config.method import fill

_SCHEDULE_SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {},
    "onecycle": {"warmup": 0.3},
    "cosine": {"final": 1e-3},
    "exponential": {"final": 1e-3},
}


@dataclass
class OptimizerConfig:
    """Optimizer and learning-rate schedule; the learning rate is the schedule's maximum."""

    name: str = MISSING
    learning_rate: float | None = None  # null: what suits the model (config/model.py)
    schedule: str = "onecycle"  # constant, onecycle, cosine, exponential
    warmup: float | None = None  # onecycle: fraction of training with rising rate; default 0.3
    final: float | None = None  # cosine, exponential: last rate over first; default 0.001
    clip_norm: float | None = 1.0  # the gradient's norm is scaled down to this; null: not
    clip_value: float | None = None  # each entry of the gradient is cut at ± this; null: not

    def __post_init__(self) -> None:
        if self.learning_rate is not None:
            positive("optimizer.learning_rate", self.learning_rate)
        one_of("optimizer.schedule", self.schedule, tuple(_SCHEDULE_SETTINGS))
        fill(self, "optimizer", "schedule", _SCHEDULE_SETTINGS)
        if self.warmup is not None:
            fraction("optimizer.warmup", self.warmup)
        if self.final is not None:
            accepted = "a number above 0, at most 1"
            require(0 < self.final <= 1, "optimizer.final", self.final, accepted)
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                positive(f"optimizer.{name}", getattr(self, name))

    def options(self) -> dict[str, float]:
        """What this optimizer takes beside the learning rate."""
        return {}


@dataclass
class SOAPConfig(OptimizerConfig):
    """SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

    learning_rate: float | None = 1e-2
    basis_every: int = 10  # updates between two eigenbases

    def __post_init__(self) -> None:
        if self.schedule == "onecycle" and self.warmup is None:
            self.warmup = 0.1
        super().__post_init__()
        at_least("optimizer.basis_every", self.basis_every, 1)

    def options(self) -> dict[str, float]:
        return {"basis_every": self.basis_every}


@dataclass
class AdamWConfig(OptimizerConfig):
    """AdamW: decoupled weight decay."""

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        accepted = "a finite number of at least 0"
        decay = self.weight_decay
        require(0 <= decay < float("inf"), "optimizer.weight_decay", decay, accepted)

    def options(self) -> dict[str, float]:
        return {"weight_decay": self.weight_decay}


@dataclass
class SGDConfig(OptimizerConfig):
    """Stochastic gradient descent with momentum."""

    learning_rate: float | None = 1.5e-2
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        accepted = "a number from 0, below 1"
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, accepted)

    def options(self) -> dict[str, float]:
        return {"momentum": self.momentum}


OPTIMIZER_SCHEMAS: dict[str, type[OptimizerConfig]] = {
    "soap": SOAPConfig,
    "adam": OptimizerConfig,
    "adamw": AdamWConfig,
    "radam": OptimizerConfig,
    "sgd": SGDConfig,
}
