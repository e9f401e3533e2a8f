"""The separation of neighbours behind an exponent from data, with the part that was fitted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sfbptt_cli.common.numbers import singular
from sfbptt_cli.figures.axes import plain
from sfbptt_cli.figures.style import GENERATED, LYAPUNOV, SINGLE, TRUTH, laid_out, new_figure, style
from sfbptt_cli.lyapunov.from_data import DataExponent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style()
def separation(found: DataExponent, dt: float, time_unit: str, name: str) -> Figure:
    """Draw the mean log distance of neighbours against time, and the fitted slopes.

    `dt` is in time units. Lines through the middle of the fitted window have the slopes of the
    estimate and of both ends of its range.
    """
    time_unit, name = plain(time_unit), plain(name)
    figure = new_figure(SINGLE, 2.6)
    axes = figure.add_subplot()
    draw_separation(axes, found, dt, singular(time_unit))
    axes.set_xlabel(f"time after neighbours ({time_unit})")
    axes.set_ylabel("mean ln distance (standard deviations)")
    axes.set_title(name if found.chaotic else f"{name}: no chaos shown")
    axes.legend(loc="lower right")
    return laid_out(figure)


def draw_separation(axes: Axes, found: DataExponent, dt: float, unit: str = "") -> None:
    """Draw the curve and the fitted slope; with a `unit` of time, also its range, for a legend."""
    steps, curve = found.curve
    axes.plot(dt * steps, curve, color=TRUTH, label="neighbours")
    if found.fit is None or not math.isfinite(found.value):
        return
    first, last = found.fit
    inside = (steps >= first) & (steps <= last)
    time, level = dt * steps[inside], float(curve[inside].mean())
    middle = float(time.mean())
    label = f"λ = {found.value:.3g} per {unit}"
    axes.plot(time, level + found.value * (time - middle), color=GENERATED, label=label)
    if unit:
        bounds = [level + slope * (time - middle) for slope in (found.low, found.high)]
        label = f"{found.low:.3g} to {found.high:.3g}"
        look: dict[str, Any] = {"color": GENERATED, "alpha": 0.25, "linewidth": 0, "label": label}
        axes.fill_between(time, np.minimum(*bounds), np.maximum(*bounds), **look)
    axes.axvspan(dt * first, dt * last, color=LYAPUNOV, alpha=0.08, linewidth=0)
