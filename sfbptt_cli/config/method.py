"""Settings of the training methods, the forcing interval's schedule, and what is added to the loss.

Settings that hold for one choice only are null until they are given: `fill` puts the defaults of
the choice in, and refuses what belongs to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from sfbptt_cli.common.checks import at_least, default_where, fraction, one_of, require
from sfbptt_cli.config.largest import TAU_SEARCH, refuse_too_large

# The methods that force or cut at an interval.
WITH_TAU = frozenset({"sparse", "truncated"})


def fill(
    config: object, group: str, choice: str, settings: Mapping[str, Mapping[str, Any]]
) -> None:
    """Give the settings of `choice` their defaults where they are null; refuse those of others.

    `settings` maps each choice of `group.choice` to its settings and their defaults.
    """
    own = settings[getattr(config, choice)]
    for name in sorted({name for defaults in settings.values() for name in defaults}):
        value = getattr(config, name)
        if name not in own:
            given = getattr(config, choice)
            accepted = f"null where {group}.{choice} is {given}"
            require(value is None, f"{group}.{name}", value, accepted)
        elif value is None:
            setattr(config, name, own[name])


@dataclass
class ForcingConfig:
    """The training method; `name` is looked up in the table of methods."""

    name: str = MISSING


@dataclass
class GeneralizedConfig(ForcingConfig):
    """z ← (1 − α) z + α z̃ at every step (Hess et al. 2023)."""

    schedule: str = "constant"  # constant, annealed, adaptive
    alpha: float | None = None  # constant: α; default 0.1
    alpha_start: float | None = None  # annealed, adaptive: α at the first update; default 1
    alpha_end: float | None = None  # annealed: α at the last update; default 0.1
    estimator: str | None = None  # adaptive: product, arithmetic_mean, maximum; default product
    gamma: float | None = None  # adaptive: weight of the past in the moving average; default 0.999
    every: int | None = None  # adaptive: updates between two estimates; default 5

    def __post_init__(self) -> None:
        one_of("forcing.schedule", self.schedule, ("constant", "annealed", "adaptive"))
        fill(self, "forcing", "schedule", _ALPHA_SETTINGS)
        for name in ("alpha", "alpha_start", "alpha_end"):
            value = getattr(self, name)
            if value is not None:
                zero = name == "alpha" or (name == "alpha_start" and self.schedule == "adaptive")
                accepted = "a number from 0 to 1" if zero else "a number above 0, at most 1"
                require(0 <= value <= 1 and (zero or value > 0), f"forcing.{name}", value, accepted)
        if self.estimator is not None:
            known = ("product", "arithmetic_mean", "maximum")
            one_of("forcing.estimator", self.estimator, known)
        if self.gamma is not None:
            accepted = "a number from 0, below 1"
            require(0 <= self.gamma < 1, "forcing.gamma", self.gamma, accepted)
        if self.every is not None:
            at_least("forcing.every", self.every, 1)

    def settings(self) -> dict[str, Any]:
        """What the schedule of α takes."""
        return {k: getattr(self, k) for k in _ALPHA_SETTINGS[self.schedule]}


_ALPHA_SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {"alpha": 0.1},
    "annealed": {"alpha_start": 1.0, "alpha_end": 0.1},
    "adaptive": {"alpha_start": 1.0, "estimator": "product", "gamma": 0.999, "every": 5},
}


@dataclass
class TauScheduleConfig:
    """How the interval τ changes over training."""

    name: str = MISSING


@dataclass
class AnnealedConfig(TauScheduleConfig):
    """From 1 to τ, then τ."""

    part: float = 1.0  # fraction of training over which the interval grows

    def __post_init__(self) -> None:
        accepted = "a number above 0, at most 1"
        require(0 < self.part <= 1, "tau_schedule.part", self.part, accepted)


@dataclass
class RandomConfig(TauScheduleConfig):
    """Uniform in τ ± half_width at every update."""

    half_width: int = 10  # steps

    def __post_init__(self) -> None:
        at_least("tau_schedule.half_width", self.half_width, 0)


@dataclass
class TauSearchConfig:
    """`tau=search`: short trainings at several τ, of which the best is taken."""

    factors: list[float] | None = None  # of τ_pred; 1/4, 1/2, 3/4, 1, 3/2
    epochs: int | None = None  # of each short training; 10

    def fill(self, searching: bool) -> None:
        """The defaults where τ is searched; RequestError for what is given where it is not."""
        defaults = {"factors": [0.25, 0.5, 0.75, 1.0, 1.5], "epochs": 10}
        default_where(searching, self, "tau_search", "tau is not search", defaults)
        if self.epochs is not None:
            at_least("tau_search.epochs", self.epochs, 1)
            refuse_too_large("tau_search", self, TAU_SEARCH)
        if self.factors is not None:
            accepted = "numbers above 0"
            usable = bool(self.factors) and all(0 < f < float("inf") for f in self.factors)
            require(usable, "tau_search.factors", self.factors, accepted)


@dataclass
class RegularizationConfig:
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


FORCING_SCHEMAS: dict[str, type[ForcingConfig]] = {
    "sparse": ForcingConfig,
    "none": ForcingConfig,
    "truncated": ForcingConfig,
    "windowed": ForcingConfig,
    "generalized": GeneralizedConfig,
}

TAU_SCHEDULE_SCHEMAS: dict[str, type[TauScheduleConfig]] = {
    "constant": TauScheduleConfig,
    "annealed": AnnealedConfig,
    "random": RandomConfig,
}
