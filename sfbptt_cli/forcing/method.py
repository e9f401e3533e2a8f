"""What training asks of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from sfbptt_cli.models.base import LatentModel


class Stateful:
    """What may change over training, and remember something of it."""

    def advance(self, update: int, updates: int) -> None:
        """Training is about to make update 0 ≤ `update` < `updates`."""

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs beside the settings, as plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""


class Method(Stateful, ABC):
    """From a model and a window of data to predictions."""

    uses_tau: ClassVar[bool]  # whether τ means anything to it

    @property
    def alike(self) -> float | None:
        """Models whose methods give the same number, and τ, can share one call (`ensemble`).

        None: this one looks at the numbers of its own model on the way.
        """
        return 0.0

    @abstractmethod
    def __call__(
        self, model: LatentModel, x: Tensor, tau: int | None, s: Tensor | None = None
    ) -> Tensor:
        """x̂_2 … x̂_{T+1} (batch, T, obs) from x_1 … x_{T+1} (batch, T + 1, obs), standardised.

        tau, in steps, is ignored by a method that does not use it. External inputs s_1 … s_{T+1},
        (batch, T + 1, input), are those of the same times; the step that predicts x_t takes s_t.
        """


def interval(tau: int | None) -> int:
    """τ of a method that cannot do without it."""
    if tau is None:
        raise ValueError("tau: none was given; accepted: an interval in steps")
    return tau


def arriving(s: Tensor | None, x: Tensor) -> Tensor | None:
    """The inputs at which steps arrive, s_2 … s_{T+1}: (batch, T + 1, input) -> (batch, T, input).

    ValueError unless there is one for each time of the window x (batch, T + 1, obs).
    """
    if s is None:
        return None
    if s.shape[1] != x.shape[1]:
        raise ValueError(
            f"{s.shape[1]} inputs s were given; accepted: one for each of {x.shape[1]} times"
        )
    return s[:, 1:]
