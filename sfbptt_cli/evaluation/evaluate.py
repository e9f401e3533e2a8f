"""The freely running model measured against the test trajectory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfbptt_cli.common.numbers import word_or_number
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.evaluation.generation import along, generate
from sfbptt_cli.evaluation.verdict import Verdict, verdict
from sfbptt_cli.lyapunov.equations import kaplan_yorke_dimension
from sfbptt_cli.lyapunov.largest import LargestExponent, largest_exponent
from sfbptt_cli.lyapunov.model_spectrum import model_spectrum
from sfbptt_cli.metrics.paper2022 import d_h_paper2022, d_stsp_paper2022
from sfbptt_cli.metrics.prediction import prediction_error, valid_prediction_steps
from sfbptt_cli.metrics.spectrum import d_h
from sfbptt_cli.metrics.state_space import (
    MAX_BINNED_DIMENSIONS,
    d_stsp_binned,
    d_stsp_gmm,
    grid_is_filled,
)
from sfbptt_cli.models.base import LatentModel

Array = NDArray[np.float64]
Distance = dict[str, Any]

# Parallel free trajectories behind the model's largest exponent.
_LYAPUNOV_STARTS = 32
_DIMENSION_STARTS = 16
# Valid prediction is followed for this many Lyapunov times, or steps where λ_max is unknown.
_VALID_LYAPUNOV_TIMES = 15
_VALID_STEPS = 1_000
# Test points whose predictions are held in memory at once.
_PREDICTION_CHUNK = 10_000


@dataclass(frozen=True)
class Settings:
    """What is measured and how; fields as in the config group `evaluation`."""

    part: str  # test or train
    steps: int
    transient: int
    estimator: str  # auto, binned, gmm
    bins: int
    gmm_sigma: float | None
    gmm_points: int
    gmm_samples: int
    spectrum_smoothing: float
    prediction_steps: int
    valid_prediction_threshold: float
    valid_prediction_starts: int
    lyapunov_steps: int
    dimension_steps: int


@dataclass(frozen=True)
class Evaluation:
    """Verdict and metrics as in evaluation.json, and the trajectories they were computed from."""

    verdict: str
    measured_steps: int
    metrics: dict[str, Distance]
    generated: Array  # (transient + steps, N), the first step one step after the forced start
    truth: Array  # (transient + steps, N), at the same times


def evaluate(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: Settings
) -> Evaluation:
    """Run the model freely from the first test step and compare it with the test trajectory.

    With `settings.part` train it is the (first) training trajectory instead. One shorter than
    `transient + steps` is used whole, with a transient of at most a tenth of it; `measured_steps`
    tells how many steps were compared.
    """
    if settings.part == "train":
        dataset = _of_training(dataset)
    available = len(dataset.test) - 1
    transient = min(settings.transient, available // 10)
    steps = min(settings.steps, available - transient)
    truth = np.asarray(dataset.test[1 : 1 + transient + steps], dtype=np.float64)
    generated = _free(model, standardiser, dataset, np.zeros(1, int), transient + steps)[0]
    exponent = _model_exponent(model, standardiser, dataset, settings)
    distances = _distances(truth[transient:], generated[transient:], dataset, transient, settings)
    distances["prediction_error"] = _prediction_error(model, standardiser, dataset, settings)
    distances["valid_prediction_time"] = _valid_prediction(model, standardiser, dataset, settings)
    distances["lambda_max"] = {
        "value": word_or_number(exponent.value / dataset.dt),
        "standard_error": word_or_number(exponent.standard_error / dataset.dt),
        "truth": dataset.lambda_max,
        "unit": f"per {singular(dataset.time_unit)}",
    }
    distances["kaplan_yorke_dimension"] = _dimension(model, standardiser, dataset, settings)
    verdict = _verdict(truth[transient:], generated[transient:], exponent)
    return Evaluation(verdict.value, steps, distances, generated, truth)


def _of_training(dataset: Dataset) -> Dataset:
    """The dataset with its (first) training trajectory in place of the test trajectory."""
    rows, inputs = dataset.trajectories[0], dataset.inputs
    if inputs is not None:
        inputs = replace(inputs, test=inputs.train[rows])
    return replace(dataset, test=dataset.train[rows], inputs=inputs)


def _distances(
    truth: Array, generated: Array, dataset: Dataset, transient: int, settings: Settings
) -> dict[str, Distance]:
    """Every distance between distributions and spectra, each beside its floor."""
    pairs = _floor_pairs(truth, dataset, transient)
    low_dimensional = dataset.obs_dim <= MAX_BINNED_DIMENSIONS
    sigma = settings.gmm_sigma or (0.3 if low_dimensional else 1.0)
    gmm = {"points": settings.gmm_points, "samples": settings.gmm_samples, "seed": 0}
    bins, smoothing = settings.bins, settings.spectrum_smoothing

    def compare(distance: Callable[[Array, Array], float]) -> Distance:
        floors = [distance(*pair) for pair in pairs]
        return {
            "value": word_or_number(distance(truth, generated)),
            "floor": word_or_number(float(np.median(floors))),
            "floor_range": [word_or_number(min(floors)), word_or_number(max(floors))],
        }

    by_gmm = {
        **compare(lambda p, q: d_stsp_gmm(p, q, sigma=sigma, **gmm)),
        "estimator": "gmm",
        "sigma": sigma,
        **gmm,
    }
    result = {"d_stsp": by_gmm, "d_stsp_gmm": by_gmm}
    binned = grid_is_filled(len(truth), dataset.obs_dim, bins)
    if settings.estimator == "binned" or (settings.estimator == "auto" and binned):
        result["d_stsp"] = {
            **compare(lambda p, q: d_stsp_binned(p, q, bins=bins).value),
            "estimator": "binned",
            "bins": bins,
            "outside": d_stsp_binned(truth, generated, bins=bins).outside,
        }
    result["d_h"] = {
        **compare(lambda p, q: d_h(p, q, smoothing=smoothing)),
        "smoothing": smoothing,
    }
    if low_dimensional:
        result["d_stsp_paper2022"] = compare(d_stsp_paper2022)
    if len(pairs[0][0]) >= 200:  # its fifty pieces of at least four steps
        result["d_h_paper2022"] = compare(d_h_paper2022)
    return result


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


def _floor_pairs(truth: Array, dataset: Dataset, transient: int) -> list[tuple[Array, Array]]:
    """Pairs of true trajectories whose distance is as small as a perfect model's.

    The test trajectory with each independent one, or, for recorded data, its two halves.
    """
    if dataset.independent is None:
        half = len(truth) // 2
        return [(truth[:half], truth[half : 2 * half])]
    return [(truth, other[transient : transient + len(truth)]) for other in dataset.independent]


def _prediction_error(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: Settings
) -> Distance:
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
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: Settings
) -> Distance:
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
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: Settings
) -> LargestExponent:
    device = next(model.parameters()).device
    steps, transient, last, s = (
        settings.lyapunov_steps,
        settings.transient,
        len(dataset.test) - 1,
        None,
    )
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
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: Settings
) -> Distance:
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
    exponents = spectrum.values
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


def singular(unit: str) -> str:
    """`time units` -> `time unit`; a second stays `s`."""
    return unit.removesuffix("s") or unit
