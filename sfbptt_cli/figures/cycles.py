"""Fixed points and cycles of a model, in the picture of its attractor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sfbptt_cli.figures.arrays import Array, finite_part
from sfbptt_cli.figures.attractor import draw_attractor, view_of
from sfbptt_cli.figures.style import FLOOR_LINE, NOTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Fixed points lie beside the attractor as often as within it.
_MARGIN = 0.4
# Where all directions grow, none, or some: told apart in grey print.
_FILLS = {"stable": "full", "neutral": "right", "saddle": "left", "unstable": "none"}
_WORDS = {"saddle": "unstable (saddle)"}
_COLOR = "#0072B2"


class FoundCycle(NamedTuple):
    """A fixed point (one point) or a cycle of the model."""

    observed: Array  # (order, N), data units
    stability: str  # stable, neutral, saddle, unstable


def draw_cycles(
    axes: Axes,
    truth: Array,
    generated: Array,
    cycles: Sequence[FoundCycle],
    variables: Sequence[str],
) -> None:
    """Draw the free run (T, N) of a model in the view of the truth, and its cycles by name."""
    view = view_of(truth, variables, margin=_MARGIN)
    groups: dict[tuple[int, str], list[Array]] = {}
    for cycle in cycles:
        kind = len(cycle.observed), cycle.stability
        groups.setdefault(kind, []).append(view.place_cycle(cycle.observed))
    points = [point for places in groups.values() for place in places for point in place]
    seen = [point for point in points if np.isfinite(point).all()]
    view = view.widened(seen)
    run, _ = finite_part(generated)
    draw_attractor(axes, run if len(run) > view.lag else truth, view, FLOOR_LINE)
    for (order, stability), places in groups.items():
        look: dict[str, Any] = {"marker": "o" if order == 1 else "D", "color": _COLOR}
        look |= {"fillstyle": _FILLS[stability], "markerfacecoloralt": "white", "markersize": 5}
        label = f"{_count(len(places), order)}, {_WORDS.get(stability, stability)}"
        axes.plot(*np.concatenate(places).T, linestyle="", label=label, **look)
    if not groups:
        axes.plot([], [], linestyle="", label="no fixed point was found")
    if outside := len(points) - len(seen):
        axes.plot([], [], linestyle="", label=f"{outside} of {len(points)} points out of view")
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.03)}
    axes.legend(labelcolor=NOTE, fontsize=7, borderpad=0, handletextpad=0.3, **place)


def _count(number: int, order: int) -> str:
    what = "fixed point" if order == 1 else "cycle"
    of = "" if order == 1 else f" of {order}"
    return f"{number} {what}{'s' * (number > 1)}{of}"
