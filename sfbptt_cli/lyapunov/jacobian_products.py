"""How a state depends on the one it came from, however many steps ago.

Mikhaeil, Monfared, Durstewitz (NeurIPS 2022): ∂z_T/∂z_1 = J_{T-1} … J_1 stays bounded on orbits
that settle on a stable fixed point or cycle (theorem 1), grows as exp(λ_max T) on chaotic ones
(theorem 2) and slower than any exponential on quasi-periodic ones (theorem 3). With forcing the
product starts anew at every forced state. All of it is computed in float64 and given as natural
logarithms, which do not overflow.
"""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfbptt_cli.lyapunov.spectral_norm import spectral_norms
from sfbptt_cli.lyapunov.spectrum import GrowthRate
from sfbptt_cli.lyapunov.threads import Tick, by_rows
from sfbptt_cli.models.base import LatentModel

# Jacobians computed at once: so few that what makes them stays in the processor's cache.
_CHUNK = 64
_UNSCALED = 4  # most factors between two divisions by the norm, each below 1e75
# Orbits of a thread: a few, or more of them where there are many.
_FEW, _MANY = 4, 16
_BLOCKS = 10  # of a single orbit, whose rates give a standard error


class LogNorms(NamedTuple):
    """Natural logarithms of norms, against a number of steps."""

    steps: NDArray[np.int64]  # (points,), increasing
    values: NDArray[np.float64]  # (orbits, points); NaN from where an orbit diverges


@torch.no_grad()
def jacobian_products(
    model: LatentModel,
    state: Tensor,
    steps: int,
    every: int = 1,
    s: Tensor | None = None,
    *,
    before: Tensor | None = None,
    tick: Tick | None = None,
) -> LogNorms:
    """Return ln ‖∂z_{1+t}/∂z_1‖₂ along free orbits, at t = every, 2 · every, … ≤ steps.

    state (orbits, state_dim): z_1, the whole state, (h, c) of an LSTM; `model.warm_up(x)` and
    some steps lie on the attractor. The product J_t … J_1, J_r = ∂F/∂z at z_r, is divided by its
    Frobenius norm after each few factors and the logarithm of that kept, so that neither overflows.
    External inputs s ((orbits,) steps, input_dim) are those of the times the steps arrive at.
    `before` (orbits, state_dim, state_dim) are products that these go on from. `tick`
    is called now and then with the steps since, of all orbits.

    −∞ where the product vanishes. Raises ValueError when s does not fit.
    """
    model, state = copy.deepcopy(model).double(), state.double()
    inputs = None if s is None else s.double().expand(len(state), -1, -1)
    model.check_inputs(inputs, len(state), steps)
    product = before
    if product is None:
        identity = torch.eye(model.state_dim, dtype=state.dtype, device=state.device)
        product = identity.expand(len(state), -1, -1)
    follow, size = partial(_follow, model, steps, every), _FEW if len(state) <= _MANY else _MANY
    log_norms = by_rows(follow, size, state, product, inputs, tick=tick)
    return LogNorms(np.arange(every, steps + 1, every), log_norms.numpy())


