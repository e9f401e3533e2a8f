"""Generalised teacher forcing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sfbptt_cli.forcing.alpha import Alpha
from sfbptt_cli.forcing.method import Method, arriving
from sfbptt_cli.models.base import LatentModel


class Generalized(Method):
    """z_t ← (1 - α) z_t + α z̃_t at every step (Hess, Monfared, Brenner, Durstewitz, ICML 2023).

    Predict, score, then mix: x̂_t is read out before z̃_t = B⁺ x_t is mixed in. The window starts
    from z̃_1. Products of Jacobians shrink by 1 - α a step, so that gradients stay bounded where
    (1 - α) ‖J‖ < 1. α = 0 is classical BPTT, α = 1 sparse forcing with τ = 1.

    The whole state is mixed with the one that forcing sets. For an LSTM that is h with z̃ and c
    with 0: were c carried on whole, gradients would grow through it and α = 1 not be forcing.

    All α lie in [0, 1].
    """

    def __init__(self, alpha: Alpha) -> None:
        self._alpha = alpha

    @property
    def alpha(self) -> float:
        """α of the present update."""
        return self._alpha.value

    def __call__(self, model: LatentModel, x: Tensor, s: Tensor | None = None) -> Tensor:
        inputs = arriving(s, x)
        model.check_inputs(inputs, len(x), x.shape[1] - 1)
        states = model.force(x[:, :-1].flatten(0, 1)).unflatten(0, (len(x), -1))
        self._alpha.observe(model, states.detach(), inputs)
        alpha, step = self.alpha, model.stepper()
        forced = states.unbind(1)  # T of (batch, state), what each step is forced towards
        driving = [None] * len(forced) if inputs is None else inputs.unbind(1)
        state, latents = forced[0], []
        for teacher, arriving_at in zip(forced, driving, strict=True):
            state = step(torch.lerp(state, teacher, alpha), arriving_at)
            latents.append(state[:, : model.latent_dim])
        return model.readout(torch.stack(latents, dim=1))

    def advance(self, update: int, updates: int) -> None:
        self._alpha.advance(update, updates)

    def state_dict(self) -> dict[str, Any]:
        return self._alpha.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._alpha.load_state_dict(state)
