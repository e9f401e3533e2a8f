"""Settings of the models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.settings import Settings, whole, word

# Matrices of a model have at most 67 million entries, 270 MB.
_WIDEST = 4_096
# Latent states for each observed variable, within bounds: of 20 variables of Lorenz-96 of which ten
# are seen, 30 states leave a cycle, 100 the attractor; for three variables 30 are enough.
_EACH, _FEWEST, _MOST = 10, 30, 100


@dataclass
class ModelSettings(Settings):
    """A recurrent network, looked up by `name` in the table of models.

    `latent_dim` is Any as OmegaConf cannot merge a Union into a group that was not chosen yet.
    """

    group: ClassVar[str] = "model"
    # The highest learning rate of Adam that the model bears, found on Lorenz data.
    adam_rate: ClassVar[float] = 5e-3

    name: str = MISSING  # the choice of this group
    # M; auto: ten for each observed variable, 30 to 100, and not fewer than the variables
    latent_dim: Any = whole("auto", 1, _WIDEST, "auto")
    readout: str = word("linear", "identity")  # learned B; or the first obs_dim latents

    def latent_states(self, obs_dim: int = 1) -> int:
        """Return M of a model of so many observed variables; by default the least M."""
        if self.latent_dim == "auto":
            return max(_FEWEST, min(_EACH * obs_dim, _MOST), obs_dim)
        return int(self.latent_dim)


@dataclass
class GatedSettings(ModelSettings):
    """LSTM or GRU: gates bear higher learning rates."""

    adam_rate: ClassVar[float] = 1.5e-2


@dataclass
class TanhSettings(ModelSettings):
    """tanh RNN."""

    adam_rate: ClassVar[float] = 1e-2


@dataclass
class DendriticSettings(ModelSettings):
    """Dendritic PLRNN."""

    bases: int = whole(20, 1, _WIDEST)  # B, thresholds a unit
    clipped: bool = False  # bounded orbits


@dataclass
class ShallowSettings(ModelSettings):
    """Shallow PLRNN."""

    hidden_dim: int = whole(50, 1, 4 * _WIDEST)  # L
    clipped: bool = False  # bounded orbits


@dataclass
class ALRNNSettings(ModelSettings):
    """Almost-linear RNN."""

    linear_threshold_units: int = 2  # P, units with a rectifier; the others are linear

    def __post_init__(self) -> None:
        super().__post_init__()
        units = self.linear_threshold_units
        accepted = f"a whole number from 0 to model.latent_dim = {self.latent_states()}"
        within = 0 <= units <= self.latent_states()
        require(within, "model.linear_threshold_units", units, accepted)


MODEL_SETTINGS: dict[str, type[ModelSettings]] = {
    "lstm": GatedSettings,
    "gru": GatedSettings,
    "rnn": TanhSettings,
    "plrnn": ModelSettings,
    "dendritic_plrnn": DendriticSettings,
    "shallow_plrnn": ShallowSettings,
    "al_rnn": ALRNNSettings,
}

# In figures and reports.
MODEL_LABELS = {
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "RNN",
    "plrnn": "PLRNN",
    "al_rnn": "AL-RNN",
    "dendritic_plrnn": "dendritic PLRNN",
    "shallow_plrnn": "shallow PLRNN",
}
