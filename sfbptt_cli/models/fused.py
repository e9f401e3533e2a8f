"""The networks that torch has fused kernels for: tanh, GRU and LSTM."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import Common, LatentModel
from sfbptt_cli.models.initialization import uniform


class FusedModel(LatentModel):
    """W (gates M, M) and b (gates M), drawn uniformly from ±1/√M as torch draws them.

    torch has two biases; b is their sum.
    """

    def __init__(
        self, obs_dim: int, latent_dim: int, generator: torch.Generator, **common: Unpack[Common]
    ) -> None:
        super().__init__(obs_dim, latent_dim, generator, **common)
        M, bound, rows = latent_dim, 1 / math.sqrt(latent_dim), self.gates * latent_dim
        self.weight = nn.Parameter(uniform(generator, bound, rows, M))
        self.draw_biases(uniform(generator, bound, rows), uniform(generator, bound, rows))

    def draw_biases(self, first: Tensor, second: Tensor) -> None:
        """Make parameters of the two biases of torch, each (gates M)."""
        self.bias = nn.Parameter(first + second)

    @abstractmethod
    def fused(self, state: Tensor, steps: int, s: Tensor | None) -> tuple[Tensor, Tensor]:
        """Do `rollout` by the fused kernel of torch, which a GPU does in one go."""

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (self.fused if state.is_cuda else super().rollout)(state, steps, s)

    def by_torch(
        self,
        kernel: Callable[..., Any],
        state: Tensor,
        steps: int,
        s: Tensor | None,
        second: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Do `fused` by `kernel`.

        `second` (gates M) is the second bias, by default zero. The kernels insist on an input; one
        of width 1 that is always zero costs least.
        """
        self.check_inputs(s, len(state), steps)
        C = self.C
        if s is None or C is None:
            s, C = state.new_zeros(len(state), steps, 1), state.new_zeros(len(self.bias), 1)
        # (h,) or (h, c), each (1, batch, M)
        start = [part[None].contiguous() for part in state.split(self.latent_dim, dim=-1)]
        biases = [self.bias, torch.zeros_like(self.bias) if second is None else second]
        z, *last = kernel(
            s,
            start if len(start) > 1 else start[0],
            [C, self.weight, *biases],
            True,  # there are biases
            1,  # layer
            0.0,  # dropout
            self.training,
            False,  # one direction
            True,  # batch first
        )
        return z, torch.cat([part[0] for part in last], dim=-1)
