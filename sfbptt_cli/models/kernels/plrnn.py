"""The piecewise-linear network: forward and reverse pass over columns, and one trajectory alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.kernels.columns import (
    Columns,
    backwards,
    fold,
    outer_sum,
    per_step,
    unfold,
)

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
        ctx: Any,
        state: Tensor,
        steps: int,
        constant: Tensor,
        pulled: Tensor | None,
        held: Tensor | None,
        A: Tensor,
        W: Tensor,
    ) -> tuple[Tensor, Tensor]:
        Z, z = state.new_empty(steps + 1, *state.shape), state
        Z[0] = state
        positive = torch.empty_like(state)
        seen = None if pulled is None else torch.empty_like(Z[1:])  # z' before it is corrected
        observer = per_step(pulled, steps), per_step(seen, steps)
        for h, pull, free, after in zip(
            unfold(constant, steps), *observer, Z[1:].unbind(0), strict=True
        ):
            torch.addmm(h, W, torch.clamp_min(z, 0, out=positive), out=after)
            z = after.addcmul_(A, z)
            if held is not None:
                z = after.add_(torch.addmm(pull, held, free.copy_(z), alpha=-1))
        ctx.save_for_backward(constant, A, W, Z, seen, held)
        return Z[1:], z.clone()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, by_Z: Tensor, by_last: Tensor
    ) -> tuple[Tensor | None, ...]:
        constant, A, W, Z, seen, held = ctx.saved_tensors
        D, Wt = torch.empty_like(Z), W.T.contiguous()  # D = ∂L/∂z
        D[0], D[1:] = 0, by_Z
        D[-1] += by_last
        through_relu = torch.empty_like(by_last)
        masked = torch.ops.aten.threshold_backward.grad_input
        by_pulled: Any = None if seen is None else torch.empty_like(seen)
        for z, by_pull, earlier, d in backwards(
            Z[:-1], per_step(by_pulled, len(Z) - 1), D[:-1], D[1:]
        ):
            if held is not None:
                d.addmm_(held.T, by_pull.copy_(d), alpha=-1)
            masked(torch.mm(Wt, d, out=through_relu), z, 0, grad_input=through_relu)
            earlier.add_(through_relu).addcmul_(A, d)
        before, by_steps = Z[:-1], D[1:]
        by_A = (by_steps * before).sum((0, 2))[:, None]
        by_held = None if seen is None else -outer_sum(by_pulled, seen)
        by_W = outer_sum(by_steps, before.relu())
        return D[0], None, fold(by_steps, constant), by_pulled, by_held, by_A, by_W
