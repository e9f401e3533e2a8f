"""The card of one run on the page, as values for the template."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import yaml
from markupsafe import Markup
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.numbers import number_text, singular
from sfbptt_cli.experiment.repeat import repeat_command
from sfbptt_cli.figures.attractor import Mark, still
from sfbptt_cli.figures.spectra import drawn_frequencies, spectra
from sfbptt_cli.figures.style import SINGLE
from sfbptt_cli.figures.svg import inline_svg
from sfbptt_cli.figures.time_series import time_series
from sfbptt_cli.figures.training_curve import CURVES, training_curve
from sfbptt_cli.metrics.spectrum import power_spectrum
from sfbptt_cli.models.settings import MODEL_LABELS
from sfbptt_cli.report.cloud import Attractor, attractor, decode_share, encode
from sfbptt_cli.report.collection import RunRecord, Skipped, reason_of
from sfbptt_cli.report.measurements import METRICS
from sfbptt_cli.storage.model_dynamics import (
    Gradients,
    ModelCycle,
    read_gradients,
    read_spectrum,
)
from sfbptt_cli.storage.trajectories import SCHEMA, read_trajectories

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Curves = tuple[Array, Array, Array]  # x (n,), and truth and generation (n, variable)

MOST_VARIABLES = 3  # drawn as series and spectra
# The stretch of time series, in Lyapunov times, or steps where λ_max is unknown; and at most.
_STRETCH_LYAPUNOV_TIMES, _STRETCH_STEPS, _LONGEST_STRETCH = 10, 1_000, 4_000
_SERIES_POINTS, _SPECTRUM_POINTS, _EPOCHS = 1_000, 250, 500  # kept for a picture
_STILL = 1_600  # points of the attractor that stands still
_SHORT = ("d_stsp", "d_h", "lambda_max")  # in the line of a folded card
_MOST_CYCLES = 12  # in the table, and marked in the attractor


class Drawn(NamedTuple):
    """What is drawn of trajectories.h5."""

    variables: tuple[str, ...]
    time_unit: str
    lyapunov_time: float | None
    attractor: Attractor
    series: Curves
    spectra: Curves


def card(kind: str, run: RunRecord, identifier: str) -> tuple[dict[str, Any], list[Skipped]]:
    """Return what the template needs of the best, median or worst run, and what cannot be read.

    `identifier` is unique on the page. Pictures are drawn at once, and nothing of the trajectories
    is kept: a page has many runs, whose files are large.
    """
    skipped: list[Skipped] = []

    def read(file: str, reader: Callable[[], Any]) -> Any:
        try:
            return reader()
        except (RequestError, KeyError, ValueError, TypeError, IndexError) as error:
            reason = f"not drawn: {reason_of(error, run.folder.path)}"
            skipped.append(Skipped(f"{run.label}/{file}", reason))
            return None

    folder = run.folder
    history = read("metrics.csv", lambda: thinned_history(folder.history()))
    drawn: Drawn | None = read("trajectories.h5", lambda: drawn_of(run))
    view, names = (drawn.attractor, drawn.variables) if drawn else (None, ())
    known = len(names) or None
    gradients: Gradients | None = read("gradients.json", lambda: read_gradients(folder.path, known))
    cycles = _shown_cycles(gradients.cycles) if gradients else []
    marks = _marks(view, cycles) if view else []
    found = (
        f"{METRICS[m]} {number_text(run.metrics[m].value)}" for m in _SHORT if m in run.metrics
    )
    shown = {
        "id": identifier,
        "kind": kind,
        "run": run,
        "model": MODEL_LABELS.get(run.model, run.model),
        "outcome": ", ".join(filter(None, [run.result, run.dynamics, *found])),
        "pictures": _pictures(drawn, marks, history, identifier),
        "cloud": _cloud(view, marks) if view else None,
        "view": view,
        "variables": names,
        "marks": Counter((mark.order > 1, mark.attracts) for mark in marks),
        "spectrum": read("lyapunov.json", lambda: read_spectrum(folder.path)),
        "gradients": gradients,
        "cycles": cycles,
        "find_cycles": shlex.join(["sfbptt", "gradients", f"run={folder.path}"]),
        "repeat": _command(run),
        "configuration": _as_yaml(folder.config()),
        "origin": _as_yaml(run.manifest),
    }
    return shown, skipped


def _command(run: RunRecord) -> str:
    try:
        return repeat_command(run.manifest)
    except RequestError as error:
        return f"# {error}"


def _shown_cycles(found: Sequence[ModelCycle]) -> list[ModelCycle]:
    """Return the fixed points and cycles to show; of many, first those that attract."""
    chosen = sorted(range(len(found)), key=lambda i: (found[i].stability != "stable", i))
    return [found[i] for i in sorted(chosen[:_MOST_CYCLES])]


def _marks(view: Attractor, cycles: Sequence[ModelCycle]) -> list[Mark]:
    """Return the points of the cycles that are in view."""
    return [
        Mark(place, cycle.order, cycle.stability == "stable")
        for cycle in cycles
        for place in view.place(cycle.observed)
        if ((place >= 0) & (place <= 1)).all()
    ]


def _cloud(view: Attractor, marks: Sequence[Mark]) -> dict[str, Any]:
    """Return the points and marks that the page's script turns."""
    places = [
        [*(round(float(x), 4) for x in mark.place), mark.order > 1, mark.attracts] for mark in marks
    ]
    truth, generated = encode(view.truth), encode(view.generated)
    return {"truth": truth, "generated": generated, "flat": view.flat, "marks": places}


