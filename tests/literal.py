"""The paper's equations step by step: slow, independent of the package, the oracle of its tests.

Mikhaeil, Monfared, Durstewitz (NeurIPS 2022), eq. 16: predict, score, then force.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

State = tuple[Tensor, ...]
Step = Callable[[State], State]


def lstm_step(weight: Tensor, bias: Tensor) -> Step:
    """One LSTM step from the textbook, gate by gate, for one sample: h (M,), c (M,)."""
    m = weight.shape[1]

    def gate(k: int, h: Tensor) -> Tensor:
        return weight[k * m : (k + 1) * m] @ h + bias[k * m : (k + 1) * m]

    def step(state: State) -> State:
        h, c = state
        i, f, o = (1 / (1 + torch.exp(-gate(k, h))) for k in (0, 1, 3))
        c = f * c + i * torch.tanh(gate(2, h))
        return o * torch.tanh(c), c

    return step


def sparse_loss(readout: Tensor, step: Step, start: Callable[[Tensor], State], x: Tensor, tau: int):
    """Mean squared error over every predicted step of x (batch, T + 1, obs).

    One sample after the other, one step after the other; the pseudo-inverse by SVD at each
    forcing.
    """
    total = torch.zeros((), dtype=x.dtype)
    for sample in x:
        state = start(torch.linalg.pinv(readout) @ sample[0])
        for t in range(1, len(sample)):
            state = step(state)
            total = total + ((readout @ state[0] - sample[t]) ** 2).sum()
            if t % tau == 0:
                state = start(torch.linalg.pinv(readout) @ sample[t])
    return total / x[:, 1:].numel()
