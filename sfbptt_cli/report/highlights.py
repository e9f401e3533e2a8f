"""The best, the median and the worst run of every dataset, with what their pictures need."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.metrics.spectrum import power_spectrum
from sfbptt_cli.report.collection import RunRecord, Skipped
from sfbptt_cli.report.model_dynamics import (
    Gradients,
    ModelCycle,
    Spectrum,
    read_gradients,
    read_spectrum,
)
from sfbptt_cli.report.panels import Panel
from sfbptt_cli.storage.trajectories import SCHEMA, Trajectories, read_trajectories

Array = NDArray[np.float64]

MOST_SHOWN = 12  # runs on a page, so that it stays small: three of each of four datasets
MOST_POINTS = 6_000  # of an attractor
MOST_VARIABLES = 3  # drawn as series and spectra
# The stretch of time series, in Lyapunov times, or steps where λ_max is unknown.
_STRETCH_LYAPUNOV_TIMES, _STRETCH_STEPS = 10, 1_000
_SERIES_POINTS, _SPECTRUM_POINTS = 700, 250
# Steps of an attractor are thinned out until the median step is this part of its extent.
_STEP_LENGTH = 0.03
_GAP = 65_535  # the code of a point that is not drawn
_VIEW_MARGIN = 0.3  # of the range of the truth; a point farther out is a gap
_MOST_CYCLES = 12  # in a table, and marked in the attractor


class Attractor(NamedTuple):
    """Points of truth and generation (n, 3), quantised; axes are those of the truth."""

    truth: NDArray[np.uint16]
    generated: NDArray[np.uint16]
    labels: tuple[str, ...]  # of one to three axes
    outside: float  # share of the generated points that is out of view
    flat: bool  # two variables: there is nothing to rotate
    low: Array  # (3,), of the view, in data units
    high: Array
    lag: int  # steps between two axes, of one variable

    def place(self, cycle: ModelCycle) -> Array:
        """The points of a cycle in the view, (order, 3), shares from 0 to 1 if they are in it."""
        x = cycle.observed
        if self.lag:  # after as many steps the model is as many points further on its cycle
            x = np.hstack([np.roll(x, -i * self.lag, axis=0) for i in range(3)])
        x = np.pad(x[:, :3], ((0, 0), (0, max(0, 3 - x.shape[1]))))
        with np.errstate(over="ignore"):
            return (x - self.low) / (self.high - self.low)


class Mark(NamedTuple):
    """A point of a cycle that is in view."""

    place: Array  # (3,), shares of the view
    order: int
    attracts: bool


class Curves(NamedTuple):
    """x (n,), and truth and generation (n, variable)."""

    x: Array
    truth: Array
    generated: Array


@dataclass(frozen=True)
class Highlight:
    """One run to look at; the pictures are None where its trajectories cannot be read."""

    kind: str  # best, median, worst
    run: RunRecord
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
        """The fixed points and cycles to show, by order; of many, first those that attract."""
        found = self.gradients.cycles if self.gradients else ()
        chosen = sorted(range(len(found)), key=lambda i: (found[i].stability != "stable", i))
        return tuple(found[i] for i in sorted(chosen[:_MOST_CYCLES]))

    @property
    def marks(self) -> list[Mark]:
        """The points of `cycles` that are in view."""
        if self.attractor is None:
            return []
        return [
            Mark(place, cycle.order, cycle.stability == "stable")
            for cycle in self.cycles
            for place in self.attractor.place(cycle)
            if ((place >= 0) & (place <= 1)).all()
        ]


def choose(panel: Panel, metric: str, panels: int) -> list[tuple[str, RunRecord]]:
    """Best, median and worst measured run by `metric`; fewer where many datasets share a page."""
    runs = [run for run in panel.runs if metric in run.metrics]
    runs = [run for run in runs if not np.isnan(run.metrics[metric].value)]
    runs.sort(key=lambda run: run.metrics[metric].value)
    if not runs:
        return []
    chosen = {"best": 0, "worst": len(runs) - 1, "median": (len(runs) - 1) // 2}
    room = max(1, min(3, MOST_SHOWN // panels))
    picked: dict[int, str] = {}
    for kind in list(chosen)[:room]:
        picked.setdefault(chosen[kind], kind)
    return [(kind, runs[i]) for i, kind in sorted(picked.items())]


def open_highlight(kind: str, run: RunRecord) -> tuple[Highlight, list[Skipped]]:
    """Read what the pictures and tables of a run need; what cannot be read is named."""
    skipped = []
    history: tuple[dict[str, Any], ...] = ()
    pictures: dict[str, Any] = {}
    try:
        history = tuple(run.folder.history())
    except RequestError as error:
        skipped.append(_skip(run, "metrics.csv", error))
    try:
        pictures = _pictures(run, read_trajectories(run.folder.trajectories))
    except (RequestError, KeyError, ValueError, TypeError, IndexError) as error:
        skipped.append(_skip(run, "trajectories.h5", error))
    known = len(pictures["variables"]) if pictures else None
    gradients, reasons = read_gradients(run.folder.path, known)
    skipped += [_skip(run, "gradients.json", reason) for reason in reasons]
    spectrum, reasons = read_spectrum(run.folder.path)
    skipped += [_skip(run, "lyapunov.json", reason) for reason in reasons]
    shown = Highlight(
        kind, run, history=history, gradients=gradients, spectrum=spectrum, **pictures
    )
    return shown, skipped


def _skip(run: RunRecord, file: str, why: Exception | str) -> Skipped:
    reason = " ".join(str(why).removeprefix("run: ").split())
    return Skipped(f"{run.label}/{file}", f"not drawn: {reason.replace(f'{run.folder.path}/', '')}")


def _pictures(run: RunRecord, stored: Trajectories) -> dict[str, Any]:
    attributes = stored.attributes
    if attributes.get("schema") != SCHEMA:
        raise ValueError(f"schema {attributes.get('schema')}; this version reads {SCHEMA}")
    dt, transient = float(attributes["dt"]), int(attributes["transient"])
    truth, generated = stored.truth, stored.generated[0]
    if truth.shape != generated.shape or len(truth) - transient < 20 or not dt > 0:
        raise ValueError(f"shapes {truth.shape} and {generated.shape}, transient {transient}")
    stretch, lyapunov_time = _STRETCH_STEPS, None
    if run.lambda_max is not None and 0 < run.lambda_max < np.inf:
        lyapunov_time = 1 / run.lambda_max
        stretch = max(20, round(_STRETCH_LYAPUNOV_TIMES * lyapunov_time / dt))
    smoothing = dict(run.metrics["d_h"].settings)["smoothing"] if "d_h" in run.metrics else 20.0
    settled = truth[transient:], generated[transient:]
    return {
        "variables": stored.variables,
        "time_unit": str(attributes["time_unit"]),
        "lyapunov_time": lyapunov_time,
        "attractor": attractor(*settled, stored.variables),
        "series": _time_series(stored.time[:stretch], truth[:stretch], generated[:stretch]),
        "spectra": _spectra(*settled, dt, float(smoothing)),
    }


def attractor(truth: Array, generated: Array, variables: Sequence[str]) -> Attractor:
    """Truth and free generation (T, N) as codes of 16 bits, at most MOST_POINTS consecutive ones.

    Three or more variables: the first three; one: x(t), x(t + lag), x(t + 2 lag) with the lag at
    which the autocorrelation of the truth falls to 1/e. Codes 0 to 65534 go from the lowest to the
    highest value of the truth, moved out by 0.3 of the range; 65535 is a gap.
    """
    labels, lag = tuple(variables[:3]), 0
    if truth.shape[1] == 1:
        lag = _correlation_steps(truth[:, 0])
        lag = min(lag, (len(truth) - 2) // 2)
        labels = (labels[0], f"{lag} steps later", f"{2 * lag} steps later")
        n = len(truth) - 2 * lag
        truth, generated = (
            np.hstack([x[i * lag : i * lag + n] for i in range(3)]) for x in (truth, generated)
        )
    truth, generated = truth[:, :3], generated[:, :3]
    flat = truth.shape[1] == 2
    if flat:
        truth, generated = (np.pad(x, ((0, 0), (0, 1))) for x in (truth, generated))
    low, high = truth.min(axis=0), truth.max(axis=0)
    reach = np.where(high > low, high - low, 1.0)
    step = np.median(np.linalg.norm(np.diff(truth, axis=0) / reach, axis=1))
    stride = int(np.clip(_STEP_LENGTH / max(step, 1e-12), 1, max(len(truth) // MOST_POINTS, 1)))
    truth, generated = (x[::stride][:MOST_POINTS] for x in (truth, generated))
    low, high = low - _VIEW_MARGIN * reach, low + (1 + _VIEW_MARGIN) * reach
    with np.errstate(invalid="ignore"):
        outside = ~((generated >= low) & (generated <= high)).all(axis=1)
    truth_codes, codes = (_quantise(x, low, high) for x in (truth, generated))
    return Attractor(truth_codes, codes, labels, float(outside.mean()), flat, low, high, lag)


def _quantise(x: Array, low: Array, high: Array) -> NDArray[np.uint16]:
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.round((x - low) / (high - low) * (_GAP - 1))
        seen = ((scaled >= 0) & (scaled < _GAP)).all(axis=1, keepdims=True)
    return np.where(seen, scaled, _GAP).astype(np.uint16)


def encode(codes: NDArray[np.uint16]) -> str:
    """Little-endian bytes in base64."""
    return base64.b64encode(codes.astype("<u2").tobytes()).decode("ascii")


def decode_share(codes: NDArray[np.uint16]) -> Array:
    """Codes as shares of the view, 0 to 1; NaN where there is a gap."""
    share = codes.astype(np.float64) / (_GAP - 1)
    share[(codes == _GAP).any(axis=1)] = np.nan
    return share


def _time_series(time: Array, truth: Array, generated: Array) -> Curves:
    stride = max(1, len(time) // _SERIES_POINTS)
    shown = slice(None, None, stride), slice(MOST_VARIABLES)
    return Curves(time[::stride], truth[shown], generated[shown])


def _spectra(truth: Array, generated: Array, dt: float, smoothing: float) -> Curves:
    """Power spectra up to where 99.9% of the power of the truth is counted, thinned out."""
    p, q = (power_spectrum(x[:, :MOST_VARIABLES], smoothing) for x in (truth, generated))
    f = np.arange(len(p) + 1)[1:] / (len(truth) * dt)
    power = np.cumsum(p, axis=0)
    end = max(int(np.sum((power < 0.999 * power[-1]).any(axis=1))) + 1, 2)
    stride = max(1, end // _SPECTRUM_POINTS)
    return Curves(f[:end:stride], p[:end:stride], q[:end:stride])


def _correlation_steps(x: Array) -> int:
    """First lag, in steps, at which the autocorrelation of x (T,) is below 1/e; at least 1."""
    power = np.abs(np.fft.rfft(x - x.mean(), 2 * len(x))) ** 2  # zero-padded
    correlation = np.fft.irfft(power)[: len(x)]
    return max(int((correlation < correlation[0] / np.e).argmax()), 1)
