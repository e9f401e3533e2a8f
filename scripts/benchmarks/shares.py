"""How many systems come how near: shares of the tables of `systems`, and their figure."""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.systems import OUT as OUT
from benchmarks.systems import distance, label, read, shares

HELP = "how many systems come how near to the floor, from the tables of scripts/benchmark systems"
# Times the floor: bounds of the verdicts, and the ends of the axis.
_RECONSTRUCTED, _IN_PART, _ENDS = 2.0, 10.0, (0.5, 100.0)
Rows = list[dict[str, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tables", nargs="+", default=["systems"], help="CSV files in --out")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Group the runs by half, model, τ and noise, and draw the distances of each group."""
    groups: dict[str, Rows] = defaultdict(list)
    for name in arguments.tables:
        for row in read(arguments.out / f"{name}.csv"):
            groups[f"{row['half']} half, {label(row)}"].append(row)
    _draw(groups, arguments.out)
    return {name: shares(rows) for name, rows in groups.items()}


def _draw(groups: dict[str, Rows], folder: Path) -> None:
    from sfbptt_cli.figures import style as figure_style

    with figure_style.style():
        figure = figure_style.new_figure(figure_style.DOUBLE / 2, figure_style.DOUBLE / 2)
        axes = figure.subplots()
        for bound in (_RECONSTRUCTED, _IN_PART):
            axes.axvline(bound, linestyle=":", color=figure_style.NOTE)
        for (label, rows), colour in zip(groups.items(), cycle(figure_style.COLORS), strict=False):
            ratios = np.sort([min(_ENDS[1] * 2, distance(row)) for row in rows])
            steps = np.arange(len(ratios) + 1) / len(ratios)
            axes.step([0, *ratios], 100 * steps, where="post", color=colour, label=label)
        axes.set(
            xscale="log",
            xlim=_ENDS,
            ylim=(0, 100),
            xlabel="D_stsp / floor, chaotic models",
            ylabel="systems within (%)",
        )
        axes.legend(loc="lower right")
        figure_style.save(figure_style.laid_out(figure), folder, "shares")


def lines(result: dict[str, Any]) -> list[str]:
    """What each group reaches."""
    return [f"{name}: {told}" for name, told in result.items()]
