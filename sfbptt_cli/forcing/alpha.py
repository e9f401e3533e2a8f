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
    """A constant α; base of the others."""

    def __init__(self, value: float) -> None:
        self.value = value

    def observe(self, model: LatentModel, states: Tensor, s: Tensor | None) -> None:
        """Look at the forced states (batch, T, state_dim) that the steps of a batch start from.

        s (batch, T, input) are the inputs at which those steps arrive.
        """


class Annealed(Alpha):
    """α_u = α_start (α_end / α_start)^(u / (U - 1)) at update u of U; both in (0, 1]."""

    def __init__(self, start: float, end: float) -> None:
        super().__init__(start)
        self._start, self._end = start, end

    def advance(self, update: int, updates: int) -> None:
        self.value = self._start * (self._end / self._start) ** (update / max(updates - 1, 1))


class Adaptive(Alpha):
    """α* = max(0, 1 - 1/σ̃), the weakest forcing under which (1 - α) σ̃ ≤ 1 (Hess et al. 2023).

    σ̃ is an estimate of the Jacobians' growth at forced states, every `every` updates. A larger α*
    takes effect at once, a smaller one slowly: α ← γ α + (1 - γ) α*. Starts at α_start. The paper
    has α_start = 1, γ = 0.999, an estimate every 5 updates, `product` or `arithmetic_mean`.

    Jacobians are taken at the forced states that steps start from, at updates 0, `every`, …; the
    authors' code takes them at those one step later, for the first time at update `every`.
    """

    def __init__(self, start: float, estimator: str, gamma: float, every: int) -> None:
        super().__init__(start)
        self._growth = lookup(ESTIMATORS, estimator, "alpha.estimator")
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
        if not J.isfinite().all():  # seen in the loss
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
    """Return max over the batch of (Π_t ‖J_t‖)^(1/T), a bound of the growth along a sequence.

    J (batch, T, state_dim, state_dim); ‖·‖ is the largest singular value, in all estimates. One is
    computed for every forced state, in `arithmetic_mean` one for every sequence.
    """
    return matrix_norm(J, 2).log().mean(1).exp().max()


def arithmetic_mean(J: Tensor) -> Tensor:
    """Return max over the batch of ‖Σ_t J_t / T‖, J (batch, T, state_dim, state_dim)."""
    return matrix_norm(J.mean(1), 2).max()


def maximum(J: Tensor) -> Tensor:
    """Return max over batch and time of ‖J_t‖, J as in `product`: the safest estimate."""
    return matrix_norm(J, 2).max()


ESTIMATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "product": product,
    "arithmetic_mean": arithmetic_mean,
    "maximum": maximum,
}

ALPHAS: dict[str, Callable[..., Alpha]] = {
    "constant": Alpha,
    "annealed": Annealed,
    "adaptive": Adaptive,
}
