"""The axes of the sweep figure."""

from __future__ import annotations

import math

import pytest

from sfbptt_cli.figures.sweep import Band, Column, Line, Panel, Point, sweep
from sfbptt_cli.figures.sweep_axes import tau_ticks


def figure_of(taus: list[float], centres: list[float], may_be_log: bool = True) -> Column:
    points = tuple(Point(t, c, c, c, False) for t, c in zip(taus, centres, strict=True))
    panel = Panel("D", (Line("LSTM", 0, None, points),), Band(1.0, 0.9, 1.1), may_be_log)
    return Column("", (panel,), None)


def test_the_intervals_of_the_runs_are_the_ticks() -> None:
    taus = [5.0, 30.0, 31.0, 60.0, 100.0]
    assert tau_ticks(taus, 4, 120) == [5, 30, 60, 100]
    assert tau_ticks(taus, 1, 20_000) == [5, 30, 100]
    axes = sweep([figure_of(taus, 5 * [1.0])]).axes[0]
    assert list(axes.get_xticks()) == [5, 30, 60, 100]
    assert tau_ticks([*taus, *range(6, 20)], 4, 120) == [], "round numbers instead"


@pytest.mark.parametrize(
    ("highest", "may_be_log", "scale"),
    [
        (20.0, True, "log"),
        (5.0, True, "linear"),
        (20.0, False, "linear"),
        (math.inf, True, "linear"),
    ],
)
def test_more_than_a_decade_has_a_logarithmic_axis(
    highest: float, may_be_log: bool, scale: str
) -> None:
    axes = sweep([figure_of([10.0, 20.0], [1.0, highest], may_be_log)]).axes[0]
    assert axes.get_yscale() == scale


def test_nothing_to_draw_leaves_empty_axes() -> None:
    panel = Panel("D", (Line("LSTM", 0, None, ()),), None, True)
    assert sweep([Column("", (panel,), None)]).axes[0].get_xlim() == pytest.approx((0.8, 125))
