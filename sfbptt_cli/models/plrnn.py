"""Piecewise-linear recurrent network."""

from __future__ import annotations

import math
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.base import Common
from sfbptt_cli.models.initialization import uniform
from sfbptt_cli.models.kernels.columns import Columns, backwards, fold, outer_sum, unfold
from sfbptt_cli.models.piecewise_linear import Map, PiecewiseLinear, off_diagonal

Array = NDArray[Any]


class PLRNN(PiecewiseLinear):
    """z' = A z + W relu(z) + h + C s, A diagonal, W off-diagonal (Koppe et al. 2019).

    A (M) is the diagonal; W (M, M) is stored with a diagonal of zeros that is never used; h (M).
    All are drawn uniformly from ±1/√M, as in the code of Mikhaeil et al. (2022).
    """

    def __init__(
        self,
        obs_dim: int,
        latent_dim: int,
        generator: torch.Generator,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, bound = latent_dim, 1 / math.sqrt(latent_dim)
        self.A = nn.Parameter(uniform(generator, bound, M))
        self.W = nn.Parameter(off_diagonal(uniform(generator, bound, M, M)))
        self.h = nn.Parameter(uniform(generator, bound, M))

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        z, W = state, off_diagonal(self.W)
        return self.A * z + z.relu() @ W.T + self.h + self.drive(s)

    def prepared(self) -> tuple[Tensor, Map]:
        A, W = self.A, off_diagonal(self.W).T
        return self.h, lambda z, h: torch.addcmul(torch.addmm(h, z.relu(), W), A, z)

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.check_inputs(s, len(state), steps)
        constant, W = self.h + self.drive(s), off_diagonal(self.W)
        if len(state) == 1 and not (state.is_cuda or torch.is_grad_enabled()):
            constants = constant.expand(1, steps, -1)[0]
            z = _alone(*(x.numpy() for x in (state[0], constants, self.A, W)))
            return torch.from_numpy(z)[None], torch.from_numpy(z[-1:])
        return PLRNNColumns.rollout(state, steps, constant, self.A[:, None], W)

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """A + W D, D = diag(z > 0)."""
        self.check_inputs(s)
        return torch.diag(self.A) + off_diagonal(self.W) * (state > 0)[:, None, :]


def _alone(z: Array, constants: Array, A: Array, W: Array) -> Array:
    """The steps of one trajectory, z (M,) and constants (steps, M) -> (steps, M).

    By numpy, whose calls cost a third of torch's, which is all that so small a step costs.
    """
    Z = np.empty(constants.shape, z.dtype)
    positive, kept = np.empty_like(z), np.empty_like(z)
    zero = z.dtype.type(0)
    with np.errstate(over="ignore", invalid="ignore"):  # as torch: an orbit may diverge
        for h, after in zip(constants, Z, strict=True):
            np.dot(W, np.maximum(z, zero, out=positive), out=after)
            after += np.multiply(A, z, out=kept)
            after += h
            z = after
    return Z


class PLRNNColumns(Columns):
    """z' = A z + W relu(z) + constant, A (M, 1)."""

    @staticmethod
    def forward(
        ctx: Any, state: Tensor, steps: int, constant: Tensor, A: Tensor, W: Tensor
    ) -> tuple[Tensor, Tensor]:
        Z, z = state.new_empty(steps + 1, *state.shape), state
        Z[0] = state
        positive = torch.empty_like(state)
        for h, after in zip(unfold(constant, steps), Z[1:].unbind(0), strict=True):
            torch.addmm(h, W, torch.clamp_min(z, 0, out=positive), out=after)
            z = after.addcmul_(A, z)
        ctx.save_for_backward(constant, A, W, Z)
        return Z[1:], z.clone()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, by_Z: Tensor, by_last: Tensor
    ) -> tuple[Tensor | None, ...]:
        constant, A, W, Z = ctx.saved_tensors
        D, Wt = torch.empty_like(Z), W.T.contiguous()  # D = ∂L/∂z
        D[0], D[1:] = 0, by_Z
        D[-1] += by_last
        through_relu = torch.empty_like(by_last)
        masked = torch.ops.aten.threshold_backward.grad_input
        for z, earlier, d in backwards(Z[:-1], D[:-1], D[1:]):
            masked(torch.mm(Wt, d, out=through_relu), z, 0, grad_input=through_relu)
            earlier.add_(through_relu).addcmul_(A, d)
        before, by_steps = Z[:-1], D[1:]
        by_A = (by_steps * before).sum((0, 2))[:, None]
        return D[0], None, fold(by_steps, constant), by_A, outer_sum(by_steps, before.relu())
