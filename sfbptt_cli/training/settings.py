"""Settings of the optimizers and their learning-rate schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from sfbptt_cli.common.checks import (
    at_least,
    default_where,
    fill,
    fraction,
    one_of,
    positive,
    refuse_too_large,
    require,
)

_SCHEDULE_SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {},
    "onecycle": {"warmup": 0.3},
    "cosine": {"final": 1e-3},
    "exponential": {"final": 1e-3},
}


@dataclass
class OptimizerSettings:
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
class SOAPSettings(OptimizerSettings):
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
class AdamWSettings(OptimizerSettings):
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
class SGDSettings(OptimizerSettings):
    """Stochastic gradient descent with momentum."""

    learning_rate: float | None = 1.5e-2
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        accepted = "a number from 0, below 1"
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, accepted)

    def options(self) -> dict[str, float]:
        return {"momentum": self.momentum}


OPTIMIZER_SCHEMAS: dict[str, type[OptimizerSettings]] = {
    "soap": SOAPSettings,
    "adam": OptimizerSettings,
    "adamw": AdamWSettings,
    "radam": OptimizerSettings,
    "sgd": SGDSettings,
}


_VALIDATION = {"steps": 10_000_000, "trajectories": 100_000, "every": 1_000_000}
_TAU_SEARCH = {"epochs": 1_000_000}


@dataclass
class ValidationSettings:
    """Short free generations during training; the best one decides best.pt."""

    every: int = 5  # epochs between two validations; 0: never, and best.pt is the last
    steps: int | None = None  # generated steps of each trajectory; 5,000
    # Generated at once, from starts spread over the training series; 20.
    trajectories: int | None = None
    # Write the mean log norm of Jacobian products over tau and over the window to metrics.csv.
    jacobian_norms: bool = False

    def __post_init__(self) -> None:
        at_least("validation.every", self.every, 0)
        defaults = {"steps": 5_000, "trajectories": 20}
        default_where(self.every > 0, self, "validation", "validation.every is 0", defaults)
        accepted = "false where validation.every is 0"
        require(
            self.every > 0 or not self.jacobian_norms, "validation.jacobian_norms", True, accepted
        )
        for name, minimum in (("steps", 100), ("trajectories", 1)):
            if (value := getattr(self, name)) is not None:
                at_least(f"validation.{name}", value, minimum)
        refuse_too_large("validation", self, _VALIDATION)


@dataclass
class TauSearchSettings:
    """`tau=search`: short trainings at several τ, of which the best is taken."""

    factors: list[float] | None = None  # of τ_pred; 1/4, 1/2, 3/4, 1, 3/2
    epochs: int | None = None  # of each short training; 10

    def fill(self, searching: bool) -> None:
        """The defaults where τ is searched; RequestError for what is given where it is not."""
        defaults = {"factors": [0.25, 0.5, 0.75, 1.0, 1.5], "epochs": 10}
        default_where(searching, self, "tau_search", "tau is not search", defaults)
        if self.epochs is not None:
            at_least("tau_search.epochs", self.epochs, 1)
            refuse_too_large("tau_search", self, _TAU_SEARCH)
        if self.factors is not None:
            accepted = "numbers above 0"
            usable = bool(self.factors) and all(0 < f < float("inf") for f in self.factors)
            require(usable, "tau_search.factors", self.factors, accepted)


@dataclass
class RegularizationSettings:
    """What is added to the loss, and noise; all off by default."""

    manifold_weight: float = 0.0  # of manifold-attractor regularisation (PLRNN family)
    manifold_fraction: float | None = None  # of the latents it acts on, the last ones; 0.5
    latent_weight: float = 0.0  # of the squared parameters of the latent map
    readout_weight: float = 0.0  # of the squared parameters of the readout
    teacher_noise: float = 0.0  # standard deviation, in standard deviations of the data

    def __post_init__(self) -> None:
        for name in ("manifold_weight", "latent_weight", "readout_weight", "teacher_noise"):
            value = getattr(self, name)
            accepted = "a finite number of at least 0"
            require(0 <= value < float("inf"), f"regularization.{name}", value, accepted)
        without, share = "regularization.manifold_weight is 0", {"manifold_fraction": 0.5}
        default_where(self.manifold_weight > 0, self, "regularization", without, share)
        share = self.manifold_fraction
        if share not in (None, 1):
            fraction("regularization.manifold_fraction", share)
