"""Long short-term memory: forward and reverse pass over columns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sfbptt_cli.models.kernels.columns import (
    Columns,
    backwards,
    fold,
    outer_sum,
    per_step,
    unfold,
)


class LSTMColumns(Columns):
    """The step of `LSTM`; its derivatives are computed on the way forward, while all is at hand.

    P = W h + constant, S = σ(P) but for the rows of g, of which P is doubled: g = 2 S_g − 1. With
    all of it element by element,
    ∂c'/∂(P_i, P_f, P_g) and ∂h'/∂P_o = (g, c, 4 i, t) S (1 − S), t = tanh(c');
    ∂h'/∂c' = o (1 − t²);  ∂c'/∂c = f.
    """

    @staticmethod
    def forward(
        ctx: Any,
        state: Tensor,
        steps: int,
        constant: Tensor,
        pulled: Tensor | None,
        held: Tensor | None,
        W: Tensor,
    ) -> tuple[Tensor, Tensor]:
        M, R = W.shape[1], state.shape[1]
        scale = W.new_tensor([1.0, 1.0, 2.0, 1.0]).repeat_interleave(M)[:, None]
        scaled_W, minus_one, four = scale * W, state.new_tensor(-1.0), state.new_tensor(4.0)
        H = state.new_empty(steps + 1, M, R)
        H[0], c = state.chunk(2)
        by_P, by_c, forget = (state.new_empty(steps, n, R) for n in (4 * M, M, M))
        S = state.new_empty(4 * M, R)
        i, f, s_g, o = S.chunk(4)
        # One holds c, the other is given c'.
        here, there = (Factors(state.new_empty(4 * M, R)) for _ in range(2))
        here.c.copy_(c)
        sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        series = (H[:-1], H[1:], by_P, by_c, forget)
        seen = None if pulled is None else torch.empty_like(H[1:])  # h' before it is corrected
        observer = per_step(pulled, steps), per_step(seen, steps)
        for b, pull, free, h, after, p, slope, keep in zip(
            unfold(scale * constant, steps), *observer, *(x.unbind(0) for x in series), strict=True
        ):
            torch.addmm(b, scaled_W, h, out=S).sigmoid_()
            torch.add(minus_one, s_g, alpha=2, out=here.g)
            c = torch.mul(f, here.c, out=there.c).addcmul_(i, here.g)
            t = torch.add(c, c, out=here.t).sigmoid_()
            torch.add(minus_one, t, alpha=2, out=t)
            torch.mul(o, t, out=after)
            torch.mul(i, four, out=here.four_i)
            sigmoid_backward(here.all, S, grad_input=p)
            tanh_backward(o, t, grad_input=slope)
            keep.copy_(f)
            here, there = there, here
            if held is not None:
                by_h, by_state = torch.addmm(pull, held, free.copy_(after), alpha=-1).chunk(2)
                after.add_(by_h)
                here.c.add_(by_state)
        ctx.save_for_backward(constant, W, H, by_P, by_c, forget, seen, held)
        return H[1:], torch.cat([H[-1], here.c])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, by_H: Tensor, by_last: Tensor
    ) -> tuple[Tensor | None, ...]:
        constant, W, H, by_P, by_c, forget, seen, held = ctx.saved_tensors
        by_H, Wt, D = by_H.contiguous(), W.T.contiguous(), torch.empty_like(by_P)  # D = ∂L/∂P
        M = W.shape[1]
        through_c, through_o = _parts(D, M)
        factor_c, factor_o = _parts(by_P, M)
        earlier = [torch.zeros_like(by_H[0]), *by_H[:-1].unbind(0)]
        h, c = by_H[-1] + by_last[:M], by_last[M:].clone()  # ∂L/∂h, ∂L/∂c
        by_pulled: Any = None if seen is None else H.new_empty(len(D), 2 * M, H.shape[2])
        for by_earlier, by_pull, d, d_c, d_o, p_c, p_o, slope, keep in backwards(
            earlier,
            per_step(by_pulled, len(D)),
            *(D, through_c, through_o, factor_c, factor_o, by_c, forget),
        ):
            if held is not None:
                torch.cat([h, c], out=by_pull)
                h = torch.addmm(h, held.T, by_pull, alpha=-1)
            torch.mul(p_o, h, out=d_o)
            c.addcmul_(h, slope)
            torch.mul(p_c, c, out=d_c)
            c.mul_(keep)
            h = torch.addmm(by_earlier, Wt, d)
        by_held = None if seen is None else -outer_sum(by_pulled, seen)
        by_state, by_W = torch.cat([h, c]), outer_sum(D, H[:-1])
        return by_state, None, fold(D, constant), by_pulled, by_held, by_W


class Factors:
    """(g, c, 4 i, t) (4M, R), what S (1 − S) is multiplied with."""

    def __init__(self, memory: Tensor) -> None:
        self.all = memory
        self.g, self.c, self.four_i, self.t = memory.chunk(4)


def _parts(gates: Tensor, M: int) -> tuple[Tensor, Tensor]:
    """Return i, f, g (steps, 3, M, R), which act through c, and o (steps, M, R), on h."""
    return gates[:, : 3 * M].unflatten(1, (3, M)), gates[:, 3 * M :]
