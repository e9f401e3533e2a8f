"""Sparsely forced backpropagation through time."""

from __future__ import annotations

from torch import Tensor, nn

from sfbptt_cli.forcing.method import IntervalMethod, arriving
from sfbptt_cli.models.base import LatentModel


def sparse(model: LatentModel, x: Tensor, tau: int, s: Tensor | None = None) -> Tensor:
    """Predict by sparsely forced BPTT (Mikhaeil, Monfared, Durstewitz 2022, eq. 16).

    z̃_t = B⁺ x_t replaces the latent state at t = 1, 1 + τ, 1 + 2τ, …, after the prediction made
    there was scored. Nothing crosses a forcing, neither state nor gradient, so the window is a
    batch of independent free rollouts: x (batch, T + 1, obs) becomes ⌈T/τ⌉ · batch starts, of
    which those of the last segment take T mod τ steps when τ does not divide T, the others τ.

    With a warm-up of w = `model.warmup` steps, x is (batch, w + T + 1, obs): each segment's state
    is `model.warm_up` of the w + 1 observations up to its start, as if nothing were before them,
    and the first w observations are no targets.

    Returns x̂ (batch, T, obs); every predicted step counts in the loss, forced or not.
    """
    batch, length, obs_dim = x.shape
    warmup = model.warmup
    steps = length - 1 - warmup
    driving, inputs = arriving(s, x), None
    warming = None if driving is None else _contexts(driving[:, : steps + warmup - 1], warmup, tau)
    state = model.warm_up(_contexts(x[:, :-1], warmup + 1, tau), warming)
    depth = min(tau, steps)
    if driving is not None:
        inputs = _segments(driving[:, warmup:], depth)
    predicted, _ = model.predict(
        state, depth, inputs, short=(batch if steps % depth else 0, steps % depth)
    )
    # (segments * batch, depth, obs) -> (batch, segments * depth, obs)
    predicted = predicted.unflatten(0, (-1, batch)).transpose(0, 1)
    # What the short last segments lack lies behind the window.
    return predicted.reshape(batch, -1, obs_dim)[:, :steps]


def _contexts(x: Tensor, length: int, tau: int) -> Tensor:
    """Return the `length` rows from every τ-th time on, segment by segment, so that the short last
    segments are the last rows: (batch, time, n) -> (segments * batch, length, n)."""
    return x.unfold(1, length, tau).permute(1, 0, 3, 2).flatten(0, 1)


def _segments(s: Tensor, tau: int) -> Tensor:
    """Cut inputs into segments, (batch, T, input) -> (segments * batch, tau, input).

    Padded with zeros after the short last segments.
    """
    padded = nn.functional.pad(s, (0, 0, 0, -s.shape[1] % tau))
    return padded.unflatten(1, (-1, tau)).transpose(0, 1).flatten(0, 1)


class Sparse(IntervalMethod):
    """`sparse` as a method; τ is the forcing interval."""

    def __call__(self, model: LatentModel, x: Tensor, s: Tensor | None = None) -> Tensor:
        return sparse(model, x, self.tau, s)