@torch.no_grad()
def _follow(
    model: LatentModel,
    steps: int,
    every: int,
    state: Tensor,
    product: Tensor,
    inputs: Tensor | None,
    tick: Tick,
) -> Tensor:
    """Return ln of the norms of products along orbits, (orbits, points)."""
    scale = state.new_zeros(len(state))
    values = [state.new_empty(len(state), 0).cpu()]
    chunk = max(1, _CHUNK // len(state))
    for first in range(0, steps, chunk):
        now = None if inputs is None else inputs[:, first : first + chunk]
        jacobians, state = _jacobians(model, state, min(chunk, steps - first), now)
        kept = []
        for t, jacobian in enumerate(jacobians.unbind(1), first + 1):
            product = jacobian @ product
            if t % every == 0 or t % _UNSCALED == 0:
                norm = torch.linalg.matrix_norm(product)
                scale = scale + norm.log()
                product = product / norm.clamp_min(1e-300)[:, None, None]
            if t % every == 0:
                kept.append((product, scale))
        if kept:
            products, scales = (torch.stack(x, dim=1).cpu() for x in zip(*kept, strict=True))
            norms = torch.from_numpy(spectral_norms(products.flatten(0, 1).numpy()))
            values.append(scales + norms.unflatten(0, scales.shape).log())
        tick(jacobians.shape[1] * len(state))
    return torch.cat(values, dim=1)


@torch.no_grad()
def forced_jacobian_products(
    model: LatentModel, x: Tensor, tau: int, s: Tensor | None = None, *, tick: Tick | None = None
) -> LogNorms:
    """Return ln ‖∂z_{1+t}/∂z_f‖₂, t = 1 … T, f being where the segment of step t starts.

    x (w + T + 1, obs_dim): the data, standardised, w = model.warmup of them before x_1. At
    t = 1, 1 + τ, 1 + 2τ, … the state is replaced by that of a warm-up on the data, which starts
    w steps before, at f. So the product has w factors (I − K B) J of the warm-up and 1 to τ factors
    J, and starts anew; ∂z_{1+t}/∂z_1 itself is zero beyond the first segment. External inputs
    s (w + T + 1, input_dim) are those of the times of x.

    The values have one row. Raises ValueError when s does not fit.
    """
    model = copy.deepcopy(model).double()
    warmup = model.warmup
    steps = len(x) - 1 - warmup
    model.check_inputs(s, len(x))
    # Segments are independent orbits of τ steps; the last may go on beyond the data.
    first = range(0, steps, tau)
    warming = driving = None
    if s is not None:
        s = s.double()
        warming = torch.stack([s[f + 1 : f + 1 + warmup] for f in first])
        beyond = s.new_zeros(len(first) * tau - steps, s.shape[1])
        driving = torch.cat([s[1 + warmup :], beyond]).unflatten(0, (len(first), tau))
    contexts = torch.stack([x[f : f + 1 + warmup] for f in first]).double()
    before, state = _warm_up_products(model, contexts, warming)
    values = jacobian_products(model, state, tau, s=driving, before=before, tick=tick).values
    return LogNorms(np.arange(1, steps + 1), values.reshape(1, -1)[:, :steps])


def _warm_up_products(model: LatentModel, x: Tensor, s: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the products of (I − K B) J along warm-ups, x (n, w + 1, obs), and their last states.

    Of a warm-up of no steps that is the identity, and the state `model.force(x_1)`.
    """
    identity = torch.eye(model.state_dim, dtype=x.dtype, device=x.device)
    corrected = identity.clone()  # I − K B, where B sees the latents alone
    gain = model.correction()
    corrected[:, : model.latent_dim] -= gain.T @ model.readout.weight
    product, state = identity.expand(len(x), -1, -1), model.force(x[:, 0])
    for t in range(x.shape[1] - 1):
        now = None if s is None else s[:, t]
        product = corrected @ model.jacobian(state, now) @ product
        state = model.step(state, now)
        error = x[:, t + 1] - model.readout(state[:, : model.latent_dim])
        state = state + error @ gain
    return product, state


def growth_rate(log_norms: LogNorms, skip: float = 0.1) -> GrowthRate:
    """Return the slope of ln ‖·‖ against steps, by least squares, to compare with λ_max.

    The first `skip` of the points, in which the product turns into its direction, is left out. The
    value is the mean over the orbits that stay finite, NaN when none does; its standard error comes
    from the spread of their slopes. A single orbit is cut into ten blocks instead: growth is a
    random walk about its trend, so that the residuals of the fit are no measure. The error is then
    √(6/5 S / n), S being length times variance of the rates of the blocks, n the steps, and 6/5
    what least squares loses on a random walk against end to end growth.
    """
    first = int(skip * len(log_norms.steps))
    t = log_norms.steps[first:].astype(np.float64)
    y = log_norms.values[:, first:]
    y = y[np.isfinite(y).all(axis=1)]
    if len(t) < 2 or not len(y):
        return GrowthRate(math.nan, math.inf)
    centred = t - t.mean()
    slopes = y @ centred / (centred @ centred)
    if len(slopes) > 1:
        return GrowthRate(slopes.mean().item(), slopes.std(ddof=1).item() / math.sqrt(len(slopes)))
    edges = np.linspace(0, len(t) - 1, min(_BLOCKS, len(t) - 1) + 1).astype(int)
    lengths = np.diff(t[edges])
    rates = np.diff(y[0, edges]) / lengths
    variance = rates.var(ddof=1) * lengths.mean() if len(rates) > 1 else math.inf
    return GrowthRate(slopes.item(), math.sqrt(1.2 * variance / (t[-1] - t[0])))


def _jacobians(
    model: LatentModel, state: Tensor, steps: int, s: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return ∂F/∂z at each step, (orbits, steps, state_dim, state_dim), and the state after."""
    visited = []
    for t in range(steps):
        visited.append(state)
        state = model.step(state) if s is None else model.step(state, s[:, t])
    states = torch.stack(visited, dim=1)
    flat = model.jacobian(states.flatten(0, 1), None if s is None else s.flatten(0, 1))
    return flat.unflatten(0, states.shape[:2]), state
