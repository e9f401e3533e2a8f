"""How strongly generalised teacher forcing forces: α over training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.linalg import matrix_norm

from sfbptt_cli.common.errors import lookup
from sfbptt_cli.forcing.method import Stateful
from sfbptt_cli.models.base import LatentModel


class Alpha(Stateful):
    """A constant α; base of the others. Each takes the settings it needs and ignores the rest."""

    def __init__(self, *, alpha: float, **_: Any) -> None:
        self.value = alpha

    def observe(self, model: LatentModel, states: Tensor, s: Tensor | None) -> None:
        """The forced states that the steps of a batch start from, (batch, T, state_dim).

        s (batch, T, input) are the inputs at which those steps arrive.
        """


class Annealed(Alpha):
    """α_u = α_start (α_end / α_start)^(u / (U - 1)) at update u of U; both in (0, 1]."""

    def __init__(self, *, alpha_start: float, alpha_end: float, **_: Any) -> None:
        super().__init__(alpha=alpha_start)
        self._start, self._end = alpha_start, alpha_end

    def advance(self, update: int, updates: int) -> None:
        self.value = self._start * (self._end / self._start) ** (update / max(updates - 1, 1))


class Adaptive(Alpha):
    """α* = max(0, 1 - 1/σ̃), the weakest forcing under which (1 - α) σ̃ ≤ 1 (Hess et al. 2023).

    σ̃ is an estimate of the Jacobians' growth at forced states, every `every` updates. A larger α*
    takes effect at once, a smaller one slowly: α ← γ α + (1 - γ) α*. Starts at α_start. The paper
    has α_start = 1, γ = 0.999, an estimate every 5 updates, `product` or `arithmetic_mean`.
    """

    def __init__(
        self, *, alpha_start: float, estimator: str, gamma: float, every: int, **_: Any
    ) -> None:
        super().__init__(alpha=alpha_start)
        self._growth = lookup(ESTIMATORS, estimator, "forcing.estimator")
        self._gamma, self._every = gamma, every
        self._due = False

    def advance(self, update: int, updates: int) -> None:
        self._due = update % self._every == 0

    @torch.no_grad()
    def observe(self, model: LatentModel, states: Tensor, s: Tensor | None) -> None:
        if not self._due:
            return
        self._due = False
        J = model.jacobian(states.flatten(0, 1), None if s is None else s.flatten(0, 1))
        if not J.isfinite().all():  # the loss will say so
            return
        sigma = self._growth(J.unflatten(0, states.shape[:2])).item()
        estimate = 1 - 1 / sigma if sigma > 1 else 0.0
        if estimate > self.value:
            self.value = estimate
        else:
            self.value = self._gamma * self.value + (1 - self._gamma) * estimate

    def state_dict(self) -> dict[str, Any]:
        return {"alpha": self.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value = state["alpha"]


def product(J: Tensor) -> Tensor:
    """max over the batch of (Π_t ‖J_t‖)^(1/T), a bound of the growth along a sequence.

    J (batch, T, state_dim, state_dim); ‖·‖ is the largest singular value, in all estimates. One is
    computed for every forced state, in `arithmetic_mean` one for every sequence.
    """
    return matrix_norm(J, 2).log().mean(1).exp().max()


def arithmetic_mean(J: Tensor) -> Tensor:
    """max over the batch of ‖Σ_t J_t / T‖, J (batch, T, state_dim, state_dim)."""
    return matrix_norm(J.mean(1), 2).max()


def maximum(J: Tensor) -> Tensor:
    """max over batch and time of ‖J_t‖, J (batch, T, state_dim, state_dim): the safest."""
    return matrix_norm(J, 2).max()


ESTIMATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "product": product,
    "arithmetic_mean": arithmetic_mean,
    "maximum": maximum,
}

ALPHA_SCHEDULES: dict[str, Callable[..., Alpha]] = {
    "constant": Alpha,
    "annealed": Annealed,
    "adaptive": Adaptive,
}
