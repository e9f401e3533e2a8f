"""The tanh recurrent network."""

from __future__ import annotations

import torch
from torch import Tensor

from sfbptt_cli.models.fused import FusedModel
from sfbptt_cli.models.kernels.columns import without_columns
from sfbptt_cli.models.kernels.rnn import RNNColumns


class RNN(FusedModel):
    """z' = tanh(W z + b + C s) (Elman 1990).

    W (M, M) and b (M) are drawn as `torch.nn.RNN` draws them.
    """

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        return torch.tanh(state @ self.weight.T + self.bias + self.drive(s))

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return diag(1 - z'²) W."""
        return (1 - self.step(state, s) ** 2)[:, :, None] * self.weight

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if without_columns(state):
            return self.fused(torch.rnn_tanh, state, steps, s)
        self.check_inputs(s, len(state), steps)
        return RNNColumns.rollout(state, steps, self.bias + self.drive(s), self.weight)

    def follow(self, state: Tensor, pulled: Tensor, held: Tensor, s: Tensor | None) -> Tensor:
        if without_columns(state):
            return self.follow_by_steps(state, pulled, held, s)
        return RNNColumns.follow(state, pulled, held, self.bias + self.drive(s), self.weight)
