"""The tanh network: forward and reverse pass over columns."""

from __future__ import annotations

from typing import Any

import torch
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


class RNNColumns(Columns):
    """z' = tanh(W z + constant)."""

    @staticmethod
    def forward(
        ctx: Any,
        state: Tensor,
        steps: int,
        constant: Tensor,
        pulled: Tensor | None,
        held: Tensor | None,
        W: Tensor,
    ) -> tuple[Tensor, Tensor]:
        Z, z = state.new_empty(steps + 1, *state.shape), state
        Z[0] = state
        seen = Z[1:] if pulled is None else torch.empty_like(Z[1:])  # z' before it is corrected
        twice_W, minus_one = 2 * W, state.new_tensor(-1.0)
        for twice_b, pull, free, after in zip(
            unfold(2 * constant, steps),
            per_step(pulled, steps),
            *(seen.unbind(0), Z[1:].unbind(0)),
            strict=True,
        ):
            torch.addmm(twice_b, twice_W, z, out=free)
            z = torch.add(minus_one, free.sigmoid_(), alpha=2, out=free)
            if held is not None:
                z = torch.addmm(pull, held, free, alpha=-1, out=after).add_(free)
        ctx.save_for_backward(constant, W, Z, seen, held)
        return Z[1:], z.clone()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, by_Z: Tensor, by_last: Tensor
    ) -> tuple[Tensor | None, ...]:
        constant, W, Z, seen, held = ctx.saved_tensors
        by_Z, Wt = by_Z.contiguous(), W.T.contiguous()
        D = torch.empty_like(by_Z)  # ∂L/∂(W z + constant)
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        by_z = by_Z[-1] + by_last
        earlier = [torch.zeros_like(by_last), *by_Z[:-1].unbind(0)]
        by_pulled: Any = None if held is None else torch.empty_like(by_Z)
        for by_earlier, by_pull, z, d in backwards(earlier, per_step(by_pulled, len(D)), seen, D):
            if held is not None:
                by_z = torch.addmm(by_pull.copy_(by_z), held.T, by_pull, alpha=-1)
            tanh_backward(by_z, z, grad_input=d)
            by_z = torch.addmm(by_earlier, Wt, d)
        by_held = None if held is None else -outer_sum(by_pulled, seen)
        return by_z, None, fold(D, constant), by_pulled, by_held, outer_sum(D, Z[:-1])
