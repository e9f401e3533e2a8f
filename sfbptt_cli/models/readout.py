"""From latent states to observations and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class LinearReadout(nn.Module):
    """x̂ = B z without bias, and its pseudo-inverse (Mikhaeil et al. 2022, eq. 16).

    z (…, latent_dim) -> x̂ (…, obs_dim). B is drawn uniformly from ±1/√latent_dim, the default of
    `torch.nn.Linear`.
    """

    def __init__(self, obs_dim: int, latent_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(latent_dim)
        weight = torch.empty(obs_dim, latent_dim).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)  # B

    def forward(self, z: Tensor) -> Tensor:
        """x̂ = B z."""
        return z @ self.weight.T

    def invert(self, x: Tensor) -> Tensor:
        """z̃ = B⁺ x, x (…, obs_dim) -> (…, latent_dim); gradients flow to B and x.

        B⁺ = Bᵀ(BBᵀ)⁻¹, the minimum-norm solution, when latents are at least as many as
        observations; B⁺ = (BᵀB)⁻¹Bᵀ, least squares, otherwise. The Gram matrix squares the
        condition number of B, hence float64; the Cholesky factor replaces an SVD, whose gradient
        also fails at equal singular values. Raises torch.linalg.LinAlgError when B has lost rank.
        """
        b = self.weight.double()
        if b.shape[0] <= b.shape[1]:
            inverse = torch.cholesky_solve(b, torch.linalg.cholesky(b @ b.T))
        else:
            inverse = torch.cholesky_solve(b.T, torch.linalg.cholesky(b.T @ b)).T
        return x @ inverse.to(x.dtype)  # (…, obs) @ (obs, latent), the transpose of B⁺
