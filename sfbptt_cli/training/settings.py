"""Settings of the optimizer, its learning rate, penalties, validation and the search for τ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Union

from omegaconf import MISSING

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.settings import Settings, checked, number, whole
from sfbptt_cli.models.settings import ModelSettings


@dataclass
class OptimizerSettings(Settings):
    """An optimizer, looked up by `name` in the table of optimizers.

    `learning_rate` is Any as OmegaConf cannot merge a Union into a group that was not chosen yet.
    """

    group: ClassVar[str] = "optimizer"
    onecycle_rise: ClassVar[float] = 0.3  # what lr_schedule.rise=auto is

    name: str = MISSING  # the choice of this group
    # The schedule's maximum; auto: what optimizer and model bear, less where variables may hide.
    learning_rate: Any = number("auto", "auto", above=0)
    clip_norm: float | None = number(1.0, above=0)  # the gradient is scaled down to this norm
    clip_value: float | None = number(None, above=0)  # each entry of it is cut at ± this

    def usual_rate(self, model: ModelSettings, complete: bool) -> float:
        """Return the rate that `auto` is; complete: whether all variables are surely observed."""
        return model.adam_rate

    def options(self) -> dict[str, Any]:
        """Return what this optimizer takes in addition to parameters and learning rate."""
        common = ("name", "learning_rate", "clip_norm", "clip_value")
        return {key: value for key, value in asdict(self).items() if key not in common}


@dataclass
class SOAPSettings(OptimizerSettings):
    """SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

    onecycle_rise: ClassVar[float] = 0.1

    basis_every: int = whole(10, 1)  # updates between two eigenbases

    def usual_rate(self, model: ModelSettings, complete: bool) -> float:
        # x of Lorenz alone: 1 of 3 seeds at .02, 3 of 3 at .01.
        return min(2e-2 if complete else 1e-2, 2 * model.adam_rate)


@dataclass
class AdamWSettings(OptimizerSettings):
    """AdamW: decoupled weight decay."""

    weight_decay: float = number(0.01, at_least=0)  # times the learning rate, an update


@dataclass
class SGDSettings(OptimizerSettings):
    """Stochastic gradient descent with momentum."""

    momentum: float = number(0.9, at_least=0, below=1)  # weight of the updates before

    def usual_rate(self, model: ModelSettings, complete: bool) -> float:
        return 1.5e-2


@dataclass
class LRScheduleSettings(Settings):
    """The learning rate over training, looked up by `name` in the table of schedules."""

    group: ClassVar[str] = "lr_schedule"

    name: str = MISSING  # the choice of this group


@dataclass
class OneCycleSettings(LRScheduleSettings):
    """From 1/25 of the learning rate up to it, then down to 4e-6 of it."""

    # Fraction of training in which the rate rises; auto: 0.1 with soap, 0.3 with the others.
    rise: Union[float, int, str] = number("auto", "auto", above=0, below=1)  # noqa: UP007


@dataclass
class DecaySettings(LRScheduleSettings):
    """From the learning rate down to `final` times it, along a cosine or exponentially."""

    final: float = number(1e-3, above=0, at_most=1)  # fraction of the learning rate at the end


@dataclass
class RegularizationSettings(Settings):
    """What is added to the loss, and noise on what states are computed from."""

    group: ClassVar[str] = "regularization"

    manifold_weight: float = number(0.0, at_least=0)  # manifold-attractor term (PLRNN family)
    manifold_fraction: float = number(0.5, above=0, at_most=1)  # of the latents, the last ones
    # Of the squared parameters of the latent map; auto: 1e-6 where the training data have fewer
    # than ten numbers for each parameter of the model, else 0.
    latent_weight: Union[float, int, str] = number("auto", "auto", at_least=0)  # noqa: UP007
    readout_weight: float = number(0.0, at_least=0)  # of the squared parameters of the readout
    teacher_noise: float = number(0.0, at_least=0)  # standard deviation, in those of the data

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.manifold_weight:
            self.require_unused("regularization.manifold_weight is 0", "manifold_fraction")


@dataclass
class ValidationSettings(Settings):
    """Short free generations during training; the best one decides the best checkpoint."""

    group: ClassVar[str] = "validation"

    every: int = whole(10, 0, 1e6)  # epochs between two validations; 0: never, the last is best
    steps: int = whole(5_000, 100, 1e7)  # generated steps of each trajectory
    trajectories: int = whole(20, 1, 1e5)  # generated at once, from starts spread over the data
    # Add the mean log norm of Jacobian products over tau and over the window to metrics.csv.
    jacobian_norms: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.every:
            unused = ("steps", "trajectories", "jacobian_norms")
            self.require_unused("validation.every is 0", *unused)


def _factors(name: str, value: list[float]) -> None:
    usable = bool(value) and all(0 < factor < float("inf") for factor in value)
    require(usable, name, value, "numbers above 0")


@dataclass
class TauSearchSettings(Settings):
    """`tau=search`: short trainings at several τ, of which the best is taken."""

    group: ClassVar[str] = "tau_search"

    factors: list[float] = checked([0.25, 0.5, 0.75, 1.0, 1.5], _factors)  # of τ_pred
    epochs: int = whole(10, 1, 1e6)  # of each short training


OPTIMIZER_SETTINGS: dict[str, type[OptimizerSettings]] = {
    "soap": SOAPSettings,
    "adam": OptimizerSettings,
    "adamw": AdamWSettings,
    "radam": OptimizerSettings,
    "sgd": SGDSettings,
}

LR_SCHEDULE_SETTINGS: dict[str, type[LRScheduleSettings]] = {
    "onecycle": OneCycleSettings,
    "cosine": DecaySettings,
    "exponential": DecaySettings,
    "constant": LRScheduleSettings,
}
