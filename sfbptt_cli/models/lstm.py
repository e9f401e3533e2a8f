"""Long short-term memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import LatentModel


class LSTM(LatentModel):
    """LSTM without input (Hochreiter and Schmidhuber 1997), state (h, c), latent state z = h.

    i, f, g, o = σ, σ, tanh, σ of W h + b;  c' = f ⊙ c + i ⊙ g;  h' = o ⊙ tanh(c').
    Forcing sets h = z̃ and c = 0 (Mikhaeil et al. 2022). W (4M, M) and b (4M) are drawn as
    `torch.nn.LSTM` draws them, b being the sum of its two biases.
    """

    def __init__(self, obs_dim: int, latent_dim: int, generator: torch.Generator) -> None:
        super().__init__(obs_dim, latent_dim, generator)
        bound = 1 / math.sqrt(latent_dim)

        def uniform(*shape: int) -> Tensor:
            return torch.empty(*shape).uniform_(-bound, bound, generator=generator)

        self.weight = nn.Parameter(uniform(4 * latent_dim, latent_dim))
        self.bias = nn.Parameter(uniform(4 * latent_dim) + uniform(4 * latent_dim))

    @property
    def state_dim(self) -> int:
        return 2 * self.latent_dim

    def start(self, z: Tensor) -> Tensor:
        return torch.cat([z, torch.zeros_like(z)], dim=-1)

    def step(self, state: Tensor) -> Tensor:
        h, c = state.chunk(2, dim=-1)
        i, f, g, o = (h @ self.weight.T + self.bias).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return torch.cat([h, c], dim=-1)

    def rollout(self, state: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        # The fused kernel insists on an input; one of width 1 that is always zero costs least.
        h, c = (part.unsqueeze(0).contiguous() for part in state.chunk(2, dim=-1))
        batch = state.shape[0]
        no_input = state.new_zeros(batch, steps, 1)
        no_weight = self.weight.new_zeros(4 * self.latent_dim, 1)
        weights = [no_weight, self.weight, self.bias, torch.zeros_like(self.bias)]
        z, h, c = torch.lstm(
            no_input, (h, c), weights, True, 1, 0.0, self.training, False, True
        )  # biases, layers, dropout, train, bidirectional, batch first
        return z, torch.cat([h[0], c[0]], dim=-1)
