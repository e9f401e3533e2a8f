"""Exploding gradients: Jacobian products and loss gradients against the time T."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import Array
from sfbptt_cli.figures.cycles import FoundCycle, draw_cycles
from sfbptt_cli.figures.style import (
    COLORS,
    DOUBLE,
    GENERATED,
    LYAPUNOV,
    TRUTH,
    new_figure,
    settled,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FREE, FORCED, FITTED, EXPONENT = GENERATED, LYAPUNOV, TRUTH, COLORS[2]

# Steps (points,) and natural logarithms of norms, (points,) or (orbits, points).
Growth = tuple[ArrayLike, ArrayLike]


class Attractor(NamedTuple):
    """The true and the free run (T, N) of a model, data units, and its cycles."""

    truth: Array
    generated: Array
    cycles: Sequence[FoundCycle]
    variables: Sequence[str]


@style()
def gradient_growth(
    products: Growth,
    losses: Growth,
    rate: float,
    lambda_max: float | None = None,
    *,
    forced_products: Growth | None = None,
    forced_losses: Growth | None = None,
    tau: int | None = None,
    title: str | None = None,
    attractor: Attractor | None = None,
) -> Figure:
    """Draw log10 ‖∂z_T/∂z_1‖ against T, and log10 ‖∂L_T/∂θ‖ against the window length T.

    `products` and `losses` hold steps and natural logarithms of norms of the free run, of one orbit
    or several; the forced ones those under forcing every `tau` steps. The fitted `rate` and
    `lambda_max`, natural logarithms per step, are drawn as slopes from the same start. Norms that
    are zero or not finite are gaps. `attractor`: a third panel, with the cycles of the model.
    """
    figure = new_figure(DOUBLE, 2.9)
    panels = list(figure.subplots(1, 2 if attractor is None else 3))
    left, right = panels[:2]
    every = "forced" if tau is None else rf"forced every $\tau$ = {tau} steps"
    t, free = _log10(products)
    _draw(left, t, free, FREE, "free", 0.7)
    if forced_products is not None:
        _draw(left, *_log10(forced_products), FORCED, every, 0.5)
    _slopes(left, t, free, rate, lambda_max)
    left.set_xlabel("T (steps)")
    left.set_ylabel(r"$\log_{10}\,\|\partial z_T/\partial z_1\|$")
    _draw(right, *_log10(losses), FREE, "free", 1.0, "o-")
    if forced_losses is not None:
        _draw(right, *_log10(forced_losses), FORCED, every, 1.0, "s-")
    right.set_xscale("log")
    right.set_xlabel("window length T (steps)")
    right.set_ylabel(r"$\log_{10}\,\|\partial L_T/\partial\theta\|$")
    for axes in (left, right):
        axes.axhline(0, color="0.8", linewidth=0.5, zorder=0)
    if attractor is not None:
        draw_cycles(panels[2], *attractor)
        panels[2].set_title("fixed points and cycles")
    figure.suptitle(title or "", x=0.02, ha="left")
    return settled(figure)


def _log10(growth: Growth) -> tuple[Array, Array]:
    """Return steps (points,) and decimal logarithms (orbits, points), NaN where infinite."""
    steps, values = (np.asarray(part, dtype=np.float64) for part in growth)
    values = np.atleast_2d(values)
    if values.ndim != 2 or values.shape[1:] != steps.shape:
        raise ValueError(f"shape {values.shape}: should be (orbits, {steps.size} points)")
    return steps, np.where(np.isfinite(values), values, np.nan) / math.log(10)


def _draw(
    axes: Axes, t: Array, values: Array, color: str, label: str, width: float, line: str = "-"
) -> None:
    """Draw a curve for each orbit, named once in the legend."""
    alpha = 1.0 if len(values) == 1 else 0.5
    for i, row in enumerate(values):
        name = label if i == 0 else None
        axes.plot(t, row, line, color=color, linewidth=width, markersize=3, alpha=alpha, label=name)


def _slopes(axes: Axes, t: Array, values: Array, rate: float, lambda_max: float | None) -> None:
    """Draw the fitted rate through the middle of the curves, and λ_max from its start."""
    curves = values[np.isfinite(values).all(axis=1)]
    if not (len(curves) and math.isfinite(rate)):
        return
    start, run = curves.mean() - rate / math.log(10) * (t.mean() - t[0]), t - t[0]
    lines = [(rate, "-", FITTED, "fitted"), (lambda_max, "--", EXPONENT, r"$\lambda_\mathrm{max}$")]
    for slope, dashes, color, name in lines:
        if slope is not None and math.isfinite(slope):
            label = f"{name}, {slope:#.3g} per step"
            axes.plot(t, start + slope / math.log(10) * run, dashes, color=color, label=label)
