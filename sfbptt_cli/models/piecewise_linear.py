"""The common part of the piecewise-linear networks."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.kernels import columns
from sfbptt_cli.models.kernels.columns import Compiled

# (z (batch, M), constant (M) or (batch, M)) -> z' (batch, M)
Map = Callable[[Tensor, Tensor], Tensor]

MOST_REGIONS = 2**12  # that are listed


def off_diagonal(W: Tensor) -> Tensor:
    """Return W with a diagonal of zeros, through which no gradient flows."""
    return W.tril(-1) + W.triu(1)


class PiecewiseLinear(LatentModel):
    """z' = A z + a piecewise linear function of z + a constant + C s, A diagonal."""

    piecewise_linear = True

    @abstractmethod
    def prepared(self) -> tuple[Tensor, Map]:
        """Return the constant (M) and the map (z, constant + C s) -> z', for many steps.

        What does not depend on z is computed here, once.
        """

    @abstractmethod
    def linear_terms(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return A (M), W (M, …) and h (M) of z' = A z + W φ(z) + h + C s, with gradients."""

    def bent(
        self, W: Tensor, t: Tensor, a: Tensor, *, V: Tensor | None = None, linear: int = 0
    ) -> Compiled:
        """Return `kernel` of z' = A z + W φ(V z) + h + C s, V the identity where None is given.

        φ_i(y) = Σ_b a_b relu(y − t_ib), t (L, B) and a (1, B); y of the first `linear` units.
        """
        A, _, h = self.linear_terms()
        V = W.new_zeros(0, self.latent_dim) if V is None else V
        return columns.bent(linear), (A[:, None], self.driven(W, h), V, t, a)

    def pieces(self, t: Tensor, a: Tensor, *, clipped: bool) -> tuple[Tensor, Tensor]:
        """Return thresholds (L, B) and slopes (1, B) of φ(y) = Σ_b a_b relu(y − t_b), a (B).

        `clipped`: Σ_b a_b [relu(y − t_b) − relu(y)], a piece more.
        """
        if not clipped:
            return t, a[None]
        return nn.functional.pad(t, (0, 1)), torch.cat([a, -a.sum()[None]])[None]

    def stepper(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        constant, advance = self.prepared()
        return lambda z, s: advance(z, constant if s is None else constant + self.drive(s))

    def rollout_by_steps(
        self, state: Tensor, steps: int, s: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        self.check_inputs(s, len(state), steps)
        constant, advance = self.prepared()
        # (batch, steps, M) -> steps of (batch, M), or the same (M) at every step
        constants = [constant] * steps if s is None else (constant + self.drive(s)).unbind(1)
        latents = []
        for constant in constants:
            state = advance(state, constant)
            latents.append(state)
        return torch.stack(latents, dim=1), state

    def boxes(
        self, kinks: Sequence[Tensor], s: Tensor | None = None
    ) -> tuple[Tensor, Tensor] | None:
        """Return `linear_regions` of a map that bends in the latents alone: boxes between kinks.

        kinks: of each of the M latents, increasing.
        """
        if math.prod(len(row) + 1 for row in kinks) > MOST_REGIONS:
            return None
        # A point of each interval of each latent, and of each box.
        inside = [torch.cat([row[:1] - 1, (row[1:] + row[:-1]) / 2, row[-1:] + 1]) for row in kinks]
        inside = [row if len(row) else row.new_zeros(1) for row in inside]
        z = torch.cartesian_prod(*inside).reshape(-1, self.latent_dim)
        inputs = None if s is None else s.expand(len(z), -1)
        J = self.jacobian(z, inputs)
        return J, self.step(z, inputs) - (J @ z[..., None])[..., 0]
