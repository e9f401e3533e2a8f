"""Piecewise-linear recurrent network."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import Common
from sfbptt_cli.models.initialization import uniform
from sfbptt_cli.models.kernels.columns import Compiled
from sfbptt_cli.models.piecewise_linear import Map, PiecewiseLinear, off_diagonal


class PLRNN(PiecewiseLinear):
    """z' = A z + W relu(z) + h + C s, A diagonal, W off-diagonal (Koppe et al. 2019).

    A (M) is the diagonal; W (M, M) is stored with a diagonal of zeros that is never used; h (M).
    All are drawn uniformly from ±1/√M, as in the code of Mikhaeil et al. (2022).
    """

    def __init__(
        self, obs_dim: int, latent_dim: int, generator: torch.Generator, **common: Unpack[Common]
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, bound = latent_dim, 1 / math.sqrt(latent_dim)
        self.A = nn.Parameter(uniform(generator, bound, M))
        self.W = nn.Parameter(off_diagonal(uniform(generator, bound, M, M)))
        self.h = nn.Parameter(uniform(generator, bound, M))

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        z, W = state, off_diagonal(self.W)
        return self.A * z + z.relu() @ W.T + self.h + self.drive(s)

    def linear_terms(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.A, off_diagonal(self.W), self.h

    def linear_regions(self, s: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        return self.boxes([self.h.new_zeros(1)] * self.latent_dim, s)

    def prepared(self) -> tuple[Tensor, Map]:
        A, W = self.A, off_diagonal(self.W).T
        return self.h, lambda z, h: torch.addcmul(torch.addmm(h, z.relu(), W), A, z)

    def kernel(self) -> Compiled:
        zero = self.h.new_zeros(self.latent_dim, 1)
        return self.bent(off_diagonal(self.W), zero, zero[:1] + 1)

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return A + W D, D = diag(z > 0)."""
        self.check_inputs(s)
        return torch.diag(self.A) + off_diagonal(self.W) * (state > 0)[:, None, :]
