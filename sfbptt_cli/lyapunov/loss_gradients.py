"""How the gradient of the loss grows with the length of the window."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sfbptt_cli.forcing.sparse import sparse
from sfbptt_cli.lyapunov.jacobian_products import LogNorms
from sfbptt_cli.models.base import LatentModel

# Steps differentiated at once: few enough for their gradient to stay within float64.
_CHUNK = 50


def loss_gradients(
    model: LatentModel,
    x: Tensor,
    lengths: Sequence[int],
    tau: int | None = None,
    s: Tensor | None = None,
) -> LogNorms:
    """Return ln ‖∂L_T/∂θ‖₂ of windows of T steps, for each T of `lengths`, θ all the parameters.

    x (at least w + max T + 1, obs_dim): the data, standardised, w = model.warmup of them before
    x_1. L_T is the mean squared error of x̂_2 … x̂_{T+1}, over time and observations. Without tau
    the model runs freely from the state of its warm-up at x_1: the adjoint
    λ_t = J_tᵀ λ_{t+1} + ∂L_T/∂z_t and the gradient summed along it
    are kept as vectors of order one and the logarithms of their scales, so that no T overflows.
    With tau the state is forced every τ steps (`forcing.sparse`). External inputs s (as long as x,
    input_dim) are those of the times of x. Everything is float64.

    The values have one row: NaN where the orbit diverges. Raises ValueError when s does not fit.
    Source: Mikhaeil et al. 2022, eqs. 3 and 4, theorem 2.
    """
    T = np.unique(np.asarray(lengths, dtype=np.int64))
    model = copy.deepcopy(model).double().requires_grad_(True)
    begun = 1 + model.warmup
    x = x[: T[-1] + begun].double()
    if s is not None:
        s = s[: T[-1] + begun].double()
    model.check_inputs(s, len(x))
    if tau is not None:
        ends = T + begun
        values = [_forced(model, x[:n], tau, None if s is None else s[:n]) for n in ends]
    else:
        warming, inputs = (None, None) if s is None else (s[None, 1:begun], s[None, begun:])

        def started() -> Tensor:
            return model.warm_up(x[None, :begun], warming)

        states = _chunk_starts(model, started(), len(x) - begun, inputs)
        targets = x[begun:]
        values = [_free(model, targets[:n], states, started, inputs) for n in T]
    return LogNorms(T, np.array([values]))


class _Scaled(NamedTuple):
    """vector · e^scale, the vector of norm one (or zero)."""

    vector: Tensor
    scale: float

    @classmethod
    def of(cls, vector: Tensor, scale: float) -> _Scaled:
        norm = vector.norm().item()
        return cls(vector / norm, scale + math.log(norm)) if norm > 0 else cls(vector, -math.inf)

    def plus(self, vector: Tensor, scale: float) -> _Scaled:
        """Return its sum with vector · e^scale, scale being finite."""
        top = max(self.scale, scale)
        both = self.vector * math.exp(self.scale - top) + vector * math.exp(scale - top)
        return _Scaled.of(both, top)


@torch.no_grad()
def _chunk_starts(
    model: LatentModel, state: Tensor, steps: int, inputs: Tensor | None
) -> list[Tensor]:
    """Return the states, (1, state_dim), at every _CHUNK-th time of the free orbit from `state`."""
    states = [state]
    for first in range(0, steps - _CHUNK, _CHUNK):
        now = None if inputs is None else inputs[:, first : first + _CHUNK]
        states.append(model.rollout(states[-1], _CHUNK, now)[1])
    return states


def _free(
    model: LatentModel,
    x: Tensor,
    states: list[Tensor],
    started: Callable[[], Tensor],
    inputs: Tensor | None,
) -> float:
    """Return ln ‖∂L/∂θ‖ of the free run from `started()` along x, chunk by chunk backwards."""
    parameters = list(model.parameters())
    adjoint, scale = torch.zeros_like(states[0]), 0.0  # λ = adjoint · e^scale
    total = _Scaled(x.new_zeros(sum(p.numel() for p in parameters)), -math.inf)
    steps = len(x)
    for first in reversed(range(0, steps, _CHUNK)):
        start = states[first // _CHUNK].detach().requires_grad_(True)
        target = x[None, first : first + _CHUNK]
        now = None if inputs is None else inputs[:, first : first + target.shape[1]]
        predicted, last = model.predict(start, target.shape[1], now)
        loss = (predicted - target).square().sum() / (steps * model.obs_dim)
        objective = loss * math.exp(-scale) + (adjoint * last).sum()
        at_start, by_parameters = _gradients(objective, parameters, start)
        if not (at_start.isfinite().all() and by_parameters.isfinite().all()):
            return math.nan
        total = total.plus(by_parameters, scale)
        # Not below zero: what the loss adds must not be scaled up without bound.
        grown = max(0.0, _Scaled.of(at_start, scale).scale)
        adjoint, scale = at_start * math.exp(scale - grown), grown
    by_start = _gradients((adjoint * started()).sum(), parameters)[1]
    return total.plus(by_start, scale).scale


def _forced(model: LatentModel, x: Tensor, tau: int, s: Tensor | None) -> float:
    """Return ln ‖∂L/∂θ‖ of the window under forcing every τ steps."""
    predicted = sparse(model, x[None], tau, None if s is None else s[None])
    loss = nn.functional.mse_loss(predicted[0], x[1 + model.warmup :])
    by_parameters = _gradients(loss, list(model.parameters()))[1]
    return _Scaled.of(by_parameters, 0.0).scale if by_parameters.isfinite().all() else math.nan


def _gradients(
    value: Tensor, parameters: list[nn.Parameter], start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the gradients by the start (None: zeros) and by all parameters as one vector."""
    inputs = [*parameters] if start is None else [*parameters, start]
    if not value.requires_grad:  # a readout without parameters forces without them
        vector = nn.utils.parameters_to_vector(parameters)
        return torch.zeros_like(inputs[-1]), torch.zeros_like(vector)
    gradients = torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True)
    vector = torch.cat([g.flatten() for g in gradients[: len(parameters)]])
    return gradients[-1], vector
