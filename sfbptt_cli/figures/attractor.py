"""Truth and generation in state space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import Array, correlation_steps, finite_part, limits, matrix
from sfbptt_cli.figures.axes import plain, with_units
from sfbptt_cli.figures.style import DOUBLE, GENERATED, TRUTH, new_figure, settled, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_STEPS = 20_000  # drawn of one attractor; more is a solid blot
# The view of the still: turned about the third axis, seen from above by the tilt, in radians.
TURN, TILT = -0.9, 0.35


class Mark(NamedTuple):
    """A point of a fixed point or cycle of the model."""

    place: Array  # (3,), shares of the view
    order: int  # 1 for a fixed point
    attracts: bool


@style()
def attractor(
    truth: ArrayLike,
    generated: ArrayLike,
    variables: Sequence[str],
    title: str | None = None,
    *,
    units: Sequence[str] = (),
    lag: int | None = None,
) -> Figure:
    """Draw truth (T, N) and free generation (S, N) in state space, on the axes of the truth.

    Values are in data units, named by `units`. Three or more variables: the first three; two: the
    plane; one: x(t) against x(t + lag), `lag` in steps, by default where the autocorrelation of the
    truth falls to 1/e. A panel names the step of divergence and the share out of view.
    """
    x, labels = matrix(truth, variables), with_units(variables, units)
    y, words = finite_part(matrix(generated, variables))
    if len(variables) == 1:
        lag = lag or correlation_steps(x[:, 0])
        labels.append(f"{labels[0]}, {lag} step{'s' * (lag != 1)} later")
        x, y = (np.hstack([series[:-lag], series[lag:]]) for series in (x, y))
    x, y, labels = x[:, :3], y[:, :3], labels[:3]
    low, high = limits(x, margin=0.05)
    outside = ((y < low) | (y > high)).any(axis=1)
    if outside.any():
        words.append(f"{100 * outside.mean():.3g}% of the points are out of view")
    y[outside] = np.nan  # 3-D axes do not clip by themselves
    figure = new_figure(DOUBLE, 3.2)
    panels = ((x, TRUTH, "truth"), (y, GENERATED, "\n".join(words)))
    for i, (points, color, text) in enumerate(panels):
        axes = _state_space(figure, 1 + i, labels, low, high)
        axes.plot(*points[:MOST_STEPS].T, color=color, linewidth=0.3)
        axes.set_title(text, color=color, pad=6 if len(labels) == 2 else -8)
    figure.suptitle(plain(title or ""))
    return settled(figure, right=0.98)  # the layout overlooks the label of a z axis


@style()
def still(truth: Array, generated: Array, marks: Sequence[Mark], flat: bool) -> Figure:
    """Draw two clouds side by side without axes, for a page on which nothing rotates.

    `truth` and `generated` (n, 3) are shares of the view, 0 to 1, NaN a gap. `flat`: the first two
    coordinates are drawn as they are. A mark is a circle for a fixed point and a diamond for a
    point of a cycle, filled where it attracts.
    """
    figure = new_figure(3.6, 1.9)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 360), ylim=(0, 190))
    axes.set_axis_off()
    for points, color, middle in ((truth, TRUTH, 90), (generated, GENERATED, 270)):
        across, up = project(points - 0.5, flat)
        axes.plot(middle + 190 * across, 95 + 190 * up, color=color, linewidth=0.35)
    for mark in marks:
        across, up = project(mark.place[None] - 0.5, flat)
        look: dict[str, Any] = {"color": "black", "markersize": 4.5}
        look |= {"markerfacecolor": "black" if mark.attracts else "white"}
        axes.plot(270 + 190 * across, 95 + 190 * up, "o" if mark.order == 1 else "D", **look)
    return figure


def project(points: Array, flat: bool = False) -> tuple[Array, Array]:
    """Project points (n, 3), seen from (TURN, TILT), or their first two axes if `flat`."""
    x, y, z = points.T
    if flat:
        return x, y
    across = x * math.cos(TURN) - y * math.sin(TURN)
    away = x * math.sin(TURN) + y * math.cos(TURN)
    return across, z * math.cos(TILT) - away * math.sin(TILT)


def _state_space(figure: Figure, i: int, labels: Sequence[str], low: Array, high: Array) -> Axes:
    """Add axes from `low` to `high`, (2,) or (3,): a plane for two labels, a space for three."""
    space = len(labels) == 3
    view: dict[str, Any] = {"projection": "3d", "elev": 15, "azim": -55} if space else {}
    axes: Any = figure.add_subplot(1, 2, i, **view)
    for name, label, *ends in zip("xyz", labels, low, high, strict=False):
        axes.set(**{f"{name}label": plain(label), f"{name}lim": ends})
    axes.locator_params(nbins=6 - space)
    axes.ticklabel_format(scilimits=(-2, 4), useMathText=True)
    if space:
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color("white")
            axis.labelpad = -6
        axes.tick_params(pad=-1)
        axes.set_box_aspect((1, 1, 0.85), zoom=1.15)
        axes.set_anchor((0.25, 0.5))  # room for the labels on the right
    return axes
