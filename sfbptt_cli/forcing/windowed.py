"""Windows from a zero state."""

from __future__ import annotations

from torch import Tensor

from sfbptt_cli.forcing.method import Method, arriving
from sfbptt_cli.models.base import LatentModel


class Windowed(Method):
    """Each window by itself: a free rollout from z = 0 (and c = 0), never forced.

    The length of the windows takes the place of τ. Nothing of the data enters the state, so that
    without external inputs every window of a batch has the same predictions, and one is rolled
    out. A comparison of Mikhaeil, Monfared, Durstewitz (2022).
    """

    def __call__(self, model: LatentModel, x: Tensor, s: Tensor | None = None) -> Tensor:
        batch, length, _ = x.shape
        inputs = arriving(s, x)
        rows = 1 if inputs is None else batch
        start = model.start(x.new_zeros(rows, model.latent_dim))
        return model.predict(start, length - 1, inputs)[0].expand(batch, -1, -1)
