"""Dendritic piecewise-linear recurrent network."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import Common
from sfbptt_cli.models.initialization import normalized_positive_definite, uniform
from sfbptt_cli.models.kernels.columns import Compiled
from sfbptt_cli.models.piecewise_linear import Map, PiecewiseLinear, off_diagonal

# Thresholds are to cover the range of the data, and data are standardised before training.
_DATA_RANGE = 3.0


class DendriticPLRNN(PiecewiseLinear):
    """z' = A z + W φ(z) + h0 + C s, A diagonal, W off-diagonal (Brenner et al., ICML 2022).

    φ(z) = Σ_b α_b relu(z - h_b);
    `clipped`: φ(z) = Σ_b α_b [relu(z - h_b) - relu(z)], whose orbits are bounded where all |A| < 1.

    A (M), W (M, M) stored with a diagonal of zeros that is never used, h0 (M), slopes α (B),
    thresholds h_b, H (M, B), B being `bases`. As in that paper's code, A + W is drawn as a
    normalised positive definite matrix, h0 uniformly from ±1/√M, α from ±1/√B and H over the range
    of the data, here ±3 standard deviations.
    """

    def __init__(
        self,
        obs_dim: int,
        latent_dim: int,
        generator: torch.Generator,
        *,
        bases: int,
        clipped: bool,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, B = latent_dim, bases
        self.clipped = clipped
        AW = normalized_positive_definite(generator, M)
        self.A = nn.Parameter(AW.diagonal().clone())
        self.W = nn.Parameter(off_diagonal(AW))
        self.h0 = nn.Parameter(uniform(generator, 1 / math.sqrt(M), M))
        self.alpha = nn.Parameter(uniform(generator, 1 / math.sqrt(B), B))
        self.H = nn.Parameter(uniform(generator, _DATA_RANGE, M, B))

    def phi(self, z: Tensor) -> Tensor:
        """Return φ(z), (batch, M) -> (batch, M)."""
        phi = (z[:, :, None] - self.H).relu() @ self.alpha  # (batch, M, B) @ (B)
        return phi - self.alpha.sum() * z.relu() if self.clipped else phi

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        z, W = state, off_diagonal(self.W)
        return self.A * z + self.phi(z) @ W.T + self.h0 + self.drive(s)

    def linear_terms(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.A, off_diagonal(self.W), self.h0

    def linear_regions(self, s: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        extra = [self.h0.new_zeros(1)] if self.clipped else []
        return self.boxes([torch.cat([row, *extra]).unique() for row in self.H.detach()], s)

    def prepared(self) -> tuple[Tensor, Map]:
        A, W = self.A, off_diagonal(self.W).T
        return self.h0, lambda z, h0: torch.addcmul(torch.addmm(h0, self.phi(z), W), A, z)

    def kernel(self) -> Compiled:
        return self.bent(
            off_diagonal(self.W), *self.pieces(self.H, self.alpha, clipped=self.clipped)
        )

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return A + W D, D = diag(Σ_b α_b [z > h_b]), less diag(Σ_b α_b [z > 0]) when clipped."""
        self.check_inputs(s)
        slope = (state[:, :, None] > self.H).to(state.dtype) @ self.alpha  # (batch, M, B) @ (B)
        if self.clipped:
            slope = slope - self.alpha.sum() * (state > 0)
        return torch.diag(self.A) + off_diagonal(self.W) * slope[:, None, :]
