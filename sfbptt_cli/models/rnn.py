"""The tanh recurrent network."""

from __future__ import annotations

import math
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.base import Common, LatentModel
from sfbptt_cli.models.initialization import uniform
from sfbptt_cli.models.kernels.columns import Columns, backwards, by_kernel, fold, outer_sum, unfold


class RNN(LatentModel):
    """z' = tanh(W z + b + C s) (Elman 1990).

    W (M, M) and b (M) are drawn as `torch.nn.RNN` draws them, b being the sum of its two biases.
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
        self.weight = nn.Parameter(uniform(generator, bound, M, M))
        self.bias = nn.Parameter(uniform(generator, bound, M) + uniform(generator, bound, M))

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        return torch.tanh(state @ self.weight.T + self.bias + self.drive(s))

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if not by_kernel(state):
            self.check_inputs(s, len(state), steps)
            return RNNColumns.rollout(state, steps, self.bias + self.drive(s), self.weight)
        inputs, C = self.fused_inputs(state, steps, s)
        weights = [C, self.weight, self.bias, torch.zeros_like(self.bias)]
        z, last = torch.rnn_tanh(
            inputs,
            state.unsqueeze(0).contiguous(),
            weights,
            True,
            1,
            0.0,
            self.training,
            False,
            True,
        )  # biases, layers, dropout, train, bidirectional, batch first
        return z, last[0]

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """diag(1 - z'²) W."""
        return (1 - self.step(state, s) ** 2)[:, :, None] * self.weight


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
