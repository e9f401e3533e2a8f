"""From latent states to observations and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sfbptt_cli.models.initialization import uniform


class Readout(nn.Module, ABC):
    """x̂ = B z, z (…, latent_dim) -> x̂ (…, obs_dim), and a z̃ with x = B z̃ where there is one."""

    weight: Tensor  # B (obs_dim, latent_dim)

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Return x̂ = B z."""

    @abstractmethod
    def invert(self, x: Tensor) -> Tensor:
        """Return z̃ from the data alone, x (…, obs_dim) -> (…, latent_dim); gradients flow."""


class LinearReadout(Readout):
    """x̂ = B z without bias, and its pseudo-inverse (Mikhaeil et al. 2022, eq. 16).

    B is drawn uniformly from ±1/√latent_dim, the default of `torch.nn.Linear`.
    """

    def __init__(self, obs_dim: int, latent_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        weight = uniform(generator, 1 / math.sqrt(latent_dim), obs_dim, latent_dim)
        self.weight = nn.Parameter(weight)

    def forward(self, z: Tensor) -> Tensor:
        return z @ self.weight.T

    def invert(self, x: Tensor) -> Tensor:
        """Return z̃ = B⁺ x, x (…, obs_dim) -> (…, latent_dim); gradients flow to B and x.

        B⁺ = Bᵀ(BBᵀ)⁻¹, the minimum-norm solution, when latents are at least as many as
        observations; B⁺ = (BᵀB)⁻¹Bᵀ, least squares, otherwise. The Gram matrix squares the
        condition number of B, hence float64; the Cholesky factor replaces an SVD, whose gradient
        also fails at equal singular values. Raises torch.linalg.LinAlgError when B has lost rank.
        """
        b = self.weight.double()
        if b.shape[0] <= b.shape[1]:
            inverse = torch.cholesky_solve(b, _cholesky(b @ b.T))
        else:
            inverse = torch.cholesky_solve(b.T, _cholesky(b.T @ b)).T
        return x @ inverse.to(x.dtype)  # (…, obs) @ (obs, latent), the transpose of B⁺


def _cholesky(gram: Tensor) -> Tensor:
    if not (gram.is_cuda and torch.cuda.is_current_stream_capturing()):
        return torch.linalg.cholesky(gram)
    # A recording cannot look at numbers and raise: where there is no factor, it holds NaN.
    factor, info = torch.linalg.cholesky_ex(gram)
    return factor.masked_fill(info[..., None, None] != 0, float("nan"))


class IdentityReadout(Readout):
    """x̂ = the first obs_dim latents, B = [I 0]; z̃ = [x, L x].

    L (latent_dim - obs_dim, obs_dim), learned with the model, fills the latents that are not
    observed (Brenner et al., ICML 2022; Hess et al., ICML 2023). There L makes the first state
    only and later forcings leave the unobserved latents as they are; here every forcing uses it,
    so that a forced state is a function of the data alone. L is drawn uniformly from ±1/√obs_dim,
    as in both papers' code; there is none when all latents are observed.
    """

    L: nn.Parameter | None

    def __init__(self, obs_dim: int, latent_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        if latent_dim < obs_dim:
            raise ValueError(
                f"latent_dim is {latent_dim}; the identity readout accepts at least "
                f"obs_dim = {obs_dim}"
            )
        self.obs_dim = obs_dim
        self.register_buffer("weight", torch.eye(obs_dim, latent_dim), persistent=False)
        L = None
        if latent_dim > obs_dim:
            bound = 1 / math.sqrt(obs_dim)
            L = nn.Parameter(uniform(generator, bound, latent_dim - obs_dim, obs_dim))
        self.register_parameter("L", L)

    def forward(self, z: Tensor) -> Tensor:
        return z[..., : self.obs_dim]

    def invert(self, x: Tensor) -> Tensor:
        return x if self.L is None else torch.cat([x, x @ self.L.T], dim=-1)


READOUTS: dict[str, type[LinearReadout] | type[IdentityReadout]] = {
    "linear": LinearReadout,
    "identity": IdentityReadout,
}
