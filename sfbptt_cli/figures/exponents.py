"""Lyapunov exponents of a model, with those of its system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import Array
from sfbptt_cli.figures.axes import plain, with_unit
from sfbptt_cli.figures.style import GENERATED, SINGLE, TRUTH, laid_out, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_EXPONENTS = 30  # that stay legible in a column


class Exponents(NamedTuple):
    """Exponents, largest first, with standard errors, (K,) each; NaN or infinite: not known."""

    values: ArrayLike
    errors: ArrayLike

    def known(self, most: int) -> tuple[Array, Array, Array]:
        """Return index (from 1), value and twice the standard error of what can be drawn."""
        values = np.asarray(self.values, dtype=np.float64)[:most]
        errors = 2 * np.asarray(self.errors, dtype=np.float64)[:most]
        drawn = np.isfinite(values)
        errors[~np.isfinite(errors)] = 0
        index = np.arange(1, len(values) + 1, dtype=np.float64)
        return index[drawn], values[drawn], errors[drawn]


@style()
def exponents(model: Exponents, system: Exponents | None, unit: str, title: str = "") -> Figure:
    """Draw the exponents of a model and of its system, in `unit`, against their index."""
    figure = new_figure(SINGLE, 2.3)
    axes = figure.add_subplot(title=plain(title))
    draw_exponents(axes, model, system, most=MOST_EXPONENTS)
    axes.set_xlabel("index")
    axes.set_ylabel(plain(with_unit("Lyapunov exponent", unit)))
    figure.legend(loc="outside upper center", ncols=2)
    return laid_out(figure)


def draw_exponents(axes: Axes, model: Exponents, system: Exponents | None, most: int) -> None:
    """Draw at most `most` exponents with bars of twice their standard errors.

    The axis is linear up to the largest positive exponent and logarithmic beyond, as the most
    negative one is often a hundred times as large.
    """
    sets = [(model, GENERATED, "o", "reconstruction", 3.5, 2.0)]
    if system is not None:
        sets.append((system, TRUTH, "_", "system", 8.0, 1.5))
    shown = [exponents.known(most) for exponents, *_ in sets]
    for (index, value, error), (_, color, marker, label, size, zorder) in zip(
        shown, sets, strict=True
    ):
        look: dict[str, Any] = {"color": color, "markersize": size, "zorder": zorder}
        look |= {"elinewidth": 0.9, "capsize": 2, "markeredgewidth": 1.6 if marker == "_" else 1}
        axes.errorbar(index, value, error, fmt=marker, label=label, **look)
    axes.axhline(0, color="0.8", linewidth=0.5, zorder=0)
    values = np.concatenate([value for _, value, _ in shown])
    if not len(values):
        axes.text(0.5, 0.5, "none known", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    count = int(max(index.max(initial=1) for index, _, _ in shown))
    axes.set_xlim(0.4, count + 0.6)
    axes.locator_params("x", nbins=min(count, 6), integer=True, min_n_ticks=1)
    _scale(axes, values)


def _scale(axes: Axes, values: Array) -> None:
    """Set a symmetric logarithmic axis where exponents of very different size are drawn."""
    largest = float(values.max())
    unit = largest if largest > 0 else float(np.abs(values).min())
    if not (unit > 0 and values.min() < -4 * unit):
        axes.margins(y=0.15)
        return
    axes.set_yscale("symlog", linthresh=unit, linscale=1)
    low, high = float(values.min()), max(1.5 * unit, unit)
    axes.set_ylim(2 * low, high)
    round_unit = float(f"{largest:.1g}")
    decades = [-(10.0**k) for k in range(-6, 9) if unit * 2 < 10.0**k <= -1.9 * low]
    ticks = [*decades[-3:], 0.0, round_unit]
    axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.minorticks_off()
