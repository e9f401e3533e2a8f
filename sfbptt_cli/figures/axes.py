"""Labels and ticks of axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Highest over lowest value of an axis; in a narrower one, ticks of six digits are alike.
_NARROWEST = 1.001
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(text: str) -> str:
    """Escape dollar signs: a name is no formula.

    Escape whole lines only, as a line break might part an escape.
    """
    return text.replace("$", r"\$")


def with_unit(name: str, unit: str) -> str:
    """Add a unit in brackets, but to a dimensionless name."""
    return name if unit in ("", "dimensionless") else f"{name} ({unit})"


def tick_log_axis(axes: Axes) -> None:
    """Set ticks that suit the range: below two decades powers of ten alone are too few."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    axis, (low, high) = axes.yaxis, axes.get_ylim()
    if high < _NARROWEST * low:
        axes.set_ylim(low / _NARROWEST, high * _NARROWEST)
    if high < 100 * low:
        axis.set_major_locator(MaxNLocator(4) if high < 8 * low else LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
    else:
        # As characters: formulas take several times as long to draw.
        axis.set_major_formatter(_power_of_ten)
    axis.set_minor_locator(NullLocator())  # tens of small ticks take most of the time


def _power_of_ten(value: float, _: float) -> str:
    return f"10{str(round(math.log10(value))).translate(_RAISED)}" if value > 0 else "0"
