"""The tanh network: forward and reverse pass over columns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.kernels.columns import Columns, backwards, fold, outer_sum, unfold


class RNNColumns(Columns):
    """z' = tanh(W z + constant)."""

    @staticmethod
    def forward(
        ctx: Any, state: Tensor, steps: int, constant: Tensor, W: Tensor
    ) -> tuple[Tensor, Tensor]:
        Z, z = state.new_empty(steps + 1, *state.shape), state
        Z[0] = state
        twice_W, minus_one = 2 * W, state.new_tensor(-1.0)
        for twice_b, after in zip(unfold(2 * constant, steps), Z[1:].unbind(0), strict=True):
            torch.addmm(twice_b, twice_W, z, out=after)
            z = torch.add(minus_one, after.sigmoid_(), alpha=2, out=after)
        ctx.save_for_backward(constant, W, Z)
        return Z[1:], z.clone()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, by_Z: Tensor, by_last: Tensor
    ) -> tuple[Tensor | None, ...]:
        constant, W, Z = ctx.saved_tensors
        by_Z, Wt = by_Z.contiguous(), W.T.contiguous()
        D = torch.empty_like(by_Z)  # ∂L/∂(W z + constant)
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        by_z = by_Z[-1] + by_last
        earlier = [torch.zeros_like(by_last), *by_Z[:-1].unbind(0)]
        for by_earlier, z, d in backwards(earlier, Z[1:], D):
            tanh_backward(by_z, z, grad_input=d)
            by_z = torch.addmm(by_earlier, Wt, d)
        return by_z, None, fold(D, constant), outer_sum(D, Z[:-1])
