"""The papers' equations step by step: slow, independent of the package, the oracle of its tests.

Mikhaeil, Monfared, Durstewitz (NeurIPS 2022), eq. 16: predict, score, then force. Everything is
for one sample: z (M,), s (K,), x (N,). K = 0 is a model without external inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

State = tuple[Tensor, ...]
Step = Callable[[State, Tensor], State]
Readout = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]  # x̂ of z, z̃ of x
Parameters = Mapping[str, Tensor]


def _sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def _relu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def _without_diagonal(W: Tensor) -> Tensor:
    return W * (1 - torch.eye(len(W), dtype=W.dtype))


def lstm_step(p: Parameters) -> Step:
    """One LSTM step from the textbook, gate by gate; the state is h (M,), c (M,)."""
    W, b, C = p["weight"], p["bias"], p["C"]
    m = W.shape[1]

    def step(state: State, s: Tensor) -> State:
        h, c = state
        i, f, g, o = (
            W[k * m : (k + 1) * m] @ h + b[k * m : (k + 1) * m] + C[k * m : (k + 1) * m] @ s
            for k in range(4)
        )
        c = _sigmoid(f) * c + _sigmoid(i) * torch.tanh(g)
        return _sigmoid(o) * torch.tanh(c), c

    return step


def rnn_step(p: Parameters) -> Step:
    """z' = tanh(W z + b + C s)."""

    def step(state: State, s: Tensor) -> State:
        (z,) = state
        return (torch.tanh(p["weight"] @ z + p["bias"] + p["C"] @ s),)

    return step


def gru_step(p: Parameters) -> Step:
    """Reset gate, update gate, candidate; the reset gate multiplies W_n h + d."""
    W, b, C, d = p["weight"], p["bias"], p["C"], p["reset_bias"]
    m = W.shape[1]
    reset, update, new = slice(0, m), slice(m, 2 * m), slice(2 * m, 3 * m)

    def step(state: State, s: Tensor) -> State:
        (h,) = state
        r = _sigmoid(W[reset] @ h + b[reset] + C[reset] @ s)
        u = _sigmoid(W[update] @ h + b[update] + C[update] @ s)
        n = torch.tanh(b[new] + C[new] @ s + r * (W[new] @ h + d))
        return (n + u * (h - n),)

    return step


def plrnn_step(p: Parameters) -> Step:
    """z' = A z + W max(0, z) + h + C s."""

    def step(state: State, s: Tensor) -> State:
        (z,) = state
        W = _without_diagonal(p["W"])
        return (torch.diag(p["A"]) @ z + W @ _relu(z) + p["h"] + p["C"] @ s,)

    return step


def dendritic_plrnn_step(p: Parameters, clipped: bool = False) -> Step:
    """z' = A z + W φ(z) + h0 + C s, φ basis by basis."""

    def step(state: State, s: Tensor) -> State:
        (z,) = state
        phi = torch.zeros_like(z)
        for alpha, h in zip(p["alpha"], p["H"].T, strict=True):
            phi = phi + alpha * (_relu(z - h) - _relu(z) if clipped else _relu(z - h))
        W = _without_diagonal(p["W"])
        return (torch.diag(p["A"]) @ z + W @ phi + p["h0"] + p["C"] @ s,)

    return step


def shallow_plrnn_step(p: Parameters, clipped: bool = False) -> Step:
    """z' = A z + W1 max(0, W2 z + h2) + h1 + C s; clipped, less W1 max(0, W2 z)."""

    def step(state: State, s: Tensor) -> State:
        (z,) = state
        out = torch.diag(p["A"]) @ z + p["W1"] @ _relu(p["W2"] @ z + p["h2"])
        if clipped:
            out = out - p["W1"] @ _relu(p["W2"] @ z)
        return (out + p["h1"] + p["C"] @ s,)

    return step


def al_rnn_step(p: Parameters, linear_threshold_units: int) -> Step:
    """z' = A z + W φ(z) + h + C s, unit by unit: φ rectifies the last ones only."""

    def step(state: State, s: Tensor) -> State:
        (z,) = state
        first = len(z) - linear_threshold_units
        phi = torch.stack([_relu(v) if i >= first else v for i, v in enumerate(z)])
        return (torch.diag(p["A"]) @ z + p["W"] @ phi + p["h"] + p["C"] @ s,)

    return step


