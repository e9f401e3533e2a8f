"""The paper's training loop as one would write it from the paper, without the segments.

One update of Mikhaeil, Monfared, Durstewitz (NeurIPS 2022), eq. 16, as their released code does it:
T steps in a Python loop over the whole batch, a readout a step, a pseudo-inverse by SVD at every
forcing. Fair, not slow on purpose: the cells are torch's own where it has them, the window is one
tensor, predictions are scored at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.models.rnn import RNN

State = tuple[Tensor, ...]


class LSTMCell(nn.Module):
    """torch.nn.LSTMCell over a zero input; forcing sets c = 0."""

    def __init__(self, model: LSTM) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(1, model.latent_dim)
        _load(self.cell, model)

    def forward(self, state: State) -> State:
        h, c = state
        return self.cell(h.new_zeros(len(h), 1), (h, c))

    def start(self, z: Tensor) -> State:
        return z, torch.zeros_like(z)


class RNNCell(nn.Module):
    """torch.nn.RNNCell over a zero input."""

    def __init__(self, model: RNN) -> None:
        super().__init__()
        self.cell = nn.RNNCell(1, model.latent_dim)
        _load(self.cell, model)

    def forward(self, state: State) -> State:
        (z,) = state
        return (self.cell(z.new_zeros(len(z), 1), z),)

    def start(self, z: Tensor) -> State:
        return (z,)


class PLRNNCell(nn.Module):
    """z' = A z + W relu(z) + h, the diagonal of W masked at every step."""

    off_diagonal: Tensor

    def __init__(self, model: PLRNN) -> None:
        super().__init__()
        M = model.latent_dim
        self.A, self.W, self.h = (
            nn.Parameter(p.detach().clone()) for p in (model.A, model.W, model.h)
        )
        self.register_buffer("off_diagonal", 1 - torch.eye(M))

    def forward(self, state: State) -> State:
        (z,) = state
        return (self.A * z + torch.relu(z) @ (self.W * self.off_diagonal).T + self.h,)

    def start(self, z: Tensor) -> State:
        return (z,)


def _load(cell: nn.LSTMCell | nn.RNNCell, model: LSTM | RNN) -> None:
    with torch.no_grad():
        cell.weight_hh.copy_(model.weight)
        cell.bias_ih.copy_(model.bias)
        cell.bias_hh.zero_()


class LiteralModel(nn.Module):
    """Cell and readout with the parameters of one of our models."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        if isinstance(model, LSTM):
            self.cell = LSTMCell(model)
        elif isinstance(model, RNN):
            self.cell = RNNCell(model)
        elif isinstance(model, PLRNN):
            self.cell = PLRNNCell(model)
        else:
            raise TypeError(f"no literal cell of {type(model).__name__}")
        self.readout = nn.Linear(model.latent_dim, model.obs_dim, bias=False)
        with torch.no_grad():
            self.readout.weight.copy_(model.readout.weight)
        self.to(model.readout.weight.dtype)

    def invert(self, x: Tensor) -> State:
        """The state forced by x (batch, N)."""
        return self.cell.start(x @ torch.linalg.pinv(self.readout.weight).T)

    def loss(self, x: Tensor, tau: int) -> Tensor:
        """Mean squared error of x̂_2 … x̂_{T+1}, x (batch, T + 1, N), forced every τ steps."""
        state = self.invert(x[:, 0])
        predicted = []
        for t in range(1, x.shape[1]):
            state = self.cell(state)
            predicted.append(self.readout(state[0]))
            if t % tau == 0 and t + 1 < x.shape[1]:
                state = self.invert(x[:, t])
        return nn.functional.mse_loss(torch.stack(predicted, dim=1), x[:, 1:])


class LiteralTrainer:
    """Windows at random places, loss, gradient, Adam at a constant rate of 1e-3."""

    def __init__(self, model: LatentModel, series: Tensor, window: int, batch: int, tau: int):
        self.model = LiteralModel(model)
        self._optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self._series, self._window, self._batch, self._tau = series, window, batch, tau

    def update(self) -> None:
        """One step of the optimizer."""
        starts = torch.randint(len(self._series) - self._window, (self._batch,)).tolist()
        x = torch.stack([self._series[i : i + self._window + 1] for i in starts])
        self._optimizer.zero_grad()
        loss = self.model.loss(x, self._tau)
        loss.backward()
        self._optimizer.step()
