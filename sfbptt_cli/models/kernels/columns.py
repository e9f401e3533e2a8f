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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.kernels import gated, piecewise_linear
from sfbptt_cli.models.kernels.observer import read_out, read_out_reverse

_DTYPES = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}

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


Leg = tuple[int, int, int]  # from a step to another, so many of the columns
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
    short: tuple[int, int] = (0, 0),
) -> tuple[Tensor, Tensor]:
    """Step from states (R, S) with inputs s (R, steps, K): latents (R, steps, M), last states.

    With an observer, the state gets K (x_t − B z) after each step. With a readout B (N, M), B z
    (R, steps, N) takes the place of the latents, which need not leave the processor's cache. Then
    the last `short[0]` states may take `short[1]` steps only, and zeros follow.
    """
    x, gain, weight = observer or (None, None, None)
    tensors = (state.T, _columns(s), _columns(x), gain, weight, readout, *weights)
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    count = max(1, -(-len(state) // _WIDEST))
    parts = zip(*(_parts(x, count) for x in tensors[:3]), strict=True)
    done, left = [], len(state) - short[0]  # that take all steps
    for part in parts:
        columns = part[0].shape[1]
        legs = _legs(steps, columns, min(max(left, 0), columns), short[1])
        done.append(Columns.apply(kernel, latent_dim, steps, legs, keep, *part, *tensors[3:]))
        left -= columns
    latents, last = (_joined(tensors) for tensors in zip(*done, strict=True))
    return latents.permute(2, 0, 1), last.T


def _legs(steps: int, columns: int, whole: int, few: int) -> list[Leg]:
    """Return the legs of so many columns, of which all after `whole` take `few` steps."""
    if whole == columns:
        return [(0, steps, columns)]
    legs = [(0, few, columns), (few, steps, whole)]
    return [leg for leg in legs if leg[2] and leg[0] < leg[1]]


def _columns(x: Tensor | None) -> Tensor | None:
    """(R, steps, n) -> (steps, n, R)."""
    return None if x is None else x.permute(1, 2, 0)


def _parts(x: Tensor | None, count: int) -> Sequence[Tensor | None]:
    return [None] * count if x is None else x.tensor_split(count, dim=-1)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-1)


class Columns(torch.autograd.Function):
    """(state (S, R), s (steps, K, R), x (steps, N, R), K, B, readout, weights …) -> series, last.

    The series is z (steps, M, R), or B z (steps, N, R) where there is a readout B. Without one
    there is one leg. All between the tensors that come in and go out is done by numpy, whose small
    operations take a third of torch's time.
    """

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        M: int,
        steps: int,
        legs: Sequence[Leg],
        keep: bool,
        *tensors: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        state, s, x, *given = (None if t is None else t.detach().numpy() for t in tensors)
        assert state is not None
        nothing = np.empty((0, 0), state.dtype)
        given = [nothing if g is None else np.ascontiguousarray(g) for g in given]
        last = _room(state.shape, state.dtype)
        last[:] = state
        done = [_forward(kernel, M, keep, leg, last, (s, x), given) for leg in legs]
        series = done[0][0]
        if len(legs) > 1:
            series = np.zeros((steps, *series.shape[1:]), last.dtype)
            for leg, (part, _) in zip(legs, done, strict=True):
                _of(leg, series)[:] = part
        if keep:
            ctx.kernel, ctx.sizes, ctx.given = kernel, (M, steps, *last.shape), given
            ctx.legs = [(leg, kept) for leg, (_, kept) in zip(legs, done, strict=True)]
            ctx.set_materialize_grads(False)
        return torch.from_numpy(series), torch.from_numpy(last)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, by_series: Tensor | None, by_last: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        (M, steps, S, R), given = ctx.sizes, ctx.given
        by_given = [np.zeros_like(g) for g in given]
        d = np.zeros((S, R), given[-1].dtype)
        if by_last is not None:
            d[:] = by_last.numpy()
        (states, _, errors, _) = ctx.legs[0][1]
        by_s = np.zeros((steps, states.shape[1] - 1 - S, R), d.dtype)
        by_x = np.zeros((steps, errors.shape[1], R), d.dtype)
        by_series_ = None if by_series is None else by_series.numpy()
        for leg, kept in reversed(ctx.legs):
            parts = _reverse(ctx.kernel, M, leg, kept, d, by_series_, given, by_given)
            _of(leg, by_s)[:], by_part = parts
            if by_part.size:
                _of(leg, by_x)[:] = by_part
        found = [torch.from_numpy(g) for g in (d, by_s, by_x, *by_given)]
        needed = ctx.needs_input_grad[5:]
        return *[None] * 5, *(g if n else None for g, n in zip(found, needed, strict=True))


# What is kept of a leg for the way back: the states, what the kernel keeps of each step, and of a
# warm-up the errors x − B z and the z in them.
Kept = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def _forward(
    kernel: Kernel,
    M: int,
    keep: bool,
    leg: Leg,
    last: NDArray[Any],
    driving: Sequence[NDArray[Any] | None],
    given: Sequence[NDArray[Any]],
) -> tuple[NDArray[Any], Kept]:
    """Go from `last` (S, R), into which the last states are written; return series and kept."""
    first, end, columns = leg
    s, x = (None if x is None else _of(leg, x) for x in driving)
    gain, weight, readout, *weights = given
    state, steps, rows = last[:, :columns], end - first, M + 1 + (0 if s is None else s.shape[1])
    states = _room((steps + 1, rows + len(last) - M, columns), last.dtype)
    states[0, :M], states[0, rows:] = state[:M], state[M:]
    states[:, rows - 1] = 1
    if s is not None:
        states[:-1, M : rows - 1] = s
    size = kernel.kept(*(w.shape for w in weights))
    kept = _room((steps if keep else 1, size, columns), last.dtype)
    errors = seen = np.empty((0, 0, 0), last.dtype)
    if x is not None:
        errors, seen = np.array(x, order="C"), _room((steps, M, columns), last.dtype)
    kernel.forward(kernel.kind, states, kept, (errors, gain, weight, seen), tuple(weights))
    state[:M], state[M:] = states[-1, :M], states[-1, rows:]
    series = states[1:, :M]
    if len(readout):
        series = _room((steps, len(readout), columns), last.dtype)
        read_out(states, readout, series)
    return series, (states, kept, errors, seen)


def _reverse(
    kernel: Kernel,
    M: int,
    leg: Leg,
    of_leg: Kept,
    d: NDArray[Any],
    by_series: NDArray[Any] | None,
    given: Sequence[NDArray[Any]],
    by_given: Sequence[NDArray[Any]],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Turn d = ∂L/∂(last states) (S, R) into that by the first; return the parts by s and x."""
    (first, end, columns), (states, kept, errors, seen) = leg, of_leg
    (gain, weight, readout, *weights), (by_gain, by_weight, by_readout, *by_weights) = (
        given,
        by_given,
    )
    by_z = np.empty((0, M, columns), d.dtype)
    if by_series is not None:
        by_z = np.ascontiguousarray(_of(leg, by_series))
        if len(readout):
            by_predicted, by_z = by_z, _room((end - first, M, columns), d.dtype)
            read_out_reverse(by_predicted, states, readout, by_z, by_readout)
    by_s = np.empty((end - first, states.shape[1] - 1 - len(d), columns), d.dtype)
    by_x = np.zeros_like(errors)
    now = np.ascontiguousarray(d[:, :columns])
    kernel.reverse(
        kernel.kind,
        now,
        by_z,
        by_s,
        states,
        kept,
        (errors, gain, weight, seen),
        (by_x, by_gain, by_weight),
        tuple(weights),
        tuple(by_weights),
    )
    d[:, :columns] = now
    return by_s, by_x


def _of(leg: Leg, x: NDArray[Any]) -> NDArray[Any]:
    """Return what a leg takes of (steps, n, R)."""
    first, end, columns = leg
    return x[first:end, :, :columns]


def _room(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array to be filled, that begins where a line of the cache does as torch's do."""
    return torch.empty(shape, dtype=_DTYPES[dtype]).numpy()