def drawn_of(run: RunRecord) -> Drawn:
    """Read trajectories.h5 and thin it out; RequestError, KeyError or ValueError where it is odd.

    Series show ten Lyapunov times, spectra 99.9% of the power of the truth.
    """
    stored = read_trajectories(run.folder.trajectories)
    attributes = stored.attributes
    if attributes.get("schema") != SCHEMA:
        raise ValueError(f"schema {attributes.get('schema')}; this version reads {SCHEMA}")
    dt, transient = float(attributes["dt"]), int(attributes["transient"])
    truth, generated = stored.truth, stored.generated[0]
    if truth.shape != generated.shape or len(truth) - transient < 20 or not dt > 0:
        raise ValueError(f"shapes {truth.shape} and {generated.shape}, transient {transient}")
    if not (np.diff(stored.time) > 0).all():
        raise ValueError("its time does not increase")
    stretch, lyapunov_time = _STRETCH_STEPS, None
    if run.lambda_max is not None and 0 < run.lambda_max < np.inf:
        lyapunov_time = 1 / run.lambda_max
        steps = min(_STRETCH_LYAPUNOV_TIMES * lyapunov_time / dt, _LONGEST_STRETCH)
        stretch = max(20, round(steps))
    smoothing = dict(run.metrics["d_h"].settings)["smoothing"] if "d_h" in run.metrics else 20.0
    settled = truth[transient:], generated[transient:]
    p, q = (power_spectrum(x[:, :MOST_VARIABLES], float(smoothing)) for x in settled)
    frequencies = np.arange(1, len(p) + 1) / (len(settled[0]) * dt)
    end = max(2, *(drawn_frequencies(power) for power in p.T))
    return Drawn(
        stored.variables,
        str(attributes["time_unit"]),
        lyapunov_time,
        attractor(*settled, stored.variables),
        _thinned((stored.time, truth, generated), stretch, _SERIES_POINTS),
        _thinned((frequencies, p, q), end, _SPECTRUM_POINTS),
    )


def _thinned(curves: Curves, end: int, most: int) -> Curves:
    """Return about `most` of the first points of the variables that are drawn."""
    x, *pair = (values[: end : max(1, end // most)] for values in curves)
    p, q = (values[:, :MOST_VARIABLES] for values in pair)
    return x, p, q


def thinned_history(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return about _EPOCHS of the rows and the one whose checkpoint was kept, as drawn."""
    best = max((i for i, row in enumerate(rows) if row.get("best")), default=-1)
    stride = max(1, len(rows) // _EPOCHS)
    kept = [row for i, row in enumerate(rows) if i % stride == 0 or i == best]
    return [{key: row.get(key) for key in (*CURVES, "epoch", "best")} for row in kept]


def _pictures(
    drawn: Drawn | None, marks: Sequence[Mark], history: Any, identifier: str
) -> dict[str, Markup]:
    """Draw what there are numbers for; return SVG elements by name."""
    found: dict[str, tuple[Figure, str]] = {}
    if drawn:
        names, view = drawn.variables[:MOST_VARIABLES], drawn.attractor
        truth, generated = (decode_share(codes)[:_STILL] for codes in (view.truth, view.generated))
        text = f"Attractors of truth and reconstruction ({', '.join(view.labels)})"
        found["attractor"] = still(truth, generated, marks, view.flat), text
        unit, listed = drawn.time_unit, ", ".join(names)
        figure = time_series(*drawn.series, names, unit, drawn.lyapunov_time, width=SINGLE)
        text = f"{listed} of truth and reconstruction against time, from the same start"
        found["series"] = figure, text
        figure = spectra(*drawn.spectra, names, f"1 / {singular(unit)}", columns=1)
        text = f"Power spectra of {listed}, truth and reconstruction, smoothed, each of sum 1"
        found["spectra"] = figure, text
    if history:
        text = "Training loss, D_stsp of validation and gradient norm against the epoch"
        found["training"] = training_curve(history), text
    return {
        name: Markup(inline_svg(figure, text, f"{identifier}{name[:2]}", {}))
        for name, (figure, text) in found.items()
    }


def _as_yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
