"""Settings of the training methods, the forcing interval's schedule, and what is added to the loss.

Settings that hold for one choice only are null until they are given: `fill` puts the defaults of
the choice in, and refuses what belongs to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from sfbptt_cli.common.checks import at_least, fill, one_of, require

# The methods that force or cut at an interval.
WITH_TAU = frozenset({"sparse", "truncated"})


@dataclass
class ForcingSettings:
    """The training method; `name` is looked up in the table of methods."""

    name: str = MISSING


@dataclass
class GeneralizedSettings(ForcingSettings):
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
class TauScheduleSettings:
    """How the interval τ changes over training."""

    name: str = MISSING


@dataclass
class AnnealedSettings(TauScheduleSettings):
    """From 1 to τ, then τ."""

    part: float = 1.0  # fraction of training over which the interval grows

    def __post_init__(self) -> None:
        accepted = "a number above 0, at most 1"
        require(0 < self.part <= 1, "tau_schedule.part", self.part, accepted)


@dataclass
class RandomSettings(TauScheduleSettings):
    """Uniform in τ ± half_width at every update."""

    half_width: int = 10  # steps

    def __post_init__(self) -> None:
        at_least("tau_schedule.half_width", self.half_width, 0)


FORCING_SCHEMAS: dict[str, type[ForcingSettings]] = {
    "sparse": ForcingSettings,
    "none": ForcingSettings,
    "truncated": ForcingSettings,
    "windowed": ForcingSettings,
    "generalized": GeneralizedSettings,
}

TAU_SCHEDULE_SCHEMAS: dict[str, type[TauScheduleSettings]] = {
    "constant": TauScheduleSettings,
    "annealed": AnnealedSettings,
    "random": RandomSettings,
}
