"""Truncated backpropagation through time."""

from __future__ import annotations

import torch
from torch import Tensor

from sfbptt_cli.forcing.method import IntervalMethod, arriving
from sfbptt_cli.models.base import LatentModel


class Truncated(IntervalMethod):
    """The gradient is cut every τ steps, the state (of an LSTM both h and c) is carried on.

    From z̃_1 = B⁺ x_1 the predictions are those of classical BPTT; only their gradient differs, to
    which each block of τ steps contributes as if the state it starts from were data. A comparison
    of Mikhaeil, Monfared, Durstewitz (2022).
    """

    def __call__(self, model: LatentModel, x: Tensor, s: Tensor | None = None) -> Tensor:
        tau, steps, inputs = self.tau, x.shape[1] - 1, arriving(s, x)
        state = model.force(x[:, 0])
        blocks = []
        for first in range(0, steps, tau):
            after = min(first + tau, steps)
            block = None if inputs is None else inputs[:, first:after]
            predicted, state = model.predict(state, after - first, block)
            blocks.append(predicted)
            state = state.detach()
        return torch.cat(blocks, dim=1)
