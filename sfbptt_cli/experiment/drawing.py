"""The figures of a run, drawn from its stored files alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfbptt_cli.common.numbers import number_of, number_text, singular
from sfbptt_cli.data.settings import DATASET_LABELS
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.figures.error_growth import error_growth
from sfbptt_cli.figures.exponents import Exponents
from sfbptt_cli.figures.return_map import return_map
from sfbptt_cli.figures.spectra import spectra
from sfbptt_cli.figures.style import save
from sfbptt_cli.figures.summary import MOST_SERIES, Series, Spectra, summary
from sfbptt_cli.figures.time_series import time_series
from sfbptt_cli.figures.training_curve import training_curve
from sfbptt_cli.metrics.spectrum import hellinger_distance, power_spectrum
from sfbptt_cli.models.settings import MODEL_LABELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The stretch of time series in a figure, in Lyapunov times, or steps where λ_max is unknown.
_STRETCH_LYAPUNOV_TIMES = 10
_STRETCH_STEPS = 1_000
_LONGEST_STRETCH = 20_000


def summary_of(run: Run) -> Figure:
    """Draw one run in one row: attractor, series, spectrum, exponents of model and system."""
    return _Pictures(run).summary()


def recipe(run: Run) -> str:
    """Return dataset, model, method, τ and w of a run, for the title of a figure."""
    config = run.config
    name = MODEL_LABELS.get(config.model.name, config.model.name)
    parts = [DATASET_LABELS.get(config.dataset.name, config.dataset.name), name]
    if config.forcing.name != "sparse":
        parts.append(f"forcing {config.forcing.name}")
    if (tau := run.manifest.get("tau")) is not None:
        parts.append(f"τ = {tau}, w = {run.manifest.get('warmup', 0)}")
    return ", ".join(parts)


def figure_paths(run: Run, figures: str) -> list[Path]:
    """Return the files of a run's figures: png; pdf, beside PNG; none."""
    suffixes = {"png": (".png",), "pdf": (".png", ".pdf"), "none": ()}[figures]
    return [
        run.folder.figures / f"{name}{suffix}"
        for name in _Pictures(run).drawn()
        for suffix in suffixes
    ]


def draw_missing(run: Run, figures: str) -> None:
    """Draw the figures of a run, from its stored files, where one is missing: png, pdf or none."""
    if all(path.exists() for path in figure_paths(run, figures)):
        return
    run.folder.figures.mkdir(exist_ok=True)
    for name, draw in _Pictures(run).drawn().items():
        save(draw(), run.folder.figures, name, pdf=figures == "pdf")


