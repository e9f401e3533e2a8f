"""The best, the median and the worst run of every dataset, with what their pictures need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.repeat import repeat_command
from sfbptt_cli.figures.attractor import Mark
from sfbptt_cli.figures.spectra import drawn_frequencies
from sfbptt_cli.figures.training_curve import CURVES
from sfbptt_cli.metrics.spectrum import power_spectrum
from sfbptt_cli.report.cloud import Attractor, attractor
from sfbptt_cli.report.collection import RunRecord, Skipped, reason_of
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.storage.model_dynamics import (
    Gradients,
    ModelCycle,
    Spectrum,
    read_gradients,
    read_spectrum,
)
from sfbptt_cli.storage.trajectories import SCHEMA, read_trajectories

Array = NDArray[np.float64]

MOST_SHOWN = 12  # runs on a page, so that it stays small: three of each of four datasets
MOST_VARIABLES = 3  # drawn as series and spectra
# The stretch of time series, in Lyapunov times, or steps where λ_max is unknown; and at most.
_STRETCH_LYAPUNOV_TIMES, _STRETCH_STEPS, _LONGEST_STRETCH = 10, 1_000, 4_000
_SERIES_POINTS, _SPECTRUM_POINTS, _EPOCHS = 1_000, 250, 500  # kept for a picture
_MOST_CYCLES = 12  # in a table, and marked in the attractor


class Curves(NamedTuple):
    """x (n,), and truth and generation (n, variable)."""

    x: Array
    truth: Array
    generated: Array


@dataclass(frozen=True)
class Highlight:
    """One run to look at; the pictures are None where its trajectories cannot be read.

    Many are held at once, so each holds copies of what is drawn, not whole files.
    """

    kind: str  # best, median, worst
    run: RunRecord
    command: str = ""  # that repeats the run, or a comment why there is none
    variables: tuple[str, ...] = ()
    time_unit: str = ""
    lyapunov_time: float | None = None
    attractor: Attractor | None = None
    series: Curves | None = None
    spectra: Curves | None = None
    history: tuple[dict[str, Any], ...] = ()
    gradients: Gradients | None = None
    spectrum: Spectrum | None = None

    @property
    def cycles(self) -> tuple[ModelCycle, ...]:
        """Return the fixed points and cycles to show; of many, first those that attract."""
        found = self.gradients.cycles if self.gradients else ()
        chosen = sorted(range(len(found)), key=lambda i: (found[i].stability != "stable", i))
        return tuple(found[i] for i in sorted(chosen[:_MOST_CYCLES]))

    @property
    def marks(self) -> list[Mark]:
        """Return the points of `cycles` that are in view."""
        if self.attractor is None:
            return []
        return [
            Mark(place, cycle.order, cycle.stability == "stable")
            for cycle in self.cycles
            for place in self.attractor.place(cycle.observed)
            if ((place >= 0) & (place <= 1)).all()
        ]


def choose(panel: Panel, metric: str, panels: int) -> list[tuple[str, RunRecord]]:
    """Return best, median and worst run by `metric`; fewer where many datasets share a page."""
    values = [(run.metrics[metric].value, run) for run in panel.runs if metric in run.metrics]
    ranked = sorted((x for x in values if not np.isnan(x[0])), key=lambda x: x[0])
    runs = [run for _, run in ranked]
    if not runs:
        return []
    chosen = {"best": 0, "worst": len(runs) - 1, "median": (len(runs) - 1) // 2}
    room = max(1, min(3, MOST_SHOWN // panels))
    picked: dict[int, str] = {}
    for kind in list(chosen)[:room]:
        picked.setdefault(chosen[kind], kind)
    return [(kind, runs[i]) for i, kind in sorted(picked.items())]


def open_highlight(kind: str, run: RunRecord) -> tuple[Highlight, list[Skipped]]:
    """Read what the pictures and tables of a run need; return also what cannot be read."""
    skipped: list[Skipped] = []

    def read(file: str, reader: Callable[[], Any]) -> Any:
        try:
            return reader()
        except (RequestError, KeyError, ValueError, TypeError, IndexError) as error:
            reason = f"not drawn: {reason_of(error, run.folder.path)}"
            skipped.append(Skipped(f"{run.label}/{file}", reason))
            return None

    folder = run.folder
    history = read("metrics.csv", lambda: _thinned_history(folder.history()))
    pictures = read("trajectories.h5", lambda: _pictures(run)) or {}
    known = len(pictures["variables"]) if pictures else None
    shown = Highlight(
        kind,
        run,
        _command(run),
        history=history or (),
        gradients=read("gradients.json", lambda: read_gradients(folder.path, known)),
        spectrum=read("lyapunov.json", lambda: read_spectrum(folder.path)),
        **pictures,
    )
    return shown, skipped


def _command(run: RunRecord) -> str:
    try:
        return repeat_command(run.manifest)
    except RequestError as error:
        return f"# {error}"


def _pictures(run: RunRecord) -> dict[str, Any]:
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
    series = Curves(stored.time, truth, generated)
    return {
        "variables": stored.variables,
        "time_unit": str(attributes["time_unit"]),
        "lyapunov_time": lyapunov_time,
        "attractor": attractor(*settled, stored.variables),
        "series": _kept(series, stretch, max(1, stretch // _SERIES_POINTS)),
        "spectra": _spectra(*settled, dt, float(smoothing)),
    }


def _spectra(truth: Array, generated: Array, dt: float, smoothing: float) -> Curves:
    """Return power spectra that hold 99.9% of the power of the truth, thinned out."""
    p, q = (power_spectrum(x[:, :MOST_VARIABLES], smoothing) for x in (truth, generated))
    frequencies = np.arange(1, len(p) + 1) / (len(truth) * dt)
    end = max(2, *(drawn_frequencies(power) for power in p.T))
    return _kept(Curves(frequencies, p, q), end, max(1, end // _SPECTRUM_POINTS))


def _kept(curves: Curves, end: int, stride: int = 1) -> Curves:
    """Return copies, so that nothing holds the rest; of the variables, those that are drawn."""
    x, *pair = curves
    return Curves(x[:end:stride].copy(), *(y[:end:stride, :MOST_VARIABLES].copy() for y in pair))


def _thinned_history(rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return about _EPOCHS of the rows and the one whose checkpoint was kept, as drawn."""
    best = max((i for i, row in enumerate(rows) if row.get("best")), default=-1)
    stride = max(1, len(rows) // _EPOCHS)
    kept = [row for i, row in enumerate(rows) if i % stride == 0 or i == best]
    return tuple({key: row.get(key) for key in (*CURVES, "epoch", "best")} for row in kept)
