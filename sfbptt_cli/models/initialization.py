"""Distributions that initial parameters are drawn from."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(generator: torch.Generator, bound: float, *shape: int) -> Tensor:
    """Draw uniformly from ±bound."""
    return torch.empty(*shape).uniform_(-bound, bound, generator=generator)


def normalized_positive_definite(generator: torch.Generator, dim: int) -> Tensor:
    """Draw (I + RᵀR / dim) / λ_max, R standard normal: symmetric, largest eigenvalue 1.

    Talathi and Vartak (2016), arXiv:1511.03771, for networks of rectified linear units: no
    direction grows at the start of training, one is kept, the others shrink slowly.
    """
    R = torch.randn(dim, dim, generator=generator)
    K = torch.eye(dim) + R.T @ R / dim
    return K / torch.linalg.eigvalsh(K)[-1]
