"""What training asks of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from sfbptt_cli.forcing.settings import ForcingSettings, IntervalSettings
from sfbptt_cli.forcing.tau_schedule import TauAt
from sfbptt_cli.models.base import LatentModel


class Stateful:
    """A part of training that may change from update to update and remember something."""

    def advance(self, update: int, updates: int) -> None:
        """Prepare update 0 ≤ `update` < `updates`."""

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs in addition to the settings, as plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""


class Method(Stateful, ABC):
    """A training method: predictions of a window of data by a model."""

    # Of a method of another package; a subclass of them where the method has settings of its own.
    Settings: ClassVar[type[ForcingSettings]] = ForcingSettings

    @property
    def tau(self) -> int | None:
        """The interval of the present update in steps; None for a method without."""
        return None

    @abstractmethod
    def __call__(self, model: LatentModel, x: Tensor, s: Tensor | None = None) -> Tensor:
        """Predict x̂_2 … x̂_{T+1} (batch, T, obs) from x_1 … x_{T+1} (batch, T + 1, obs).

        Both are standardised. With a warm-up of w steps, x has w more observations before x_1. The
        step that predicts x_t takes the external input s_t of s (batch, times of x, input).
        """


class IntervalMethod(Method):
    """A method that forces or cuts every τ steps, τ being `tau_at(update)`."""

    Settings: ClassVar[type[ForcingSettings]] = IntervalSettings

    def __init__(self, tau_at: TauAt) -> None:
        self._tau_at = tau_at
        self._tau = tau_at(0)

    @property
    def tau(self) -> int:
        return self._tau

    def advance(self, update: int, updates: int) -> None:
        self._tau = self._tau_at(update)


def arriving(s: Tensor | None, x: Tensor) -> Tensor | None:
    """Return the inputs at which steps arrive, s_2 … s_{T+1}.

    s (batch, T + 1, input) -> (batch, T, input). ValueError unless there is one for each time of
    the window x (batch, T + 1, obs).
    """
    if s is None:
        return None
    if s.shape[1] != x.shape[1]:
        raise ValueError(
            f"{s.shape[1]} inputs s were given; accepted: one for each of {x.shape[1]} times"
        )
    return s[:, 1:]
