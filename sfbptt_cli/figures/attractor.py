"""Truth and generation in state space, as seen from one side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import Array, correlation_steps, limits, matrix
from sfbptt_cli.figures.axes import plain
from sfbptt_cli.figures.style import GENERATED, NOTE, TRUTH, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_STEPS = 8_000  # drawn of one attractor; more is a solid blot
# The view of the still: turned about the third axis, seen from above by the tilt, in radians.
TURN, TILT = -0.9, 0.35
_MARGIN = 0.05
# Median length of a step, in extents of the attractor, beyond which points are not joined: those of
# a map, or of data sampled a few times a cycle.
_LONGEST_STEP = 0.2
_REST = 0.02  # of the picture: what moves less is drawn as a point
_ARM = 0.2  # length of the directions of variables, in sides of the picture
_SHORT_NAME = 4  # characters of a variable that stand in the name of a delay
_LONGEST_NAME = 14  # characters of a variable


class Mark(NamedTuple):
    """A point of a fixed point or cycle of the model."""

    place: Array  # (3,), shares of the view
    order: int  # 1 for a fixed point
    attracts: bool


class View(NamedTuple):
    """The box that an attractor is drawn in, which is that of the truth."""

    low: Array  # (1 to 3,), data units
    high: Array
    labels: tuple[str, ...]
    lag: int  # steps between the two axes of one variable, else 0
    joined: bool  # whether steps are joined by lines
    window: tuple[float, float, float, float]  # of the picture: left, right, bottom, top

    def place(self, series: Array) -> Array:
        """Return the points of series (T, N) as seen, (T − lag, 2), NaN where out of view."""
        return self._seen(_on_axes(series, self.lag))

    def place_cycle(self, points: Array) -> Array:
        """Return consecutive points of a cycle (order, N) as seen, (order, 2)."""
        if self.lag:  # after as many steps the model is as many points further on its cycle
            points = np.hstack([points, np.roll(points, -self.lag, axis=0)])
        return self._seen(points[:, :3])

    def _seen(self, points: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            share = (points - self.low) / (self.high - self.low)
            share[~((share >= 0) & (share <= 1)).all(axis=1)] = np.nan
        return self.project(share - 0.5)

    def widened(self, points: Sequence[Array]) -> View:
        """Return the view with points (2,) of the picture in its window, and room around them."""
        if not points:
            return self
        left, right, bottom, top = self.window
        (x0, y0), (x1, y1) = np.min(points, axis=0) - 0.05, np.max(points, axis=0) + 0.05
        window = min(left, x0), max(right, x1), min(bottom, y0), max(top, y1)
        return self._replace(window=window)

    def project(self, share: Array) -> Array:
        """Project points (n, 2 or 3), shares of the box from its middle, to the picture: (n, 2)."""
        flat = share.shape[1] == 2
        return np.stack(project(np.pad(share, ((0, 0), (0, int(flat)))), flat), axis=1)


def view_of(truth: ArrayLike, variables: Sequence[str], margin: float = _MARGIN) -> View:
    """Return the view of an attractor, from the truth (T, N) in data units.

    Three or more variables: the first three; two: the plane; one: x(t) against x(t + lag), the
    lag at which the autocorrelation of the truth falls to 1/e. What lies farther out than `margin`,
    in ranges of the truth, is out of view.
    """
    x, labels, lag = matrix(truth, variables), tuple(variables[:3]), 0
    if len(variables) == 1:
        lag = min(correlation_steps(x[:, 0]), max(1, len(x) // 2))
        name = labels[0] if len(labels[0]) <= _SHORT_NAME else "x"
        labels = (f"{name}(t)", f"{name}(t + {lag})")
    low, high = limits(_on_axes(x, lag), margin)
    steps = np.linalg.norm(np.diff(x[:, :3], axis=0) / (high - low)[: x.shape[1]], axis=1)
    steps = steps[np.isfinite(steps)]
    joined = not len(steps) or float(np.median(steps)) < _LONGEST_STEP
    view = View(low, high, labels, lag, joined, (0, 1, 0, 1))
    seen = view.place(x)
    left, bottom = map(float, np.nanmin(seen, axis=0))
    right, top = map(float, np.nanmax(seen, axis=0))
    # Room for the directions at the lower left.
    window = left - 0.1 * (right - left), right, bottom - 0.15 * (top - bottom), top
    return view._replace(window=window)


def _on_axes(series: Array, lag: int) -> Array:
    """Return the first three variables; with a lag, x(t), x(t + lag) of one, (T − lag, 2)."""
    return np.hstack([series[:-lag], series[lag:]]) if lag else series[:, :3]


def draw_attractor(axes: Axes, series: Array, view: View, color: str) -> None:
    """Draw a trajectory (T, N) in data units into axes without a frame, with names of the axes."""
    points = view.place(series)[:MOST_STEPS]
    look: dict[str, Any] = {"linewidth": 0.3} if view.joined else {"linestyle": ""}
    look |= {} if view.joined else {"marker": ".", "markersize": 1.2, "markeredgewidth": 0}
    axes.plot(*points.T, color=color, **look)
    left, right, bottom, top = view.window
    seen = points[np.isfinite(points).all(axis=1)]
    if len(seen) and np.ptp(seen, axis=0).max() < _REST * (top - bottom):
        axes.plot(*seen[-1], "o", color=color, markersize=3.5)  # a line that nobody sees
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_axis_off()
    _draw_directions(axes, view)


def _draw_directions(axes: Axes, view: View) -> None:
    """Draw the directions of the variables at the lower left, with their names."""
    left, right, bottom, top = view.window
    arms = _ARM * min(right - left, top - bottom) * view.project(np.eye(len(view.low)))
    corner = np.array([left, bottom]) - np.minimum(arms, 0).min(axis=0)
    for arm, label in zip(arms, view.labels, strict=True):
        axes.plot(*np.stack([corner, corner + arm], axis=1), color=NOTE, linewidth=0.7)
        name = label if len(label) <= _LONGEST_NAME else f"{label[: _LONGEST_NAME - 1]}…"
        up = abs(arm[1]) > abs(arm[0])
        aligned: dict[str, Any] = {"ha": "left" if len(name) > 2 or not up else "center"}
        aligned |= {"va": "bottom" if up else "center"}
        x, y = corner + 1.15 * arm
        axes.text(x, y, plain(name), color=NOTE, **aligned)


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
