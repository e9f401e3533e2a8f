"""Training methods: from a model and a window of data to predictions.

Each takes the window x_1 … x_{T+1}, (batch, T + 1, obs), and predicts x_2 … x_{T+1}.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sfbptt_cli.models import LatentModel

Method = Callable[[LatentModel, Tensor, int], Tensor]


def sparse(model: LatentModel, x: Tensor, tau: int) -> Tensor:
    """Sparsely forced BPTT (Mikhaeil, Monfared, Durstewitz 2022, eq. 16).

    z̃_t = B⁺ x_t replaces the latent state at t = 1, 1 + τ, 1 + 2τ, …, after the prediction made
    there was scored. Nothing crosses a forcing, neither state nor gradient, so the window is a
    batch of independent free rollouts: x (batch, T + 1, obs) becomes ⌈T/τ⌉ · batch starts, of
    which those of the last segment take T mod τ steps when τ does not divide T, the others τ.

    Returns x̂ (batch, T, obs); every predicted step counts in the loss, forced or not.
    """
    batch, length, obs_dim = x.shape
    full, rest = divmod(length - 1, tau)
    # Segment by segment, so that the short last segments are the last rows: (segments * batch, obs)
    starts = x[:, : length - 1 : tau].transpose(0, 1).reshape(-1, obs_dim)
    state = model.force(starts)
    if rest:
        head, state = model.rollout(state, rest)  # all segments, as far as the short ones go
        whole = head[: full * batch]
        if full:
            tail, _ = model.rollout(state[: full * batch], tau - rest)
            whole = torch.cat([whole, tail], dim=1)
        short = model.readout(head[full * batch :])  # (batch, rest, obs)
    else:
        whole, _ = model.rollout(state, tau)
        short = x.new_empty(batch, 0, obs_dim)
    # (full * batch, tau, latent) -> (batch, full * tau, obs)
    whole = model.readout(whole).reshape(full, batch, tau, obs_dim).transpose(0, 1)
    return torch.cat([whole.reshape(batch, full * tau, obs_dim), short], dim=1)


METHODS: dict[str, Method] = {"sparse": sparse}
