"""What is minimised: a function of predictions and data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

Loss = Callable[[Tensor, Tensor], Tensor]

# ε, a mean squared error in variances: 3% of a standard deviation.
_SCALE = 1e-3


def cauchy_loss(predicted: Tensor, x: Tensor) -> Tensor:
    """Return the mean over batch and time of ε ln(1 + e² / ε), (batch, T, obs) -> scalar.

    e² is the mean of (x̂_t − x_t)² over the observations, ε = 0.001. Of small errors it is the mean
    squared error. Of large ones it is their logarithm: errors that grow as exp(λ t) count alike
    at every step of a segment, while in a mean square the last steps, where nearby states have
    separated, make most of the gradient. Source: the Cauchy loss of robust
    regression (Barron, CVPR 2019).
    """
    squares = (predicted - x).square().mean(-1)
    return _SCALE * torch.log1p(squares / _SCALE).mean()


LOSSES: dict[str, Loss] = {"cauchy": cauchy_loss, "squared": mse_loss}
