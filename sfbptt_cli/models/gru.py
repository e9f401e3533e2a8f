"""Gated recurrent unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sfbptt_cli.models.fused import FusedModel
from sfbptt_cli.models.kernels import columns
from sfbptt_cli.models.kernels.columns import Compiled


class GRU(FusedModel):
    """Gated recurrent unit (Cho et al. 2014), latent state z = h.

    r, u = σ, σ of W h + b + C s;  n = tanh(b_n + C_n s + r ⊙ (W_n h + d));
    h' = (1 - u) ⊙ n + u ⊙ h.

    As in torch (and cuDNN) the reset gate r multiplies W_n h + d, not h, so that one product with
    W serves the three of them. W (3M, M), b (3M) and C (3M, K) hold r, u, n one below the other;
    d (M). All are drawn as `torch.nn.GRU` draws them, b being the sum of its two biases in the
    gates.
    """

    gates = 3

    def draw_biases(self, first: Tensor, second: Tensor) -> None:
        gates, candidate = second.split([2 * self.latent_dim, self.latent_dim])
        self.bias = nn.Parameter(first + nn.functional.pad(gates, (0, self.latent_dim)))
        self.reset_bias = nn.Parameter(candidate.clone())  # d

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        outside = (self.bias + self.drive(s)).expand(len(state), -1)  # of the reset gate
        r, u, n = (state @ self.weight.T).chunk(3, dim=-1)
        b_r, b_u, b_n = outside.chunk(3, dim=-1)
        r, u = (r + b_r).sigmoid(), (u + b_u).sigmoid()
        n = torch.tanh(b_n + r * (n + self.reset_bias))
        return (1 - u) * n + u * state

    def kernel(self) -> Compiled:
        # Four blocks of rows: r, u, W_n h + d, and what the reset gate leaves alone.
        M, pad = self.latent_dim, nn.functional.pad
        gates = self.driven(self.weight, self.bias)
        reset = pad(self.reset_bias[:, None], (gates.shape[1] - M - 1, 0))
        inside = torch.cat([self.weight[2 * M :], reset], dim=1)
        outside = pad(gates[2 * M :, M:], (M, 0))
        return columns.GRU, (torch.cat([gates[: 2 * M], inside, outside]),)

    def fused(self, state: Tensor, steps: int, s: Tensor | None) -> tuple[Tensor, Tensor]:
        second = nn.functional.pad(self.reset_bias, (2 * self.latent_dim, 0))
        return self.by_torch(torch.gru, state, steps, s, second)
