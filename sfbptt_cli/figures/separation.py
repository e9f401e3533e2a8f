"""The separation of neighbours behind an exponent from data, with the part that was fitted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sfbptt_cli.common.numbers import singular
from sfbptt_cli.figures.axes import plain
from sfbptt_cli.figures.style import GENERATED, LYAPUNOV, SINGLE, TRUTH, laid_out, new_figure, style
from sfbptt_cli.lyapunov.from_data import DataExponent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style()
def separation(found: DataExponent, dt: float, time_unit: str, name: str) -> Figure:
    """Draw the mean log distance of neighbours against time, and the fitted slopes.

    `dt` is in time units. Lines through the middle of the fitted window have the slopes of the
    estimate and of both ends of its range.
    """
    time_unit, name = plain(time_unit), plain(name)
    steps, curve = found.curve
    figure = new_figure(SINGLE, 2.6)
    axes = figure.add_subplot()
    axes.plot(dt * steps, curve, color=TRUTH, label="neighbours")
    if found.fit is not None and math.isfinite(found.value):
        first, last = found.fit
        inside = (steps >= first) & (steps <= last)
        time, level = dt * steps[inside], float(curve[inside].mean())
        middle = float(time.mean())
        label = f"λ = {found.value:.3g} per {singular(time_unit)}"
        axes.plot(time, level + found.value * (time - middle), color=GENERATED, label=label)
        bounds = [level + slope * (time - middle) for slope in (found.low, found.high)]
        low, high = np.minimum(*bounds), np.maximum(*bounds)
        between = f"{found.low:.3g} to {found.high:.3g}"
        axes.fill_between(time, low, high, color=GENERATED, alpha=0.25, linewidth=0, label=between)
        axes.axvspan(dt * first, dt * last, color=LYAPUNOV, alpha=0.08, linewidth=0)
    axes.set_xlabel(f"time after neighbours ({time_unit})")
    axes.set_ylabel("mean ln distance (standard deviations)")
    axes.set_title(name if found.chaotic else f"{name}: no chaos shown")
    axes.legend(loc="lower right")
    return laid_out(figure)
