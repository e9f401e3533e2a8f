"""Settings of the models."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING

from sfbptt_cli.common.checks import at_least, one_of, refuse_too_large, require

# The largest values: far beyond use, so that a slip is refused before memory is taken.
# Matrices of a model then have at most 67 million entries, 270 MB.
_MODEL = {"latent_dim": 4_096, "bases": 4_096, "hidden_dim": 16_384}


@dataclass
class ModelSettings:
    """The recurrent network; `name` is looked up in the table of models."""

    name: str = MISSING
    latent_dim: int = 30  # M
    readout: str = "linear"  # linear: learned B; identity: the first obs_dim latents

    def __post_init__(self) -> None:
        at_least("model.latent_dim", self.latent_dim, 1)
        one_of("model.readout", self.readout, ("linear", "identity"))
        refuse_too_large("model", self, _MODEL)


@dataclass
class DendriticSettings(ModelSettings):
    """Dendritic PLRNN."""

    bases: int = 20  # B, thresholds a unit
    clipped: bool = False  # bounded orbits

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("model.bases", self.bases, 1)


@dataclass
class ShallowSettings(ModelSettings):
    """Shallow PLRNN."""

    hidden_dim: int = 50  # L
    clipped: bool = False  # bounded orbits

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("model.hidden_dim", self.hidden_dim, 1)


@dataclass
class ALRNNSettings(ModelSettings):
    """Almost-linear RNN."""

    linear_threshold_units: int = 2  # P, units with a rectifier; the others are linear

    def __post_init__(self) -> None:
        super().__post_init__()
        accepted = f"a whole number from 0 to model.latent_dim = {self.latent_dim}"
        units = self.linear_threshold_units
        within = 0 <= units <= self.latent_dim
        require(within, "model.linear_threshold_units", units, accepted)


# The highest learning rates of Adam that the models bear, found on Lorenz data: gates bear more.
LEARNING_RATES = {"lstm": 1.5e-2, "gru": 1.5e-2, "rnn": 1e-2}
LEARNING_RATE = 5e-3  # of the others

MODEL_SCHEMAS: dict[str, type[ModelSettings]] = {
    "lstm": ModelSettings,
    "rnn": ModelSettings,
    "gru": ModelSettings,
    "plrnn": ModelSettings,
    "dendritic_plrnn": DendriticSettings,
    "shallow_plrnn": ShallowSettings,
    "al_rnn": ALRNNSettings,
}