def linear_readout(B: Tensor) -> Readout:
    """x̂ = B z and z̃ = B⁺ x, the pseudo-inverse by SVD at each forcing."""
    return lambda z: B @ z, lambda x: torch.linalg.pinv(B) @ x


def identity_readout(L: Tensor) -> Readout:
    """x̂ = the first latents and z̃ = [x, L x], L (M - N, N)."""
    return lambda z: z[: L.shape[1]], lambda x: torch.cat([x, L @ x])


class Literal:
    """A model's equations and readout, and what a method does with them, in words of the papers."""

    def __init__(self, readout: Readout, step: Step, start: Callable[[Tensor], State]) -> None:
        self.observe, self.invert = readout
        self.step = step
        self.start = start  # the state after forcing z (M,)

    def force(self, seen: Tensor) -> State:
        """Compute the state from the data x (N,)."""
        return self.start(self.invert(seen))

    def sparse(self, x: Tensor, tau: int, s: Tensor | None = None) -> Tensor:
        """Replace every τ-th state by the one computed from the data."""
        return self._loss(
            self.force, lambda t, state, seen: state if t % tau else self.force(seen), x, s
        )

    def warmed(
        self, x: Tensor, tau: int, warmup: int, gain: Tensor, s: Tensor | None = None
    ) -> Tensor:
        """Force segment by segment, each after `warmup` steps corrected by K (state, N).

        x (batch, warmup + T + 1, N). An error of the prediction corrects every part of the state.
        """
        inputs = x.new_zeros(*x.shape[:2], 0) if s is None else s
        total, count = torch.zeros((), dtype=x.dtype), 0
        for sample, driving in zip(x, inputs, strict=True):
            for begin in range(0, len(sample) - 1 - warmup, tau):
                state = self.force(sample[begin])
                for t in range(begin + 1, begin + warmup + 1):
                    state = self.step(state, driving[t])
                    correction = gain @ (sample[t] - self.observe(state[0]))
                    sizes = [len(part) for part in state]
                    state = tuple(
                        part + more
                        for part, more in zip(state, correction.split(sizes), strict=True)
                    )
                for t in range(begin + warmup + 1, min(begin + warmup + tau, len(sample) - 1) + 1):
                    state = self.step(state, driving[t])
                    total = total + ((self.observe(state[0]) - sample[t]) ** 2).sum()
                    count += len(sample[t])
        return total / count

    def none(self, x: Tensor, s: Tensor | None = None) -> Tensor:
        """Start from the data, never force."""
        return self._loss(self.force, lambda t, state, _: state, x, s)

    def truncated(self, x: Tensor, tau: int, s: Tensor | None = None) -> Tensor:
        """Let no gradient through every τ-th state."""

        def cut(t: int, state: State, seen: Tensor) -> State:
            return state if t % tau else tuple(part.detach() for part in state)

        return self._loss(self.force, cut, x, s)

    def windowed(self, x: Tensor, latent_dim: int, s: Tensor | None = None) -> Tensor:
        """Start from a state of zeros, never force."""
        zero = x.new_zeros(latent_dim)
        return self._loss(lambda seen: self.start(zero), lambda t, state, _: state, x, s)

    def generalized(self, x: Tensor, alpha: float, s: Tensor | None = None) -> Tensor:
        """Mix every state, after it was scored, with the one computed from the data."""

        def mix(t: int, state: State, seen: Tensor) -> State:
            pairs = zip(state, self.force(seen), strict=True)
            return tuple((1 - alpha) * a + alpha * b for a, b in pairs)

        return self._loss(self.force, mix, x, s)

    def _loss(
        self,
        first: Callable[[Tensor], State],
        force: Callable[[int, State, Tensor], State],
        x: Tensor,
        s: Tensor | None,
    ) -> Tensor:
        """Average the squared errors of the predicted x (batch, T + 1, N), s (batch, T + 1, K).

        One sample after the other, one step after the other; s[t] is the input at the time of x[t].
        `first` is the state at the first observation; `force` acts after step t was scored.
        """
        inputs = x.new_zeros(*x.shape[:2], 0) if s is None else s
        total = torch.zeros((), dtype=x.dtype)
        for sample, driving in zip(x, inputs, strict=True):
            state = first(sample[0])
            for t in range(1, len(sample)):
                state = self.step(state, driving[t])
                total = total + ((self.observe(state[0]) - sample[t]) ** 2).sum()
                state = force(t, state, sample[t])
        return total / x[:, 1:].numel()
