"""Truth and generation from the same start, against time."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import framed, matrix
from sfbptt_cli.figures.axes import plain, with_unit
from sfbptt_cli.figures.style import (
    DOUBLE,
    GENERATED,
    LYAPUNOV,
    TRUTH,
    new_figure,
    settled,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 10  # panels that stay legible on a page


@style()
def time_series(
    time: ArrayLike,
    truth: ArrayLike,
    generated: ArrayLike,
    variables: Sequence[str],
    time_unit: str,
    lyapunov_time: float | None = None,
    *,
    width: float = DOUBLE,
) -> Figure:
    """Draw truth and generation (steps, N) from the same state, a row for each of ten variables.

    `time` (steps,) and `lyapunov_time` are in `time_unit`, values in data units.
    Vertical lines and the axis on top count Lyapunov times. `width` is in inches.
    """
    t, x = np.asarray(time, dtype=np.float64), matrix(truth, variables)
    y, bottom, top, words = framed(x, matrix(generated, variables))
    shown = min(len(variables), MOST_ROWS)
    figure = new_figure(width, 0.9 + 0.7 * shown)
    panels = list(figure.subplots(shown, 1, sharex=True, squeeze=False)[:, 0])
    for i, (axes, label) in enumerate(zip(panels, variables, strict=False)):
        axes.plot(t, x[:, i], color=TRUTH, label="truth")
        axes.plot(t[: len(y)], y[:, i], color=GENERATED, label=", ".join(words))
        axes.set_ylim(bottom[i], top[i])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylabel(plain(textwrap.fill(label, 12)), rotation=0, ha="right", va="center")
    panels[-1].set_xlabel(plain(with_unit("time", time_unit)))
    if lyapunov_time is not None and 0 < lyapunov_time <= t[-1] - t[0]:
        _count_lyapunov_times(panels, t[0], t[-1], lyapunov_time)
    return settled(figure, shown, len(variables))


def _count_lyapunov_times(panels: Sequence[Axes], start: float, end: float, unit: float) -> None:
    """Mark round multiples of the Lyapunov time `unit` in every panel and on top."""
    count = (end - start) / unit
    step = next(n * 10**k for k in range(99) for n in (1, 2, 5) if count <= 14 * n * 10**k)
    ticks = np.arange(0, count, step)
    for axes in panels:
        for tick in start + unit * ticks[1:]:
            axes.axvline(tick, color=LYAPUNOV, linewidth=0.6, alpha=0.5, zorder=0)
    top = panels[0].twiny()
    top.set(xticks=ticks, xlim=[(x - start) / unit for x in panels[0].get_xlim()])
    top.set_xlabel("Lyapunov times", color=LYAPUNOV)
    top.tick_params(colors=LYAPUNOV)
