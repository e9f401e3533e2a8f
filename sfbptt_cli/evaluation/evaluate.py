"""The freely running model measured against the test trajectory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfbptt_cli.common.numbers import singular, word_or_number
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.evaluation.distances import measure_distances
from sfbptt_cli.evaluation.generation import along, generate
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.evaluation.verdict import Verdict, verdict
from sfbptt_cli.lyapunov.largest import LargestExponent, largest_exponent
from sfbptt_cli.lyapunov.model_spectrum import model_spectrum
from sfbptt_cli.lyapunov.spectrum import kaplan_yorke_dimension
from sfbptt_cli.metrics.prediction import prediction_error, valid_prediction_steps
from sfbptt_cli.models.base import LatentModel

Array = NDArray[np.float64]
Metric = dict[str, Any]

# Parallel free trajectories behind the model's largest exponent.
_LYAPUNOV_STARTS = 32
_DIMENSION_STARTS = 16
# Valid prediction is followed for this many Lyapunov times, or steps where λ_max is unknown.
_VALID_LYAPUNOV_TIMES = 15
_VALID_STEPS = 1_000
# Test points whose predictions are held in memory at once.
_PREDICTION_CHUNK = 10_000


@dataclass(frozen=True)
class Evaluation:
    """Verdict and metrics as in evaluation.json, and the trajectories they were computed from."""

    verdict: str
    measured_steps: int
    metrics: dict[str, Metric]
    generated: Array  # (transient + steps, N), the first step one step after the forced start
    truth: Array  # (transient + steps, N), at the same times


def evaluate(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: EvaluationSettings
) -> Evaluation:
    """Run the model freely from the first test step and compare it with the test trajectory.

    With `settings.part` train it is the (first) training trajectory instead. One shorter than
    `transient + steps` is used whole, with a transient of at most a tenth of it; `measured_steps`
    is the number of steps that were compared.
    """
    if settings.part == "train":
        dataset = _of_training(dataset)
    available = len(dataset.test) - 1
    transient = min(settings.transient, available // 10)
    steps = min(settings.steps, available - transient)
    truth = np.asarray(dataset.test[1 : 1 + transient + steps], dtype=np.float64)
    generated = _free(model, standardiser, dataset, np.zeros(1, int), transient + steps)[0]
    exponent = _model_exponent(model, standardiser, dataset, settings)
    after, compared = truth[transient:], generated[transient:]
    of_model = (model, standardiser, dataset, settings)
    metrics: dict[str, Metric] = {
        **measure_distances(after, compared, dataset, transient, settings),
        "prediction_error": _prediction_error(*of_model),
        "valid_prediction_time": _valid_prediction(*of_model),
        "lambda_max": {
            "value": word_or_number(exponent.value / dataset.dt),
            "standard_error": word_or_number(exponent.standard_error / dataset.dt),
            "truth": dataset.lambda_max,
            "unit": f"per {singular(dataset.time_unit)}",
        },
        "kaplan_yorke_dimension": _dimension(*of_model),
    }
    word = _verdict(after, compared, exponent).value
    return Evaluation(word, steps, metrics, generated, truth)


def _of_training(dataset: Dataset) -> Dataset:
    """The dataset with its (first) training trajectory in place of the test trajectory."""
    rows, inputs = dataset.trajectories[0], dataset.inputs
    if inputs is not None:
        inputs = replace(inputs, test=inputs.train[rows])
    return replace(dataset, test=dataset.train[rows], inputs=inputs)


def _free(
    model: LatentModel,
    standardiser: Standardiser,
    dataset: Dataset,
    starts: NDArray[Any],
    steps: int,
) -> Array:
    """Free runs from rows of the test trajectory, driven by its inputs: (start, steps, N)."""
    inputs = None if dataset.inputs is None else along(dataset.inputs.test, starts, steps)
    return generate(model, standardiser, dataset.test[starts], steps, inputs)


def _prediction_error(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: EvaluationSettings
) -> Metric:
    """PE(n) over all test points, in squared standard deviations of the training data."""
    n = settings.prediction_steps
    count = len(dataset.test) - n
    total = 0.0
    for first in range(0, count, _PREDICTION_CHUNK):
        chunk = np.arange(first, min(first + _PREDICTION_CHUNK, count))
        predicted = _free(model, standardiser, dataset, chunk, n)[:, -1]
        truth = dataset.test[first + n : first + n + len(chunk)]
        error = prediction_error(
            standardiser.standardise(truth), standardiser.standardise(predicted)
        )
        total += error * len(chunk)
    return {
        "value": word_or_number(total / count),
        "steps": n,
        "unit": "variance of the training data",
    }


def _valid_prediction(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: EvaluationSettings
) -> Metric:
    """Valid prediction time over many starts: median and quartiles."""
    horizon = _VALID_STEPS
    if dataset.lyapunov_steps is not None:
        horizon = math.ceil(_VALID_LYAPUNOV_TIMES * dataset.lyapunov_steps)
    horizon = min(horizon, len(dataset.test) // 2)
    count = min(settings.valid_prediction_starts, len(dataset.test) - horizon)
    starts = np.linspace(0, len(dataset.test) - horizon - 1, count).astype(int)
    predicted = _free(model, standardiser, dataset, starts, horizon)
    truth = np.stack([dataset.test[s + 1 : s + 1 + horizon] for s in starts])
    scale = float(np.sqrt(dataset.test.var(axis=0).sum()))
    valid = valid_prediction_steps(truth, predicted, scale, settings.valid_prediction_threshold)
    factor, unit = dataset.dt, dataset.time_unit
    if dataset.lyapunov_steps is not None:
        factor, unit = 1 / dataset.lyapunov_steps, "Lyapunov times"
    quartiles = np.quantile(valid, [0.25, 0.5, 0.75]) * factor
    return {
        "value": float(quartiles[1]),
        "quartiles": [float(quartiles[0]), float(quartiles[2])],
        "unit": unit,
        "threshold": settings.valid_prediction_threshold,
        "starts": count,
        "horizon": horizon * factor,
        "censored": float(np.mean(valid >= horizon)),
    }


def _model_exponent(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: EvaluationSettings
) -> LargestExponent:
    device = next(model.parameters()).device
    steps, transient = settings.lyapunov_steps, settings.transient
    last, s = len(dataset.test) - 1, None
    if dataset.inputs is not None:  # along the test trajectory, as far as it reaches
        transient = min(transient, last // 10)
        steps = min(steps, last // 2)
        last -= transient + steps
    starts = np.linspace(0, last, _LYAPUNOV_STARTS).astype(int)
    if dataset.inputs is not None:
        s = torch.from_numpy(along(dataset.inputs.test, starts, transient + steps)).to(device)
    x = torch.from_numpy(standardiser.standardise(dataset.test[starts])).to(device)
    return largest_exponent(model, x, steps=steps, transient=transient, s=s)


def _dimension(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: EvaluationSettings
) -> Metric:
    """Kaplan-Yorke dimension of the model's attractor, from as many exponents as decide it.

    Those are the leading two more than there are observations; where they do not sum to less than
    zero the attractor has more dimensions than that, and the value is a word.
    """
    transient, steps, last = settings.transient, settings.dimension_steps, len(dataset.test)
    s = None
    starts = np.linspace(0, last - 1, _DIMENSION_STARTS).astype(int)
    if dataset.inputs is not None:
        transient, steps = min(transient, last // 10), min(steps, last // 2)
        starts[:] = 0  # every start is driven by the same inputs
        s = torch.from_numpy(dataset.inputs.test[1 : 1 + transient + steps])
    x = torch.from_numpy(standardiser.standardise(dataset.test[starts]))
    device = next(model.parameters()).device
    count = min(model.state_dim, dataset.obs_dim + 2)
    spectrum = model_spectrum(
        model, x.to(device), steps, transient, count, s=None if s is None else s.to(device)
    )
    exponents = spectrum.exponents
    value: float | str = "undecided"
    if np.isnan(exponents).any():
        value = "diverged"
    elif exponents.sum() < 0 or count == model.state_dim:
        value = kaplan_yorke_dimension(exponents)
    return {
        "value": value,
        "truth": dataset.dimension,
        "exponents": [word_or_number(float(e)) for e in exponents / dataset.dt],
        "exponents_unit": f"per {singular(dataset.time_unit)}",
        "steps": steps,
    }


def _verdict(truth: Array, generated: Array, exponent: LargestExponent) -> Verdict:
    if math.isnan(exponent.value):  # every start left the finite numbers, whatever this one did
        return Verdict.DIVERGED
    error = exponent.standard_error if math.isfinite(exponent.standard_error) else 0.0
    return verdict(generated, truth.std(axis=0), exponent.value, error, centre=truth.mean(axis=0))
