"""The tanh recurrent network."""

from __future__ import annotations

import torch
from torch import Tensor

from sfbptt_cli.models.fused import FusedModel
from sfbptt_cli.models.kernels import columns
from sfbptt_cli.models.kernels.columns import Compiled


class RNN(FusedModel):
    """z' = tanh(W z + b + C s) (Elman 1990).

    W (M, M) and b (M) are drawn as `torch.nn.RNN` draws them.
    """

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        return torch.tanh(state @ self.weight.T + self.bias + self.drive(s))

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return diag(1 - z'²) W."""
        return (1 - self.step(state, s) ** 2)[:, :, None] * self.weight

    def kernel(self) -> Compiled:
        return columns.TANH, (self.driven(self.weight, self.bias),)

    def fused(self, state: Tensor, steps: int, s: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.by_torch(torch.rnn_tanh, state, steps, s)
