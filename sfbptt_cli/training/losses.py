"""What is minimised: a function of predictions and data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

Loss = Callable[[Tensor, Tensor], Tensor]

# ε of clean data, a mean squared error in variances: 3% of a standard deviation.
_LEAST_SCALE = 1e-3
# ε of noisy ones, in variances of the noise: most of what noise alone makes stays below it.
_OF_NOISE = 4.0


def cauchy_loss(predicted: Tensor, x: Tensor, scale: float) -> Tensor:
    """Return the mean over batch and time of ε ln(1 + e² / ε), (batch, T, obs) -> scalar.

    e² is the mean of (x̂_t − x_t)² over the observations, ε = `scale`. Of small errors it is the
    mean squared error. Of large ones it is their logarithm: errors that grow as exp(λ t) count
    alike at every step of a segment, while in a mean square the last steps, where nearby states
    have separated, make most of the gradient. Source: the Cauchy loss of robust regression
    (Barron, CVPR 2019).
    """
    squares = (predicted - x).square().mean(-1)
    return scale * torch.log1p(squares / scale).mean()


def loss_scale(noise: float) -> float:
    """Return ε = max(0.001, 4 σ²) for observation noise of standard deviation σ = `noise`.

    The logarithm of errors that are noise would ask for the median of what was observed, of which
    much more is needed than of the mean. Both in standardised units.
    """
    return max(_LEAST_SCALE, _OF_NOISE * noise**2)


def build_loss(scale: float | None) -> Loss:
    """Return the Cauchy loss with ε = `scale`; None: the mean squared error."""
    return mse_loss if scale is None else partial(cauchy_loss, scale=scale)
