"""Classical backpropagation through time."""

from __future__ import annotations

from torch import Tensor

from sfbptt_cli.forcing.method import Method, arriving
from sfbptt_cli.models.base import LatentModel


class Unforced(Method):
    """Classical BPTT: one free rollout over the whole window, started from z̃_1 = B⁺ x_1.

    On chaotic data its gradients grow as exp(λ_max T dt), hence gradient clipping: the baseline of
    Mikhaeil, Monfared, Durstewitz (2022).
    """

    def __call__(self, model: LatentModel, x: Tensor, s: Tensor | None = None) -> Tensor:
        return model.predict(model.force(x[:, 0]), x.shape[1] - 1, arriving(s, x))[0]
