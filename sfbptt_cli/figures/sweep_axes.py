"""The axes of a sweep: τ along, a metric up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_TAU_TICKS, _TICK_DISTANCE = 9, 0.075  # the latter in widths of the axis


class Scale(NamedTuple):
    """The axis of a metric."""

    log: bool
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()  # by default those that suit the range


def tau_ticks(taus: Sequence[float], low: float, high: float) -> list[float]:
    """Return the intervals of the runs as ticks of a logarithmic axis from `low` to `high`.

    An interval too near to the last tick is left out. Empty where there are so many that round
    numbers are easier to read.
    """
    kept: list[float] = []
    far = _TICK_DISTANCE * math.log(high / low)
    for tau in sorted(set(taus)) if len(set(taus)) <= _MOST_TAU_TICKS else ():
        if not kept or math.log(tau / kept[-1]) >= far:
            kept.append(tau)
    return kept


def limit_tau(axes: Axes, taus: Sequence[float], tau_predicted: float | None) -> None:
    """Leave room on both sides of the intervals, and set ticks that suit the range."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

    shown = [*taus, *([tau_predicted] if tau_predicted else [])]
    low, high = (min(shown), max(shown)) if shown else (1.0, 100.0)
    room = 1.25 if high > 2 * low else 2.0
    low, high = low / room, high * room
    axes.set_xlim(low, high)
    few = high > 300 * low  # otherwise the labels of a narrow panel touch
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1, 2, 5)))
    if ticks := tau_ticks(taus, low, high):
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def scale_of(centres: Sequence[float], ends: Sequence[float], may_be_log: bool) -> Scale:
    """Return a logarithmic axis above a decade of centres where it is allowed, else a linear one.

    All finite `ends` are within it, but those that a logarithm does not have.
    """
    known = [value for value in centres if math.isfinite(value)]
    if not known:
        return Scale(False, 0, 1)
    low, high = min(known), max(known)
    log = may_be_log and low > 0 and high > 10 * low
    ends = [end for end in ends if math.isfinite(end)]
    low, high = min([low, *(end for end in ends if end > 0 or not log)]), max([high, *ends])
    if log:
        return Scale(True, low / 1.5, high * 1.5)
    reach = max(high - min(0.0, low), 1e-12)
    return Scale(False, min(0.0, low) - 0.02 * reach, high + 0.15 * reach)


def bounded_scale(low: float, high: float, values: Sequence[float]) -> Scale:
    """Return a linear axis from `low` to `high`, whose ends say where values lie beyond them."""
    ticks = {low + 0.5 * k: f"{low + 0.5 * k:g}" for k in range(1 + round(2 * (high - low)))}
    known = [value for value in values if not math.isnan(value)]
    if known and min(known) < low:
        ticks[low] = f"≤ {low:g}"
    if known and max(known) > high:
        ticks[high] = f"≥ {high:g}"
    named = tuple((at, name.replace("-", "−")) for at, name in ticks.items())
    room = 0.06 * (high - low)
    return Scale(False, low - room, high + room, named)


def set_scale(axes: Axes, scale: Scale) -> None:
    """Scale the axis of a metric; ticks suit the range."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if scale.log:
        axes.set_yscale("log")
        few = scale.high > 300 * scale.low
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1, 3)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    if scale.ticks:
        axes.set_yticks(*zip(*scale.ticks, strict=True))
    axes.set_ylim(scale.low, scale.high)
