"""Almost-linear recurrent network."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import Common
from sfbptt_cli.models.initialization import normalized_positive_definite
from sfbptt_cli.models.kernels.columns import Compiled
from sfbptt_cli.models.piecewise_linear import Map, PiecewiseLinear

_W_SPREAD = 0.01


class ALRNN(PiecewiseLinear):
    """z' = A z + W φ(z) + h + C s, A diagonal, φ = relu on the last P units, identity else.

    Brenner et al., NeurIPS 2024. P is `linear_threshold_units`; the state space falls into 2^P
    linear regions. A (M), W (M, M) with its diagonal, h (M). As in that paper's code, A is drawn as
    the diagonal of a normalised positive definite matrix, W normal with standard deviation 0.01,
    and h is zero.
    """

    def __init__(
        self,
        obs_dim: int,
        latent_dim: int,
        generator: torch.Generator,
        *,
        linear_threshold_units: int,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, P = latent_dim, linear_threshold_units
        if not 0 <= P <= M:
            raise ValueError(
                f"linear_threshold_units is {P}; accepted: 0 to latent_dim = {latent_dim}"
            )
        self.linear_units = M - P
        self.A = nn.Parameter(normalized_positive_definite(generator, M).diagonal().clone())
        self.W = nn.Parameter(_W_SPREAD * torch.randn(M, M, generator=generator))
        self.h = nn.Parameter(torch.zeros(M))

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        z, linear = state, self.linear_units
        phi = torch.cat([z[:, :linear], z[:, linear:].relu()], dim=1)
        return self.A * z + phi @ self.W.T + self.h + self.drive(s)

    def linear_terms(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.A, self.W, self.h

    def linear_regions(self, s: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        zero, linear = self.h.new_zeros(1), self.linear_units
        return self.boxes([zero[:0]] * linear + [zero] * (self.latent_dim - linear), s)

    def prepared(self) -> tuple[Tensor, Map]:
        # One matrix for all that is linear in z, another for the P units behind the relu.
        linear = self.linear_units
        from_linear, from_threshold = self.W.split([linear, self.latent_dim - linear], dim=1)
        always = torch.diag(self.A) + nn.functional.pad(from_linear, (0, self.latent_dim - linear))
        always, from_threshold = always.T, from_threshold.T

        def advance(z: Tensor, h: Tensor) -> Tensor:
            return torch.addmm(torch.addmm(h, z, always), z[:, linear:].relu(), from_threshold)

        return self.h, advance

    def kernel(self) -> Compiled:
        zero = self.h.new_zeros(self.latent_dim, 1)
        return self.bent(self.W, zero, zero[:1] + 1, linear=self.linear_units)

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return A + W D, D = diag(1 for linear units, z > 0 for the others)."""
        self.check_inputs(s)
        on = state > 0
        on[:, : self.linear_units] = True
        return torch.diag(self.A) + self.W * on[:, None, :]
