"""Gated recurrent unit."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import Common, LatentModel
from sfbptt_cli.models.initialization import uniform


class GRU(LatentModel):
    """Gated recurrent unit (Cho et al. 2014), latent state z = h.

    r, u = σ, σ of W h + b + C s;  n = tanh(b_n + C_n s + r ⊙ (W_n h + d));
    h' = (1 - u) ⊙ n + u ⊙ h.

    As in torch (and cuDNN) the reset gate r multiplies W_n h + d, not h, so that one product with
    W serves the three of them. W (3M, M), b (3M) and C (3M, K) hold r, u, n one below the other;
    d (M). All are drawn as `torch.nn.GRU` draws them, b being the sum of its two biases in the
    gates.
    """

    gates = 3

    def __init__(
        self,
        obs_dim: int,
        latent_dim: int,
        generator: torch.Generator,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, bound = latent_dim, 1 / math.sqrt(latent_dim)
        self.weight = nn.Parameter(uniform(generator, bound, 3 * M, M))
        bias = uniform(generator, bound, 3 * M)
        bias[: 2 * M] += uniform(generator, bound, 2 * M)
        self.bias = nn.Parameter(bias)
        self.reset_bias = nn.Parameter(uniform(generator, bound, M))  # d

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        outside = (self.bias + self.drive(s)).expand(len(state), -1)  # of the reset gate
        r, u, n = (state @ self.weight.T).chunk(3, dim=-1)
        b_r, b_u, b_n = outside.chunk(3, dim=-1)
        r, u = (r + b_r).sigmoid(), (u + b_u).sigmoid()
        n = torch.tanh(b_n + r * (n + self.reset_bias))
        return (1 - u) * n + u * state

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        inputs, C = self.fused_inputs(state, steps, s)
        inside = torch.cat([self.reset_bias.new_zeros(2 * self.latent_dim), self.reset_bias])
        weights = [C, self.weight, self.bias, inside]
        z, last = torch.gru(
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
