"""The Lyapunov spectrum of a model, by QR along its free trajectories."""

from __future__ import annotations

import copy
import math
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sfbptt_cli.lyapunov.orthonormal import orthonormalise
from sfbptt_cli.lyapunov.spectrum import Spectrum
from sfbptt_cli.lyapunov.threads import Tick, by_rows
from sfbptt_cli.models.base import LatentModel

_MOST_STEPS = 10  # between two orthonormalisations
# How far apart the stretching of the first and the last direction may get between two of them, in
# logarithms: e^25 of the 1e16 of float64, so that the last exponent keeps five digits.
_MOST_SPREAD = 25.0
# Trajectories of a thread, whatever their number: what is found does not depend on it.
_TOGETHER = 16


@torch.no_grad()
def model_spectrum(
    model: LatentModel,
    state: Tensor,
    steps: int,
    transient: int,
    exponents: int | None = None,
    *,
    s: Tensor | None = None,
    seed: int = 0,
    tick: Tick | None = None,
) -> Spectrum:
    """Return λ_1 ≥ … ≥ λ_k of the freely running model over its whole state (Benettin et al. 1980).

    state (starts, state_dim): where the free trajectories start; each runs `transient`
    steps, then `steps` steps with k orthonormal tangent vectors Q, in float64:
    J Q = Q' R, λ_i = mean of ln R_ii. The vectors are orthonormalised after as many steps, at most
    ten, as keep the last of them above rounding. The first tenth of the steps, in which they turn
    into their directions, is not counted. External inputs s (transient + steps, input_dim) are
    those of the times at which the steps arrive, the same for every start.

    `tick` is called now and then with the steps since, of all starts.

    k is `exponents`, by default state_dim, which is 2 latent_dim for an LSTM. A direction that the
    map wipes out has an exponent of −∞, or one of below about −30, which is rounding.

    The means are over the starts that stay finite, NaN when none does. Raises ValueError when s
    does not fit.
    """
    k = model.state_dim if exponents is None else exponents
    model = copy.deepcopy(model).double()
    inputs = None if s is None else s.double().expand(len(state), -1, -1)
    model.check_inputs(inputs, len(state), transient + steps)
    growth = _stretching(model, state.double(), steps, transient, k, inputs, seed, tick)
    values = growth[(growth < math.inf).all(dim=1)].cpu().numpy()
    if not len(values):
        return Spectrum(np.full(k, np.nan), np.full(k, np.inf), 0)
    # Finite time leaves near neighbours out of order.
    order, errors = np.argsort(-values.mean(axis=0), kind="stable"), np.full(k, np.inf)
    if len(values) > 1:
        with np.errstate(invalid="ignore"):  # −∞ less −∞
            errors = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return Spectrum(values.mean(axis=0)[order], errors[order], len(values))


def _stretching(
    model: LatentModel,
    state: Tensor,
    steps: int,
    transient: int,
    k: int,
    inputs: Tensor | None,
    seed: int,
    tick: Tick | None,
) -> Tensor:
    """Return means of ln R_ii over the steps that count, (starts, k), NaN for what diverges."""
    generator = torch.Generator().manual_seed(seed)
    Q = torch.randn(len(state), model.state_dim, k, generator=generator, dtype=state.dtype)
    # Rows are vectors: Q' = Q Jᵀ.
    frames = Q.to(state.device).transpose(1, 2).contiguous()
    follow = partial(_follow, model, transient, steps)
    return by_rows(follow, _TOGETHER, state, frames, inputs, tick=tick)


@torch.no_grad()
def _follow(
    model: LatentModel,
    transient: int,
    steps: int,
    state: Tensor,
    Q: Tensor,
    inputs: Tensor | None,
    tick: Tick,
) -> Tensor:
    if transient:
        head = None if inputs is None else inputs[:, :transient]
        state = model.rollout(state, transient, head)[1]
    Q, _ = _orthonormalised(Q)
    growth = state.new_zeros(Q.shape[:2])
    turning, done, between = steps // 10, 0, 1
    while done < steps:
        between = min(between, (turning if done < turning else steps) - done)
        for _ in range(between):
            now = [] if inputs is None else [inputs[:, transient + done]]
            state, Q = model.tangent(state, Q, *now)
            done += 1
        Q, stretched = _orthonormalised(Q)
        if done > turning:
            growth += stretched
        spread = stretched.amax(dim=1) - stretched.amin(dim=1)
        spread = spread[~spread.isnan()]  # of what has diverged
        widest = spread.max().item() if len(spread) else 0.0
        tick(between * len(state))
        between = max(1, min(_MOST_STEPS, int(between * _MOST_SPREAD / max(widest, 1e-9))))
    return growth / (steps - turning)


def _orthonormalised(Q: Tensor) -> tuple[Tensor, Tensor]:
    """Return orthonormal rows instead of those of Q (starts, k, N), and ln of what was left."""
    frames = Q.contiguous().cpu()
    lengths = frames.new_empty(frames.shape[:2])
    orthonormalise(frames.numpy(), lengths.numpy())
    return frames.to(Q.device), lengths.log().to(Q.device)
