"""What `sfbptt gradients` finds: how the gradients of a trained model grow with T, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.numbers import word_or_number
from sfbptt_cli.common.progress import progress
from sfbptt_cli.data.contexts import states_at
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.lyapunov.fixed_points import Cycle, find_cycles
from sfbptt_cli.lyapunov.jacobian_products import (
    LogNorms,
    forced_jacobian_products,
    growth_rate,
    jacobian_products,
)
from sfbptt_cli.lyapunov.largest import largest_exponent
from sfbptt_cli.lyapunov.loss_gradients import loss_gradients
from sfbptt_cli.lyapunov.settings import GradientsSettings
from sfbptt_cli.lyapunov.spectrum import GrowthRate
from sfbptt_cli.lyapunov.threads import Tick, side_by_side
from sfbptt_cli.models.base import LatentModel

# Points of a curve of Jacobian products that are kept.
_POINTS = 1_000
# Steps of each free trajectory behind λ_max.
_EXPONENT_STEPS = 10_000
# Eigenvalues of a fixed point that are listed; the others attract faster.
_EIGENVALUES = 6


@dataclass(frozen=True)
class GradientGrowth:
    """Norms against T of a free and of a forced orbit; natural logarithms, rates per step."""

    products: LogNorms  # of ∂z_T/∂z_1, one row an orbit
    forced_products: LogNorms | None
    losses: LogNorms  # of ∂L_T/∂θ
    forced_losses: LogNorms | None
    rate: GrowthRate  # fitted to `products`
    lambda_max: GrowthRate
    tau: int | None
    warmup: int  # steps that each forced product begins with
    cycles: list[Cycle]
    cycles_observed: list[NDArray[np.float64]]  # in data units

    @property
    def regime(self) -> str:
        """Return which theorem of Mikhaeil et al. (2022) the orbit is an example of."""
        if not math.isfinite(self.rate.value):
            return "diverging"
        noise = 3 * max(self.rate.standard_error, self.lambda_max.standard_error)
        # Growth like a power of T has a slope of about one in ln T.
        power = 2 / float(self.products.steps[-1])
        if self.rate.value > max(noise, power):
            return "chaotic: the product explodes at the rate lambda_max (theorem 2)"
        if self.rate.value < -max(noise, power):
            return "stable cycle or fixed point: the product vanishes (theorem 1)"
        return "cycle or torus: the product grows less than exponentially (theorem 3)"

    def as_json(self) -> dict[str, Any]:
        """Return the content of gradients.json; JSON has no infinity, so those are words."""
        return {
            "regime": self.regime,
            "growth_rate": word_or_number(self.rate.value),
            "growth_rate_standard_error": word_or_number(self.rate.standard_error),
            "lambda_max": word_or_number(self.lambda_max.value),
            "lambda_max_standard_error": word_or_number(self.lambda_max.standard_error),
            "unit": "per step",
            "tau": self.tau,
            "warmup": self.warmup,
            "log_norms": {
                "jacobian_product": _curves(self.products),
                "jacobian_product_forced": _curves(self.forced_products),
                "loss_gradient": _curves(self.losses),
                "loss_gradient_forced": _curves(self.forced_losses),
            },
            "cycles": [
                {
                    "order": cycle.order,
                    "stability": cycle.stability,
                    "observed": observed.tolist(),
                    "eigenvalues": [[z.real, z.imag] for z in cycle.eigenvalues.tolist()],
                    "residual": cycle.residual,
                    "hits": cycle.hits,
                }
                for cycle, observed in zip(self.cycles, self.cycles_observed, strict=True)
            ],
        }


def gradient_growth(
    model: LatentModel,
    standardiser: Standardiser,
    dataset: Dataset,
    tau: int | None,
    settings: GradientsSettings,
) -> GradientGrowth:
    """Return Jacobian products and loss gradients up to T = `steps`, free and forced every `tau`.

    `orbits` free orbits start from test data and run `transient` steps first; loss gradients are
    of windows of the test trajectory. Cycles up to order `cycles` are searched from `starts`
    states. Raises RequestError where the test trajectory is too short.
    """
    steps, transient, orbits = settings.steps, settings.transient, settings.orbits
    warmup, inputs = model.warmup, dataset.inputs
    needed = warmup + steps + 1 + (0 if inputs is None else transient)
    if needed > len(dataset.test):
        longest = steps + len(dataset.test) - needed
        raise RequestError(
            f"steps: {steps} was given; accepted: at most {longest}, as the test trajectory has "
            f"{len(dataset.test)} steps"
        )
    model = model.double()
    window = warmup + steps + 1
    x = torch.from_numpy(standardiser.standardise(np.asarray(dataset.test[:window])))
    starts = np.linspace(warmup, len(dataset.test) - 1, orbits).astype(int)
    s = s_window = s_orbits = None
    if inputs is not None:
        s = torch.from_numpy(inputs.test[:needed])
        starts[:] = warmup  # every orbit is driven by the same inputs
        s_window, s_orbits = s[:window], s[warmup + 1 :].expand(orbits, -1, -1)
    driving = None if inputs is None else inputs.test
    begun = states_at(model, standardiser, dataset.test, starts, driving)
    T = np.unique(np.geomspace(1, steps, settings.lengths).round().astype(int)).tolist()
    counted = steps if s is not None else _EXPONENT_STEPS
    searched = settings.cycles if s is None else 0
    # A window shorter than τ is not forced: its gradient is the free one.
    parts: dict[str, Callable[[Tick], Any] | None] = {
        "products": lambda tick: _free_products(model, begun, settings, s_orbits, tick),
        "losses": lambda _: loss_gradients(model, x, T, None, s_window),
        "lambda_max": lambda _: largest_exponent(model, begun, counted, transient, s=s_orbits),
        "cycles": lambda _: _cycles(model, begun, searched, settings),
        "forced_products": None,
        "forced_losses": None,
    }
    if tau is not None:
        parts["forced_losses"] = lambda _: loss_gradients(model, x, T, tau, s_window)
        parts["forced_products"] = lambda tick: forced_jacobian_products(
            model, x, tau, s_window, tick=tick
        )
    given = {name: part for name, part in parts.items() if part is not None}
    with progress(steps * (orbits + (tau is not None)), "gradients") as bar:
        made = side_by_side(list(given.values()), bar.update)
    found: dict[str, Any] = dict.fromkeys(parts) | dict(zip(given, made, strict=True))
    return GradientGrowth(
        **found,
        rate=growth_rate(found["products"]),
        tau=tau,
        warmup=warmup,
        cycles_observed=[standardiser.restore(cycle.observed) for cycle in found["cycles"]],
    )


def _cycles(
    model: LatentModel, state: torch.Tensor, order: int, settings: GradientsSettings
) -> list[Cycle]:
    return find_cycles(model, state, order, settings.starts, seed=settings.seed) if order else []


@torch.no_grad()
def _free_products(
    model: LatentModel,
    state: torch.Tensor,
    settings: GradientsSettings,
    s: torch.Tensor | None,
    tick: Tick,
) -> LogNorms:
    """Return products along orbits from their states after the transient; s (orbits, …, K)."""
    steps, transient = settings.steps, settings.transient
    if transient:
        _, state = model.rollout(state, transient, None if s is None else s[:, :transient])
    driven = None if s is None else s[:, transient : transient + steps]
    return jacobian_products(model, state, steps, max(1, steps // _POINTS), driven, tick=tick)


def growth_table(growth: GradientGrowth, variables: tuple[str, ...]) -> str:
    """Format the growth of the norms with T, then fixed points and cycles."""
    rate, exponent = (f"{v:.5g} ± {error:.2g}" for v, error in (growth.rate, growth.lambda_max))
    lines = [
        f"regime: {growth.regime}",
        f"growth of ln |dz_T/dz_1|: {rate} per step; lambda_max {exponent}",
    ]
    if growth.forced_products is not None:
        highest = growth.forced_products.values.max()
        warmed = f", each after a warm-up of {growth.warmup}" if growth.warmup else ""
        lines.append(
            f"forced every {growth.tau} steps{warmed}: ln |dz_T/dz_f| stays at or below "
            f"{highest:.3g}"
        )
    lines += ["", f"{'T':>7}  {'ln |dz_T/dz_1|':>15}  {'ln |dL_T|':>10}  {'forced':>10}"]
    mean, losses, forced = growth.products.values.mean(axis=0), growth.losses, growth.forced_losses
    for i, T in enumerate(losses.steps):
        at = np.abs(growth.products.steps - T).argmin()
        last = "" if forced is None else f"{forced.values[0, i]:.4g}"
        lines.append(f"{T:>7}  {mean[at]:>15.4g}  {losses.values[0, i]:>10.4g}  {last:>10}")
    if growth.cycles:
        place = ", ".join(variables)
        lines += ["", f"order  stability  |eigenvalues|, largest first; place ({place})"]
    for cycle, observed in zip(growth.cycles, growth.cycles_observed, strict=True):
        sizes = np.abs(cycle.eigenvalues)[:_EIGENVALUES]
        place = " → ".join("(" + ", ".join(f"{v:.4g}" for v in point) + ")" for point in observed)
        words = " ".join(f"{v:.4f}" for v in sizes)
        lines.append(f"{cycle.order:>5}  {cycle.stability:<9}  {words}; {place}")
    return "\n".join(lines)


def _curves(norms: LogNorms | None) -> dict[str, Any] | None:
    if norms is None:
        return None
    return {
        "T": norms.steps.tolist(),
        "values": [[word_or_number(v) for v in row] for row in norms.values.tolist()],
    }
