"""Shallow piecewise-linear recurrent network."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import Common
from sfbptt_cli.models.initialization import normalized_positive_definite, uniform
from sfbptt_cli.models.kernels.columns import Compiled
from sfbptt_cli.models.piecewise_linear import MOST_REGIONS, Map, PiecewiseLinear


class ShallowPLRNN(PiecewiseLinear):
    """z' = A z + W1 relu(W2 z + h2) + h1 + C s, A diagonal (Hess et al., ICML 2023).

    `clipped`: z' = A z + W1 [relu(W2 z + h2) - relu(W2 z)] + h1 + C s, whose orbits are bounded
    where all |A| < 1.

    A (M), W1 (M, L), W2 (L, M), h1 (M), h2 (L), L being `hidden_dim`. As in that paper's code, A is
    drawn as the diagonal of a normalised positive definite matrix, W1 uniformly from ±1/√L, W2 from
    ±1/√M, h2 when clipped from ±1/√L; h1, and h2 otherwise, are zero.
    """

    def __init__(
        self,
        obs_dim: int,
        latent_dim: int,
        generator: torch.Generator,
        *,
        hidden_dim: int,
        clipped: bool,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, L = latent_dim, hidden_dim
        self.clipped = clipped
        self.A = nn.Parameter(normalized_positive_definite(generator, M).diagonal().clone())
        self.W1 = nn.Parameter(uniform(generator, 1 / math.sqrt(L), M, L))
        self.W2 = nn.Parameter(uniform(generator, 1 / math.sqrt(M), L, M))
        self.h1 = nn.Parameter(torch.zeros(M))
        # Clipped with h2 = 0 the bracket would vanish, and with it the gradient of W1 and W2.
        h2 = uniform(generator, 1 / math.sqrt(L), L) if clipped else torch.zeros(L)
        self.h2 = nn.Parameter(h2)

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        z = state
        hidden = z @ self.W2.T
        active = (hidden + self.h2).relu()
        if self.clipped:
            active = active - hidden.relu()
        return self.A * z + active @ self.W1.T + self.h1 + self.drive(s)

    def linear_terms(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.A, self.W1, self.h1

    def linear_regions(self, s: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        """Return every combination of hidden units that are on, though no state may have it.

        J = A + W1 D W2, b = W1 D1 h2 + h1 + C s; D = D1, less another D2 when clipped.
        """
        L = len(self.h2)
        if 2 ** (L * (1 + self.clipped)) > MOST_REGIONS:
            return None
        bits = torch.cartesian_prod(*[self.h2.new_tensor([0.0, 1.0])] * L).reshape(-1, L)
        on = above = bits
        if self.clipped:
            on = bits.repeat_interleave(len(bits), dim=0)
            above = on - bits.repeat(len(bits), 1)
        J = torch.diag(self.A) + (self.W1 * above[:, None, :]) @ self.W2
        return J, (on * self.h2) @ self.W1.T + self.h1 + self.drive(s)

    def prepared(self) -> tuple[Tensor, Map]:
        A, W1, W2, h2 = self.A, self.W1.T, self.W2.T, self.h2

        def advance(z: Tensor, h1: Tensor) -> Tensor:
            active = torch.addmm(h2, z, W2).relu()
            return torch.addcmul(torch.addmm(h1, active, W1), A, z)

        def advance_clipped(z: Tensor, h1: Tensor) -> Tensor:
            hidden = z @ W2
            active = (hidden + h2).relu() - hidden.relu()
            return torch.addcmul(torch.addmm(h1, active, W1), A, z)

        return self.h1, advance_clipped if self.clipped else advance

    def kernel(self) -> Compiled:
        t, a = self.pieces(-self.h2[:, None], self.h2.new_ones(1), clipped=self.clipped)
        return self.bent(self.W1, t, a, V=self.W2)

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return A + W1 D W2, D = diag(W2 z + h2 > 0), less diag(W2 z > 0) when clipped."""
        self.check_inputs(s)
        hidden = state @ self.W2.T
        D = (hidden + self.h2 > 0).to(state.dtype)
        if self.clipped:
            D = D - (hidden > 0).to(state.dtype)
        return torch.diag(self.A) + (self.W1 * D[:, None, :]) @ self.W2
