"""Compiled rollouts and warm-ups as functions that torch differentiates, on a CPU.

States are columns here, (rows, R) for R states at once, so that a step is W y and what it does
element by element runs along memory. y = [z; s; 1] are latents, external inputs and a one, which
takes the constant and C s into the product, W = [W C b]. All y of a rollout and what the state has
beyond z lie in one array, `states` (steps + 1, M + K + 1 + S − M, R).

Autograd would record every operation of every step. Compiled, a rollout of an LSTM with M = 30
takes about as long forward and back as the matrix products in it: outputs/benchmark/tried.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.kernels import gated, piecewise_linear
from sfbptt_cli.models.kernels.observer import read_out, read_out_reverse

# Columns that go through all steps together: what a step needs of them stays near the processor.
_WIDEST = 192

Observer = tuple[Tensor, Tensor, Tensor]  # x (R, steps, N), K (S, N), B (N, M)


@dataclass(frozen=True)
class Kernel:
    """The compiled passes of a model; its numbers come as `weights`, one after the other."""

    kind: int  # of the network, where one pass serves several
    forward: Callable[..., None]
    reverse: Callable[..., None]
    kept: Callable[..., int]  # rows to keep of a step, of the shapes of the weights


Compiled = tuple[Kernel, tuple[Tensor, ...]]  # and the weights, with gradients


TANH = Kernel(gated.TANH, gated.forward, gated.reverse, lambda W: W[0])
GRU = Kernel(gated.GRU, gated.forward, gated.reverse, lambda W: W[0])
LSTM = Kernel(gated.LSTM, gated.forward, gated.reverse, lambda W: W[0] // 4 * 5)


def bent(linear: int = 0) -> Kernel:
    """Return the kernel of a piecewise-linear network whose first `linear` units do not bend."""
    passes = piecewise_linear.forward, piecewise_linear.reverse
    return Kernel(linear, *passes, lambda A, W, V, t, a: W[1] + V[0])


def takes(*given: Tensor | None) -> bool:
    """Return whether kernels take the tensors: float32 or float64 throughout, on a CPU."""
    tensors = [x for x in given if x is not None]
    alike = all(x.dtype == tensors[0].dtype and x.device.type == "cpu" for x in tensors)
    return alike and tensors[0].dtype in (torch.float32, torch.float64)


def run(
    kernel: Kernel,
    weights: Sequence[Tensor],
    state: Tensor,
    latent_dim: int,
    steps: int,
    s: Tensor | None,
    observer: Observer | None = None,
    readout: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Step from states (R, S) with inputs s (R, steps, K): latents (R, steps, M), last states.

    With an observer, the state gets K (x_t − B z) after each step. With a readout B (N, M), B z
    (R, steps, N) takes the place of the latents, which need not leave the processor's cache.
    """
    x, gain, weight = observer or (None, None, None)
    tensors = (state.T, _columns(s), _columns(x), gain, weight, readout, *weights)
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    count = max(1, -(-len(state) // _WIDEST))
    parts = zip(*(_parts(x, count) for x in tensors[:3]), strict=True)
    done = [Columns.apply(kernel, latent_dim, steps, keep, *p, *tensors[3:]) for p in parts]
    latents, last = (_joined(tensors) for tensors in zip(*done, strict=True))
    return latents.permute(2, 0, 1), last.T


def _columns(x: Tensor | None) -> Tensor | None:
    """(R, steps, n) -> (steps, n, R)."""
    return None if x is None else x.permute(1, 2, 0)


def _parts(x: Tensor | None, count: int) -> Sequence[Tensor | None]:
    return [None] * count if x is None else x.tensor_split(count, dim=-1)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-1)


class Columns(torch.autograd.Function):
    """(state (S, R), s (steps, K, R), x (steps, N, R), K, B, readout, weights …) -> series, last.

    The series is z (steps, M, R), or B z (steps, N, R) where there is a readout B.
    Kept for the way back: the states, what the kernel keeps of each step, and of a warm-up the
    errors x − B z and the z in them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        M: int,
        steps: int,
        keep: bool,
        state: Tensor,
        s: Tensor | None,
        x: Tensor | None,
        gain: Tensor | None,
        weight: Tensor | None,
        readout: Tensor | None,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        S, R = state.shape
        rows = M + 1 + (0 if s is None else s.shape[1])
        states = state.new_empty(steps + 1, rows + S - M, R)
        states[0, :M], states[0, rows:] = state[:M], state[M:]
        states[:, rows - 1] = 1
        if s is not None:
            states[:-1, M : rows - 1] = s
        kept = state.new_empty(steps if keep else 1, kernel.kept(*(w.shape for w in weights)), R)
        series, matrix = state.new_empty(0, 0, 0), state.new_empty(0, 0)
        observer = [series, matrix, matrix, series]
        if x is not None:
            errors = x.clone(memory_format=torch.contiguous_format)
            observer = [errors, *map(_ready, (gain, weight)), state.new_empty(steps, M, R)]
        numbers = [_ready(w) for w in weights]
        kernel.forward(kernel.kind, *_arrays(states, kept), _arrays(*observer), _arrays(*numbers))
        series = states[1:, :M]
        if readout is not None:
            readout, series = _ready(readout), state.new_empty(steps, len(readout), R)
            read_out(*_arrays(states, readout, series))
        if keep:
            ctx.kernel, ctx.sizes = kernel, (S, M, rows)
            ctx.save_for_backward(states, kept, readout, *observer, *numbers)
            ctx.set_materialize_grads(False)
        return series, torch.cat([states[-1, :M], states[-1, rows:]])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, by_series: Tensor | None, by_last: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        states, kept, readout, *saved = ctx.saved_tensors
        observer, weights = saved[:4], saved[4:]
        S, M, rows = ctx.sizes
        steps, _, R = kept.shape
        d = states.new_zeros(S, R)
        if by_last is not None:
            d.copy_(by_last)
        by_readout = None
        by_z = states.new_empty(0, M, R) if by_series is None else by_series.contiguous()
        if readout is not None:
            by_readout, by_x, by_z = (
                torch.zeros_like(readout),
                by_z,
                states.new_empty(len(by_z), M, R),
            )
            read_out_reverse(*_arrays(by_x, states, readout, by_z, by_readout))
        by_s = states.new_empty(steps, rows - 1 - M, R)
        by_observer = [torch.zeros_like(t) for t in observer[:3]]
        by_weights = [torch.zeros_like(w) for w in weights]
        ctx.kernel.reverse(
            ctx.kernel.kind,
            *_arrays(d, by_z, by_s, states, kept),
            *(_arrays(*group) for group in (observer, by_observer, weights, by_weights)),
        )
        optional = zip([by_s, *by_observer, by_readout], ctx.needs_input_grad[5:10], strict=True)
        found = [gradient if needed else None for gradient, needed in optional]
        return None, None, None, None, d, *found, *by_weights


def _ready(x: Any) -> Tensor:
    return x.detach().contiguous()


def _arrays(*tensors: Tensor) -> tuple[NDArray[Any], ...]:
    return tuple(x.numpy() for x in tensors)
