"""The largest exponent of a model, from two nearby trajectories."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from sfbptt_cli.lyapunov.spectrum import GrowthRate
from sfbptt_cli.models.base import LatentModel

# Relative to states of order one: far above float64 rounding, far below the attractor.
_SEPARATION = 1e-8
_SHRUNK = math.log(1e-6)  # to 1e-14


@torch.no_grad()
def largest_exponent(
    model: LatentModel,
    state: Tensor,
    steps: int,
    transient: int,
    every: int = 10,
    s: Tensor | None = None,
) -> GrowthRate:
    """Return λ_max of the freely running model, by two nearby trajectories (Benettin et al. 1980).

    state (starts, state_dim): where the free trajectories start; each runs
    `transient` steps, then `steps` steps with a copy that is pulled back to distance 1e-8 every
    `every` steps, in float64. λ = mean of ln(distance / 1e-8) / every. The first tenth of the
    steps, in which the separation turns into the fastest direction, is not counted. With external
    inputs, s (starts, transient + steps, K), it is the exponent of the driven model, both copies
    being given the same inputs.

    Where the distance shrinks to less than 1e-14 on the way, which is rounding, the copy is pulled
    back after every step instead.

    The mean is over the starts that stay finite, NaN when none does; −∞ means that the distance
    vanished within a step. Its standard error is that over the starts, or half the difference
    between the two halves of the steps if that is more: a distance that grows with a power of
    time, as where frequencies differ, slows down.
    """
    given, model = (model, state, s), copy.deepcopy(model).double()
    state = state.double()
    s = None if s is None else s.double()
    if transient:
        _, state = model.rollout(state, transient, None if s is None else s[:, :transient])
    generator = torch.Generator().manual_seed(0)
    offset = torch.randn(state.shape, generator=generator, dtype=state.dtype).to(state.device)
    offset *= _SEPARATION / offset.norm(dim=1, keepdim=True)
    rounds = max(1, steps // every)
    first_counted, middle = rounds // 10, (rounds + rounds // 10) // 2
    halves = state.new_zeros(2, len(state))
    for i in range(rounds):
        driven = None
        if s is not None:
            first = transient + i * every
            driven = s[:, first : first + every].repeat(2, 1, 1)
        _, both = model.rollout(torch.cat([state, state + offset]), every, driven)
        state, other = both.chunk(2)
        offset = other - state
        distance = offset.norm(dim=1, keepdim=True)
        offset = offset * (_SEPARATION / distance.clamp_min(1e-300))
        if i >= first_counted:
            halves[int(i >= middle)] += torch.log(distance[:, 0] / _SEPARATION)
    growth = halves.sum(dim=0)
    finite = ~growth.isnan() & (growth < math.inf)
    exponents = growth[finite] / (every * (rounds - first_counted))
    if every > 1 and (exponents * every < _SHRUNK).any():
        return largest_exponent(*given[:2], steps, transient, every=1, s=given[2])
    error = exponents.std().item() / math.sqrt(len(exponents)) if len(exponents) > 1 else math.inf
    lengths = halves.new_tensor([[max(1, middle - first_counted)], [rounds - middle]]) * every
    early, late = (halves[:, finite] / lengths).mean(dim=1).tolist()
    slowing = abs(late - early) / 2 if middle > first_counted else 0.0
    return GrowthRate(
        exponents.mean().item(), max(error, slowing if math.isfinite(slowing) else 0.0)
    )
