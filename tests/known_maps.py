"""Maps whose exponents are known, as models."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sfbptt_cli.models.base import LatentModel


class Map(LatentModel):
    """A map of states that are observed directly."""

    def __init__(self, dim: int, map_: Callable[[Tensor], Tensor]) -> None:
        super().__init__(dim, dim, torch.Generator().manual_seed(0))
        with torch.no_grad():
            self.readout.weight.copy_(torch.eye(dim))
        self.map = map_

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        return self.map(state)


def linear(matrix: list[list[float]]) -> Map:
    """Make the map z' = A z."""
    A = torch.tensor(matrix, dtype=torch.float64)
    return Map(len(A), lambda z: z @ A.T)


def _henon(state: Tensor) -> Tensor:
    x, y = state.unbind(dim=1)
    return torch.stack([1 - 1.4 * x**2 + y, 0.3 * x], dim=1)


HENON = Map(2, _henon)  # λ = 0.41922: Sprott, Chaos and Time-Series Analysis (2003), table A.3
LOGISTIC = Map(1, lambda x: 4 * x * (1 - x))  # λ = ln 2


def starts(dim: int, count: int = 16) -> Tensor:
    """Draw observations (count, dim) near the origin."""
    return 0.2 * torch.rand(count, dim, generator=torch.Generator().manual_seed(1))
