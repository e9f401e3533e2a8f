"""One run in one row: attractor, series, spectrum and Lyapunov exponents of truth and model."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sfbptt_cli.figures.arrays import Array, finite_part, framed
from sfbptt_cli.figures.attractor import draw_attractor, view_of
from sfbptt_cli.figures.axes import plain, tick_log_axis
from sfbptt_cli.figures.exponents import Exponents, draw_exponents
from sfbptt_cli.figures.spectra import draw_spectrum
from sfbptt_cli.figures.style import DOUBLE, GENERATED, TRUTH, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SERIES = 3  # variables drawn against time
_MOST_EXPONENTS = 5
# Inches. Fixed, so that the same panel is as large in every run's summary.
_HEIGHT, _TOP, _BOTTOM, _BETWEEN = 2.35, 1.76, 0.42, 0.08
_PLACES = {
    "truth": (0.06, 1.42),
    "generated": (1.52, 2.88),
    "series": (3.14, 4.50),
    "spectrum": (4.94, 5.74),
    "exponents": (6.20, 6.74),
}
_LONGEST_NAME = 12  # characters of a variable's name beside its series


class Series(NamedTuple):
    """A stretch of truth and generation from the same start."""

    time: Array  # (steps,), in `unit`
    truth: Array  # (steps, N), data units
    generated: Array
    unit: str


class Spectra(NamedTuple):
    """Power spectra of the first variable, of sum 1."""

    frequencies: Array  # (F,), in `unit`
    truth: Array  # (F,)
    generated: Array
    unit: str


@style()
def summary(
    truth: Array,
    generated: Array,
    series: Series,
    spectra: Spectra,
    model: Exponents,
    system: Exponents | None,
    exponent_unit: str,
    variables: Sequence[str],
    title: str,
    notes: Mapping[str, str],
) -> Figure:
    """Draw what a free run of a model has in common with the truth, at the width of a page.

    truth, generated: (T, N), settled, in data units. `title` says result, dynamics and model.
    `notes` are words for the panels `attractor`, `spectrum` and `exponents`: the distances with
    their floors, and λ_max of model and system.
    """
    figure = new_figure(DOUBLE, _HEIGHT)
    figure.suptitle(plain(title), y=0.99)
    shown = min(len(variables), MOST_SERIES)
    clouds = [_add_axes(figure, panel) for panel in ("truth", "generated")]
    _draw_clouds(clouds, truth, generated, variables, notes.get("attractor", ""))
    rows = [_add_axes(figure, "series", i, shown) for i in range(shown)]
    _draw_series(rows, series, variables)
    axes = _add_axes(figure, "spectrum")
    name = f"spectrum of {variables[0]}" if len(variables) > 1 else "spectrum"
    _entitle(axes, plain(_cut(name, 18)), notes.get("spectrum", ""))
    draw_spectrum(axes, spectra.frequencies, spectra.truth, spectra.generated)
    tick_log_axis(axes)
    axes.set_xlabel(plain(f"frequency ({spectra.unit})"))
    axes.locator_params("x", nbins=2)
    axes = _add_axes(figure, "exponents")
    largest, _, note = notes.get("exponents", "exponents").partition("\n")
    _entitle(axes, largest, note, right=True)
    draw_exponents(axes, model, system, _MOST_EXPONENTS)
    axes.set_xlabel("index")
    axes.set_ylabel(plain(f"λ ({exponent_unit})"), labelpad=1)
    return figure


def _add_axes(figure: Figure, panel: str, row: int = 0, rows: int = 1) -> Axes:
    """Add the axes of a panel, or of a row of it, at their place in inches."""
    left, right = _PLACES[panel]
    height = (_TOP - _BOTTOM - (rows - 1) * _BETWEEN) / rows
    bottom = _TOP - height - row * (height + _BETWEEN)
    return figure.add_axes(
        (left / DOUBLE, bottom / _HEIGHT, (right - left) / DOUBLE, height / _HEIGHT)
    )


def _draw_clouds(
    pair: Sequence[Axes], truth: Array, generated: Array, variables: Sequence[str], note: str
) -> None:
    view = view_of(truth, variables)
    finite, words = finite_part(generated)
    drawn = ((truth, TRUTH, "truth"), (finite, GENERATED, "reconstruction"))
    for axes, (points, color, name) in zip(pair, drawn, strict=True):
        draw_attractor(axes, points, view, color)
        _entitle(axes, name, note if color == GENERATED else "", color=color)
    place = view.place(finite)
    outside = float(np.isnan(place).any(axis=1).mean()) if len(place) else 0.0
    words = [word.replace("after ", "after\n") for word in words[1:]]
    words += [f"{100 * outside:.3g}%\nout of view"] if outside else []
    look: dict[str, Any] = {"ha": "right", "va": "bottom", "transform": pair[1].transAxes}
    pair[1].text(1, 0, "\n".join(words), color=GENERATED, **look)


def _draw_series(rows: Sequence[Axes], series: Series, variables: Sequence[str]) -> None:
    """Draw truth and generation of the first variables, on the axes of the truth."""
    generated, bottom, top, _ = framed(series.truth, series.generated)
    for i, axes in enumerate(rows):
        axes.plot(series.time, series.truth[:, i], color=TRUTH)
        axes.plot(series.time[: len(generated)], generated[:, i], color=GENERATED)
        axes.set_ylim(bottom[i], top[i])
        axes.set_yticks([])
        name = textwrap.shorten(variables[i], 40, placeholder="…")
        axes.set_ylabel(plain(_cut(name, _LONGEST_NAME)))
        axes.tick_params(labelbottom=axes is rows[-1])
    more = len(variables) - len(rows)
    _entitle(rows[0], "series", f"{len(rows)} of {len(variables)} variables" if more else "")
    rows[-1].set_xlabel(plain(f"time ({series.unit})"))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _entitle(axes: Axes, name: str, note: str, color: str = "black", right: bool = False) -> None:
    """Put a name and a line of numbers above axes; names of a row stand on one line.

    `right`: they end near the right end of the axes, at which nothing else follows.
    """
    look: dict[str, Any] = {"ha": "right" if right else "center", "va": "bottom", "color": color}
    look |= {"xycoords": "axes fraction", "textcoords": "offset points"}
    for text, up, size in ((name, 14, 8), (note, 3, 7)):
        place = ((1, 1), (7, up)) if right else ((0.5, 1), (0, up))
        axes.annotate(text, *place, fontsize=size, **look)
