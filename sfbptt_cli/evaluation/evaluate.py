"""The freely running model measured against the test trajectory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfbptt_cli.common.numbers import singular, word_or_number
from sfbptt_cli.data.contexts import states_at, stretches
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.evaluation.distances import measure_distances
from sfbptt_cli.evaluation.dynamics import (
    Dynamics,
    attractor_dimension,
    dynamics,
    is_zero,
    undecided,
)
from sfbptt_cli.evaluation.generation import generate
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.lyapunov.largest import largest_exponent
from sfbptt_cli.lyapunov.model_spectrum import model_spectrum
from sfbptt_cli.lyapunov.spectrum import GrowthRate, Spectrum
from sfbptt_cli.metrics.prediction import (
    mean_log_errors,
    squared_errors,
    valid_prediction_steps,
)
from sfbptt_cli.models.base import LatentModel

Array = NDArray[np.float64]
Metric = dict[str, Any]

# Parallel free trajectories behind the model's largest exponent.
_LYAPUNOV_STARTS = 32
_LONGER = 4  # times the steps where it is near its error
_DIMENSION_STARTS = 16
# Valid prediction is followed for this many Lyapunov times, or steps where λ_max is unknown.
_VALID_LYAPUNOV_TIMES = 15
_VALID_STEPS = 1_000
# Points of the curve of errors that is kept.
_ERROR_POINTS = 60
# Test points whose predictions are held in memory at once.
_PREDICTION_CHUNK = 10_000


@dataclass(frozen=True)
class Evaluation:
    """Dynamics and metrics as in evaluation.json, and the trajectories they were computed from."""

    dynamics: str
    recorded: bool  # floors are between the halves of a record, not between true trajectories
    measured_steps: int
    metrics: dict[str, Metric]
    generated: Array  # (transient + steps, N), the first step one step after the forced start
    truth: Array  # (transient + steps, N), at the same times


@dataclass(frozen=True)
class _Subject:
    """What is evaluated, on what, and how."""

    model: LatentModel
    standardiser: Standardiser
    dataset: Dataset
    settings: EvaluationSettings

    @property
    def first(self) -> int:
        """The first row of the test trajectory that has the observations of a warm-up."""
        return self.model.warmup

    @property
    def inputs(self) -> Array | None:
        """The external inputs of the test trajectory."""
        return None if self.dataset.inputs is None else self.dataset.inputs.test

    def free(self, starts: NDArray[Any], steps: int) -> Array:
        """Run freely from rows of the test trajectory, driven by its inputs: (start, steps, N)."""
        warmup, inputs = self.model.warmup, self.inputs
        driving = None if inputs is None else stretches(inputs, starts, 1 - warmup, steps)
        contexts = stretches(self.dataset.test, starts, -warmup, 0)
        return generate(self.model, self.standardiser, contexts, steps, driving)

    def states(self, starts: NDArray[Any]) -> Tensor:
        """Return the states at rows of the test trajectory: (start, state_dim)."""
        test = self.dataset.test
        return states_at(self.model, self.standardiser, test, starts, self.inputs)

    def on_device(self, x: NDArray[Any]) -> Tensor:
        """Return an array as a tensor where the model is."""
        return torch.from_numpy(x).to(next(self.model.parameters()).device)


def evaluate(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: EvaluationSettings
) -> Evaluation:
    """Run the model freely from the first test steps and compare it with the test trajectory.

    With `settings.part` train it is the (first) training trajectory instead. One shorter than
    `transient + steps` is used whole, with a transient of at most a tenth of it; `measured_steps`
    is the number of steps that were compared.
    """
    if settings.part == "train":
        dataset = _of_training(dataset)
    subject = _Subject(model, standardiser, dataset, settings)
    transient, steps = settings.measured(len(dataset.test) - 1 - subject.first)
    start = np.array([subject.first])
    truth = stretches(dataset.test, start, 1, transient + steps)[0].astype(np.float64)
    generated = subject.free(start, transient + steps)[0]
    exponent, followed = _exponent(subject)
    spectrum, spectrum_steps = _spectrum(subject)
    after, compared = truth[transient:], generated[transient:]
    metrics: dict[str, Metric] = {
        **measure_distances(after, compared, dataset, transient, settings),
        "prediction_error": _prediction_error(subject),
        "valid_prediction_time": _valid_prediction(subject),
        "lambda_max": {
            "value": word_or_number(exponent.value / dataset.dt),
            "standard_error": word_or_number(exponent.standard_error / dataset.dt),
            "truth": dataset.lambda_max,
            "resolution": 1 / (followed * dataset.dt),  # a distance grows by a factor of e
            "unit": f"per {singular(dataset.time_unit)}",
        },
    }
    word = dynamics(
        compared,
        after.std(axis=0),
        exponent,
        followed,
        second_is_zero=_second_is_zero(spectrum, spectrum_steps),
        centre=after.mean(axis=0),
    )
    metrics["kaplan_yorke_dimension"] = _dimension(subject, spectrum, spectrum_steps, word)
    recorded = dataset.independent is None
    return Evaluation(word.value, recorded, steps, metrics, generated, truth)


def _of_training(dataset: Dataset) -> Dataset:
    """Return the dataset with its (first) training trajectory in place of the test trajectory."""
    rows, inputs = dataset.trajectories[0], dataset.inputs
    if inputs is not None:
        inputs = replace(inputs, test=inputs.train[rows])
    return replace(dataset, test=dataset.train[rows], inputs=inputs)


def _prediction_error(subject: _Subject) -> Metric:
    """Return PE(n) over starts spread over the test trajectory, standardised."""
    n, test = subject.settings.prediction_steps, subject.dataset.test
    standardise = subject.standardiser.standardise
    starts = np.arange(subject.first, len(test) - n)
    wanted = subject.settings.prediction_starts
    if not isinstance(wanted, str) and wanted < len(starts):
        starts = np.linspace(starts[0], starts[-1], wanted).astype(int)
    chunks = np.split(starts, range(_PREDICTION_CHUNK, len(starts), _PREDICTION_CHUNK))
    errors = np.concatenate([
        squared_errors(standardise(test[chunk + n]), standardise(subject.free(chunk, n)[:, -1]))
        for chunk in chunks
    ])  # fmt: skip
    value = float(errors.mean())
    error = float(errors.std() / math.sqrt(len(errors))) if math.isfinite(value) else math.inf
    return {
        "value": word_or_number(value),
        "standard_error": word_or_number(error),
        "starts": len(starts),
        "steps": n,
        "unit": "variance of the training data",
    }


def _valid_prediction(subject: _Subject) -> Metric:
    """Return median and quartiles of the valid prediction time over many starts.

    `growth` is the curve of mean ln errors of the same predictions against the time after the data.
    """
    dataset, threshold = subject.dataset, subject.settings.valid_prediction_threshold
    test, horizon, factor, unit = dataset.test, _VALID_STEPS, dataset.dt, dataset.time_unit
    if dataset.lyapunov_steps is not None:
        horizon = math.ceil(_VALID_LYAPUNOV_TIMES * dataset.lyapunov_steps)
        factor, unit = 1 / dataset.lyapunov_steps, "Lyapunov times"
    first = subject.first
    horizon = min(horizon, (len(test) - first) // 2)
    count = min(subject.settings.valid_prediction_starts, len(test) - first - horizon)
    starts = np.linspace(first, len(test) - horizon - 1, count).astype(int)
    predicted = subject.free(starts, horizon)
    truth = stretches(test, starts, 1, horizon)
    scale = float(np.sqrt(test.var(axis=0).sum()))
    valid = valid_prediction_steps(truth, predicted, scale, threshold)
    errors = mean_log_errors(truth, predicted, scale)
    kept = np.unique(np.linspace(0, horizon - 1, _ERROR_POINTS).astype(int))
    low, median, high = (np.quantile(valid, [0.25, 0.5, 0.75]) * factor).tolist()
    return {
        "value": median,
        "quartiles": [low, high],
        "unit": unit,
        "threshold": threshold,
        "starts": count,
        "horizon": horizon * factor,
        "censored": float(np.mean(valid >= horizon)),
        "growth": {
            "time": [float(step + 1) * factor for step in kept],
            "mean_ln_error": [word_or_number(float(error)) for error in errors[kept]],
        },
    }


def _exponent(subject: _Subject) -> tuple[GrowthRate, int]:
    """Return the model's largest exponent, per step, and the steps that it was followed for.

    One near its error is followed for longer: the error of a zero falls with the steps, that of
    chaos with their square root.
    """
    settings, inputs = subject.settings, subject.inputs
    first, last = subject.first, len(subject.dataset.test) - 1
    steps, transient = settings.lyapunov_steps, settings.transient
    if inputs is not None:  # along the test trajectory, as far as it reaches
        transient, steps = (min(transient, (last - first) // 10), min(steps, (last - first) // 2))
        last -= transient + steps
    starts = np.linspace(first, last, _LYAPUNOV_STARTS).astype(int)
    s = None
    if inputs is not None:
        s = subject.on_device(stretches(inputs, starts, 1, transient + steps))
    state = subject.states(starts)
    found = largest_exponent(subject.model, state, steps=steps, transient=transient, s=s)
    if s is None and undecided(found):
        steps *= _LONGER
        found = largest_exponent(subject.model, state, steps=steps, transient=transient)
    return found, steps


def _spectrum(subject: _Subject) -> tuple[Spectrum, int]:
    """Return the model's leading exponents, per step, two more than there are observations.

    Also the steps that they were followed for.
    """
    dataset, settings = subject.dataset, subject.settings
    transient, steps, inputs = settings.transient, settings.dimension_steps, subject.inputs
    first, s = subject.first, None
    starts = np.linspace(first, len(dataset.test) - 1, _DIMENSION_STARTS).astype(int)
    if inputs is not None:
        longest = len(dataset.test) - first
        transient, steps = min(transient, longest // 10), min(steps, longest // 2)
        starts[:] = first  # every start is driven by the same inputs
        s = subject.on_device(inputs[first + 1 : first + 1 + transient + steps])
    count = min(subject.model.state_dim, dataset.obs_dim + 2)
    state = subject.states(starts)
    return model_spectrum(subject.model, state, steps, transient, count, s=s), steps


def _dimension(subject: _Subject, spectrum: Spectrum, steps: int, word: Dynamics) -> Metric:
    """Return the Kaplan-Yorke dimension of the model's attractor, from its leading exponents.

    Where they do not sum to less than zero the attractor has more dimensions than that, and the
    value is a word.
    """
    dataset, exponents, errors = subject.dataset, spectrum.exponents, spectrum.standard_errors
    value: float | str = "undecided"
    if np.isnan(exponents).any():
        value = "diverged"
    elif exponents.sum() < 0 or len(exponents) == subject.model.state_dim:
        value = attractor_dimension(spectrum, steps, word)
    return {
        "value": value,
        "truth": dataset.dimension,
        "exponents": [word_or_number(float(e)) for e in exponents / dataset.dt],
        "standard_errors": [word_or_number(float(e)) for e in errors / dataset.dt],
        "exponents_unit": f"per {singular(dataset.time_unit)}",
        "steps": steps,
    }


def _second_is_zero(spectrum: Spectrum, steps: int) -> bool:
    second = [*zip(spectrum.exponents, spectrum.standard_errors, strict=True)][1:2]
    return all(is_zero(GrowthRate(*map(float, pair)), steps) for pair in second)
