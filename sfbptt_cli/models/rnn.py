"""The tanh recurrent network."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import Common, LatentModel
from sfbptt_cli.models.initialization import uniform


class RNN(LatentModel):
    """z' = tanh(W z + b + C s) (Elman 1990).

    W (M, M) and b (M) are drawn as `torch.nn.RNN` draws them, b being the sum of its two biases.
    """

    def __init__(
        self,
        obs_dim: int,
        latent_dim: int,
        generator: torch.Generator,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, bound = latent_dim, 1 / math.sqrt(latent_dim)
        self.weight = nn.Parameter(uniform(generator, bound, M, M))
        self.bias = nn.Parameter(uniform(generator, bound, M) + uniform(generator, bound, M))

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        return torch.tanh(state @ self.weight.T + self.bias + self.drive(s))

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        inputs, C = self.fused_inputs(state, steps, s)
        weights = [C, self.weight, self.bias, torch.zeros_like(self.bias)]
        z, last = torch.rnn_tanh(
            inputs,
            state.unsqueeze(0).contiguous(),
            weights,
            True,
            1,
            0.0,
            self.training,
            False,
            True,
        )  # biases, layers, dropout, train, bidirectional, batch first
        return z, last[0]

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """diag(1 - z'²) W."""
        return (1 - self.step(state, s) ** 2)[:, :, None] * self.weight
