"""The piecewise-linear network: forward and reverse pass over columns, and one trajectory alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.kernels.columns import Columns, backwards, fold, outer_sum, unfold

Array = NDArray[Any]


def alone(z: Array, constants: Array, A: Array, W: Array) -> Array:
    """Run the steps of one trajectory, z (M,) and constants (steps, M) -> (steps, M).

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
