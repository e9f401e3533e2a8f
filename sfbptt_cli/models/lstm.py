"""Long short-term memory."""

from __future__ import annotations

import torch
from torch import Tensor

from sfbptt_cli.models.fused import FusedModel
from sfbptt_cli.models.kernels import columns
from sfbptt_cli.models.kernels.columns import Compiled


class LSTM(FusedModel):
    """LSTM (Hochreiter and Schmidhuber 1997), state (h, c), latent state z = h.

    i, f, g, o = σ, σ, tanh, σ of W h + b + C s;  c' = f ⊙ c + i ⊙ g;  h' = o ⊙ tanh(c').
    Forcing sets h = z̃ and c = 0 (Mikhaeil et al. 2022). W (4M, M) and b (4M) are drawn as
    `torch.nn.LSTM` draws them.
    """

    gates = 4

    @property
    def state_dim(self) -> int:
        return 2 * self.latent_dim

    def start(self, z: Tensor) -> Tensor:
        return torch.cat([z, torch.zeros_like(z)], dim=-1)

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        h, c = state.chunk(2, dim=-1)
        i, f, g, o = (h @ self.weight.T + self.bias + self.drive(s)).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return torch.cat([h, c], dim=-1)

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return ∂(h', c')/∂(h, c), by the chain rule through the four gates."""
        _, c_h, o_h, f, slope = self._linearised(state, s)
        above = torch.cat([slope[..., None] * c_h + o_h, torch.diag_embed(slope * f)], dim=-1)
        return torch.cat([above, torch.cat([c_h, torch.diag_embed(f)], dim=-1)], dim=-2)

    def tangent(
        self, state: Tensor, vectors: Tensor, s: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Do `step` and `jacobian` on vectors by half the products: half of J is diagonal."""
        after, c_h, o_h, f, slope = self._linearised(state, s)
        by_h, by_c = vectors.chunk(2, dim=-1)
        c, o = (by_h @ torch.cat([c_h, o_h], dim=-2).mT).chunk(2, dim=-1)
        c = c + by_c * f[:, None]
        return after, torch.cat([c * slope[:, None] + o, c], dim=-1)

    def _linearised(self, state: Tensor, s: Tensor | None) -> tuple[Tensor, ...]:
        """Return (h', c'), ∂c'/∂h, the part of ∂h'/∂h through o, f = ∂c'/∂c, and ∂h'/∂c'."""
        self.check_inputs(s)
        h, c = state.chunk(2, dim=-1)
        i, f, g, o = (h @ self.weight.T + self.bias + self.drive(s)).chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        W_i, W_f, W_g, W_o = self.weight.chunk(4)
        new = f * c + i * g
        t = new.tanh()

        def rows(factor: Tensor, W: Tensor) -> Tensor:
            return factor[..., None] * W

        c_h = rows(c * f * (1 - f), W_f) + rows(g * i * (1 - i), W_i) + rows(i * (1 - g * g), W_g)
        o_h = rows(t * o * (1 - o), W_o)
        return torch.cat([o * t, new], dim=-1), c_h, o_h, f, o * (1 - t * t)

    def kernel(self) -> Compiled:
        return columns.LSTM, (self.driven(self.weight, self.bias),)

    def fused(self, state: Tensor, steps: int, s: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.by_torch(torch.lstm, state, steps, s)
