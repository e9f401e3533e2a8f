"""Power spectra of truth and generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.arrays import Array, matrix
from sfbptt_cli.figures.axes import plain, tick_log_axis, with_unit
from sfbptt_cli.figures.style import DOUBLE, GENERATED, SINGLE, TRUTH, new_figure, settled, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SPECTRA = 6  # panels that stay legible on a page
_SHARE = 0.999  # of the power of the truth that is drawn


@style()
def spectra(
    frequencies: ArrayLike,
    truth: ArrayLike,
    generated: ArrayLike,
    variables: Sequence[str],
    frequency_unit: str,
    *,
    distances: Sequence[float] = (),
    columns: int = 3,
) -> Figure:
    """Draw power spectra of truth and generation (F, N), a panel for each of six variables.

    `frequencies` (F,) are in `frequency_unit`; the spectra are smoothed and sum to 1 over
    frequencies. An axis ends where 99.9% of the power of the truth is counted. `distances` are the
    D_H of the variables, for the titles. A row has at most `columns` panels; one column is drawn
    narrow.
    """
    f = np.asarray(frequencies, dtype=np.float64)
    p, q = matrix(truth, variables), matrix(generated, variables)
    shown = min(len(variables), MOST_SPECTRA)
    columns = min(shown, columns)
    rows = -(-shown // columns)
    figure = new_figure(SINGLE if columns == 1 else DOUBLE, 0.7 + 1.5 * rows)
    for i in range(shown):
        note = rf": $D_H$ = {distances[i]:.2g}" if len(distances) else ""
        if not (q[:, i] > 0).any():
            note = ": no power"
        axes = figure.add_subplot(rows, columns, i + 1, title=plain(variables[i]) + note)
        draw_spectrum(axes, f, p[:, i], q[:, i])
        tick_log_axis(axes)
    figure.supxlabel(plain(with_unit("frequency", frequency_unit)))
    figure.supylabel("share of power")
    return settled(figure, shown, len(variables))


def draw_spectrum(axes: Axes, f: Array, truth: Array, generated: Array) -> None:
    """Draw two spectra (F,) on the axis of the truth, down to its lowest value."""
    end = drawn_frequencies(truth)
    axes.semilogy(f[:end], truth[:end], color=TRUTH, label="truth")
    floor = axes.get_ylim()[0]
    axes.semilogy(f[:end], generated[:end], color=GENERATED, label="reconstruction")
    axes.set_ylim(bottom=floor)


def drawn_frequencies(power: Array) -> int:
    """Return how many frequencies, from the lowest, hold 99.9% of `power` (F,)."""
    counted = np.cumsum(np.nan_to_num(power))
    return int(np.sum(counted < _SHARE * counted[-1])) + 1
