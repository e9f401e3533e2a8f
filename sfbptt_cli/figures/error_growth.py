"""How prediction errors grow after the data end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import Array
from sfbptt_cli.figures.axes import plain, tick_log_axis
from sfbptt_cli.figures.style import (
    GENERATED,
    LYAPUNOV,
    SINGLE,
    TRUTH,
    laid_out,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The part of the rise, from the first error to the highest, that the slope is drawn along.
_RISE = (0.2, 0.8)
_DIVERGED = math.log(1e3)


@style()
def error_growth(
    time: ArrayLike,
    mean_ln_error: ArrayLike,
    unit: str,
    rate: float | None,
    valid: float,
) -> Figure:
    """Draw the geometric mean of prediction errors against the time after the data.

    mean_ln_error (n,): mean over starts of ln(error / standard deviation of the truth); the curve
    ends where that is not finite, or an error of 10³, which no attractor allows. `rate` is λ_max of
    the system in 1 / `unit`, drawn as a slope; None where it is not known. `valid` is the median
    valid prediction time.
    """
    t, curve = np.asarray(time, dtype=np.float64), np.asarray(mean_ln_error, dtype=np.float64)
    broken = ~(curve < _DIVERGED)
    end = int(broken.argmax()) if broken.any() else len(curve)
    figure = new_figure(SINGLE, 2.4)
    axes = figure.add_subplot()
    note = "" if end == len(t) else f", diverges within {t[end]:.2g}"
    line = "o-" if end < 4 else "-"  # a lone point draws no line
    look: dict[str, Any] = {"color": GENERATED, "markersize": 3, "label": f"reconstruction{note}"}
    axes.plot(t[:end], np.exp(curve[:end]), line, **look)
    axes.set_xlim(0, max(float(t[min(end, len(t) - 1)]), valid if math.isfinite(valid) else 0.0))
    if rate is not None and rate > 0 and end > 1:
        slope, ends = _slope(t[:end], curve[:end], rate)
        name = r"slope $\lambda_\mathrm{max}$ of the system"
        axes.plot(slope, np.exp(ends), "--", color=TRUTH, label=name)
    axes.set_yscale("log")
    if end == 0:
        axes.set_ylim(0.1, 10)
    if math.isfinite(valid):
        axes.axvline(valid, color=LYAPUNOV, linewidth=0.8)
        text = f" median valid time {valid:.3g}"
        look = {"va": "bottom", "color": LYAPUNOV, "transform": axes.get_xaxis_transform()}
        axes.text(valid, 0.02, text, **look)
    tick_log_axis(axes)
    axes.set_xlabel(plain(f"time after the data ({unit})"))
    axes.set_ylabel("error / standard deviation")
    figure.legend(loc="outside upper center", ncols=1 if note else 2)
    return laid_out(figure)


def _slope(time: Array, curve: Array, rate: float) -> tuple[Array, Array]:
    """Return a line of slope `rate` through the middle of the rise of the curve."""
    low, high = curve[0], float(curve.max())
    first, last = (int(np.argmax(curve >= low + part * (high - low))) for part in _RISE)
    middle = (first + last) // 2
    level = float(np.interp(time[middle], time, curve))
    ends = time[middle] + np.array([-1, 1]) * 0.6 * max(high - low, 1.0) / rate
    ends = np.clip(ends, time[0], time[-1])
    return ends, level + rate * (ends - time[middle])
