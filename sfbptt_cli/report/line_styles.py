"""What the sweep on paper and on the page share: colours and markers of lines, ticks of τ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from sfbptt_cli.report.panels import Panel

# Okabe-Ito but for its yellow, which white paper swallows; told apart by colour-blind readers.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
# Of matplotlib; the page draws circles and tells more lines apart by their names.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# SVG dashes of the levels without τ; matplotlib takes them as (0, …).
DASHES = ((5, 2), (1, 1.5), (6, 1.5, 1, 1.5), (3, 1))


_MOST_TAU_TICKS, _TICK_DISTANCE = 9, 0.075  # the latter in widths of the axis


class LineStyle(NamedTuple):
    """Indices into COLORS and MARKERS (equal), and DASHES: None for a line over τ."""

    color: int
    dash: int | None


def line_styles(panels: Sequence[Panel]) -> dict[str, LineStyle]:
    """The style of every label: a level without τ has the colour of its model's first line."""
    series = sorted((s for panel in panels for s in panel.series), key=lambda s: not s.swept)
    styles: dict[str, LineStyle] = {}
    of_model: dict[str, int] = {}
    dashes: dict[str, int] = {}
    colors = 0
    for one in series:
        if one.label in styles:
            continue
        color = None if one.swept else of_model.get(one.model)
        if color is None:
            color, colors = colors % len(COLORS), colors + 1
            of_model.setdefault(one.model, color)
        dash = None
        if not one.swept:
            dash = dashes[one.model] = dashes.get(one.model, -1) + 1
            dash %= len(DASHES)
        styles[one.label] = LineStyle(color, dash)
    return styles


def tau_ticks(panel: Panel, low: float, high: float) -> list[int]:
    """The intervals of the runs as ticks of a logarithmic axis from `low` to `high`.

    Those too near to the one before are left out; none where there are so many that round numbers
    read better.
    """
    taus = sorted({group.tau for group in panel.groups if group.tau is not None})
    if len(taus) > _MOST_TAU_TICKS:
        return []
    kept: list[int] = []
    for tau in taus:
        far = _TICK_DISTANCE * math.log(high / low)
        if not kept or math.log(tau / kept[-1]) >= far:
            kept.append(tau)
    return kept
