"""What the piecewise-linear networks have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from sfbptt_cli.models.base import LatentModel

# (z (batch, M), constant (M) or (batch, M)) -> z' (batch, M)
Map = Callable[[Tensor, Tensor], Tensor]


def off_diagonal(W: Tensor) -> Tensor:
    """W with a diagonal of zeros, through which no gradient flows."""
    return W.tril(-1) + W.triu(1)


class PiecewiseLinear(LatentModel):
    """z' = A z + a piecewise linear function of z + a constant + C s, A diagonal."""

    @abstractmethod
    def prepared(self) -> tuple[Tensor, Map]:
        """The constant (M) and the map (z, constant + C s) -> z', for the many steps of a rollout.

        What does not depend on z is computed here, once.
        """

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.check_inputs(s, len(state), steps)
        constant, advance = self.prepared()
        # (batch, steps, M) -> steps of (batch, M), or the same (M) at every step
        constants = [constant] * steps if s is None else (constant + self.drive(s)).unbind(1)
        latents = []
        for constant in constants:
            state = advance(state, constant)
            latents.append(state)
        return torch.stack(latents, dim=1), state
