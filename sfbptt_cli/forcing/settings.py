"""Settings of the training methods and of the schedules of τ and α."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from sfbptt_cli.common.settings import Settings, number, whole, word


@dataclass
class ForcingSettings(Settings):
    """A training method, looked up by `name` in the table of methods."""

    group: ClassVar[str] = "forcing"
    has_tau: ClassVar[bool] = False  # forces or cuts at an interval, with a schedule of it
    has_alpha: ClassVar[bool] = False  # mixes data into every state, with a schedule of α
    has_warmup: ClassVar[bool] = False  # computes states from several observations

    name: str = MISSING  # the choice of this group


@dataclass
class IntervalSettings(ForcingSettings):
    """A method that forces or cuts every τ steps."""

    has_tau: ClassVar[bool] = True


@dataclass
class SparseSettings(IntervalSettings):
    """Segments of τ free steps, each from a state that was computed from data."""

    has_warmup: ClassVar[bool] = True


@dataclass
class GeneralizedSettings(ForcingSettings):
    """z ← (1 − α) z + α z̃ at every step (Hess et al. 2023)."""

    has_alpha: ClassVar[bool] = True


@dataclass
class TauScheduleSettings(Settings):
    """The interval τ over training, looked up by `name` in the table of schedules."""

    group: ClassVar[str] = "tau_schedule"

    name: str = MISSING  # the choice of this group


@dataclass
class AnnealedTauSettings(TauScheduleSettings):
    """From 1 to τ, then τ."""

    part: float = number(1.0, above=0, at_most=1)  # fraction of training in which τ grows


@dataclass
class RandomTauSettings(TauScheduleSettings):
    """Uniform in τ ± half_width at every update."""

    half_width: int = whole(10, 0)  # steps


@dataclass
class AlphaSettings(Settings):
    """The strength α of generalised forcing, looked up by `name`."""

    group: ClassVar[str] = "alpha"

    name: str = MISSING  # the choice of this group


@dataclass
class ConstantAlphaSettings(AlphaSettings):
    """The same α at every update."""

    value: float = number(0.1, at_least=0, at_most=1)  # α


@dataclass
class AnnealedAlphaSettings(AlphaSettings):
    """Exponentially from `start` to `end` over training."""

    start: float = number(1.0, above=0, at_most=1)  # α at the first update
    end: float = number(0.1, above=0, at_most=1)  # α at the last update


@dataclass
class AdaptiveAlphaSettings(AlphaSettings):
    """The weakest forcing under which gradients stay bounded, from the model's Jacobians."""

    start: float = number(1.0, at_least=0, at_most=1)  # α at the first update
    estimator: str = word("product", "arithmetic_mean", "maximum")  # of the Jacobians' norm
    gamma: float = number(0.999, at_least=0, below=1)  # weight of the past in the moving average
    every: int = whole(5, 1)  # updates between two estimates


FORCING_SETTINGS: dict[str, type[ForcingSettings]] = {
    "sparse": SparseSettings,
    "none": ForcingSettings,
    "truncated": IntervalSettings,
    "windowed": ForcingSettings,
    "generalized": GeneralizedSettings,
}

TAU_SCHEDULE_SETTINGS: dict[str, type[TauScheduleSettings]] = {
    "constant": TauScheduleSettings,
    "annealed": AnnealedTauSettings,
    "random": RandomTauSettings,
}

ALPHA_SETTINGS: dict[str, type[AlphaSettings]] = {
    "constant": ConstantAlphaSettings,
    "annealed": AnnealedAlphaSettings,
    "adaptive": AdaptiveAlphaSettings,
}