class _Pictures:
    """What the figures of one run share."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def drawn(self) -> dict[str, Callable[[], Figure]]:
        """Return the figures that a run has, by name.

        The summary has the series of three variables, so that only more get a figure of their own.
        """
        found = {"summary": self.summary, "return_map": self._return_map}
        if "growth" in self._run.metrics.get("valid_prediction_time", {}):  # of this version
            found["error_growth"] = self._error_growth
        if len(self._run.standardiser.mean) > MOST_SERIES:
            found["time_series"] = self._time_series
        return {**found, "spectra": self._spectra, "training_curve": self._training_curve}

    @cached_property
    def _power(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frequencies (F,), and the power spectra of truth and generation (F, N)."""
        smoothing, settled = self._run.metrics["d_h"]["smoothing"], self._run.trajectories.settled
        p, q = (power_spectrum(x, smoothing) for x in settled)
        # The spectrum leaves out the zero frequency.
        return np.fft.rfftfreq(len(settled[0]), self._dt)[-len(p) :], p, q

    @property
    def _dt(self) -> float:
        return float(self._run.trajectories.attributes["dt"])

    @property
    def _unit(self) -> str:
        return str(self._run.trajectories.attributes["time_unit"])

    @property
    def _lyapunov_time(self) -> float | None:
        """1 / λ_max of the system in time units; None where it is not known or not positive."""
        known = self._run.metrics["lambda_max"].get("truth")
        return None if known is None or not known > 0 else 1 / float(known)

    def _stretch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return time, truth and generation of a stretch from the start."""
        stored, steps = self._run.trajectories, _STRETCH_STEPS
        if (time := self._lyapunov_time) is not None:
            steps = min(round(_STRETCH_LYAPUNOV_TIMES * time / self._dt), _LONGEST_STRETCH)
        steps = max(steps, 2)
        return stored.time[:steps], stored.truth[:steps], stored.generated[0][:steps]

    def summary(self) -> Figure:
        run = self._run
        time, near, free = self._stretch()
        unit = self._unit
        if (lyapunov_time := self._lyapunov_time) is not None:
            time, unit = time / lyapunov_time, "Lyapunov times"
        frequencies, p, q = self._power
        metrics = run.metrics
        largest, dimension = metrics["lambda_max"], metrics["kaplan_yorke_dimension"]
        values = [number_of(value) for value in dimension["exponents"]]
        # Not in entries of earlier versions.
        errors = list(map(number_of, dimension.get("standard_errors", ["nan"] * len(values))))
        values[0], errors[0] = number_of(largest["value"]), number_of(largest["standard_error"])
        if run.dynamics == "diverged":
            values = [math.nan] * len(values)  # of the flight to infinity
        system = largest.get("truth")
        return summary(
            *run.trajectories.settled,
            Series(time, near, free, unit),
            Spectra(frequencies, p[:, 0], q[:, 0], f"1 / {singular(self._unit)}"),
            Exponents(values, errors),
            None if system is None else Exponents([float(system)], [math.nan]),
            largest["unit"],
            run.trajectories.variables,
            title=f"{run.result}, {run.dynamics}: {recipe(run)}",
            notes=self._notes(),
        )

    def _notes(self) -> dict[str, str]:
        """Return the distances with their floors, and λ_max of model and system."""
        metrics = self._run.metrics

        def beside(symbol: str, metric: dict[str, Any]) -> str:
            text, floor = f"{symbol} {number_text(metric['value'])}", metric.get("floor")
            return text if floor is None else f"{text} (floor {number_text(floor)})"

        largest, symbol = metrics["lambda_max"], r"$\lambda_\mathrm{max}$"
        text = f"{symbol} {number_text(largest['value'])}"
        if (known := largest.get("truth")) is not None:
            text = f"{text}\nsystem {number_text(known)}"
        return {
            "attractor": beside(r"$D_\mathrm{stsp}$", metrics["d_stsp"]),
            "spectrum": beside("$D_H$", metrics["d_h"]),
            "exponents": text.replace("-", "−"),
        }

    def _return_map(self) -> Figure:
        return return_map(*self._run.trajectories.settled, self._run.trajectories.variables)

    def _error_growth(self) -> Figure:
        found = self._run.metrics["valid_prediction_time"]
        rate = None
        if (time := self._lyapunov_time) is not None:
            rate = 1.0 if found["unit"] == "Lyapunov times" else 1 / time
        curve, valid = found["growth"], number_of(found["value"])
        errors = [number_of(error) for error in curve["mean_ln_error"]]
        return error_growth(curve["time"], errors, found["unit"], rate, valid)

    def _time_series(self) -> Figure:
        names = self._run.trajectories.variables
        return time_series(*self._stretch(), names, self._unit, self._lyapunov_time)

    def _spectra(self) -> Figure:
        names, (frequencies, p, q) = self._run.trajectories.variables, self._power
        unit = f"1 / {singular(self._unit)}"
        distances = hellinger_distance(p, q).tolist()
        return spectra(frequencies, p, q, names, unit, distances=distances)

    def _training_curve(self) -> Figure:
        floor = self._run.metrics["d_stsp"].get("floor")
        return training_curve(self._run.history, math.nan if floor is None else number_of(floor))
