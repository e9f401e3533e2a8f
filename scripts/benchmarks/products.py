"""The matrix products of a training update and nothing else: its floor."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.gru import GRU
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.models.rnn import RNN


def bare_products(model: LatentModel, window: int, batch: int, tau: int) -> Callable[[], None]:
    """A function that makes the products of one sparsely forced update, into memory that is there.

    States are columns, which is the faster layout. With R segments of a window times the batch: at
    each step W (G, M) by (M, R), backwards Wᵀ by (G, R), G = gates · M; the gradient of W, the
    readout, its gradient and that of its input as one batched product each. Where τ does not
    divide T the last segments drop out of the later steps, as they do in training.
    """
    if not isinstance(model, (LSTM, RNN, PLRNN, GRU)):
        raise TypeError(f"the products of {type(model).__name__} are not known")
    full, rest = divmod(window, tau)
    sizes = [(rest, (full + 1) * batch), (tau - rest, full * batch)]
    weight = model.W if isinstance(model, PLRNN) else model.weight  # (G, M)
    parts = [
        _products(weight.detach(), model.readout.weight.detach(), steps, rows)
        for steps, rows in sizes
        if steps and rows
    ]

    def products() -> None:
        for part in parts:
            part()

    return products


def _products(W: Tensor, B: Tensor, steps: int, rows: int) -> Callable[[], None]:
    """Of `steps` steps of `rows` segments."""
    (G, M), N = W.shape, len(B)
    states, gates, errors = (torch.randn(steps, n, rows) for n in (M, G, N))
    forwards, backwards, predicted, by_state = (
        torch.empty_like(x) for x in (gates, states, errors, states)
    )
    zeros, by_W, by_B = torch.zeros(max(G, N), M), torch.empty(G, M), torch.empty(N, M)
    Wt, Bs, Bts = W.T.contiguous(), B.expand(steps, -1, -1), B.T.expand(steps, -1, -1)

    def products() -> None:
        for z, out in zip(states.unbind(0), forwards.unbind(0), strict=True):
            torch.mm(W, z, out=out)
        torch.bmm(Bs, states, out=predicted)
        torch.bmm(Bts, errors, out=by_state)
        torch.addbmm(zeros[:N], errors, states.transpose(1, 2), out=by_B)
        for d, out in zip(gates.unbind(0), backwards.unbind(0), strict=True):
            torch.mm(Wt, d, out=out)
        torch.addbmm(zeros[:G], gates, states.transpose(1, 2), out=by_W)

    return products
