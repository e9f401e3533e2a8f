"""Distances between distributions and spectra, each with its floor: truth against truth."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.cache import cached, read_json, write_json
from sfbptt_cli.common.entry_points import extended
from sfbptt_cli.common.numbers import number_of, word_or_number
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.evaluation.state_space import Delays, delays_of
from sfbptt_cli.evaluation.table import METRICS
from sfbptt_cli.metrics.paper2022 import MIN_STEPS, d_h_paper2022, d_stsp_paper2022
from sfbptt_cli.metrics.spectrum import d_h
from sfbptt_cli.metrics.state_space import (
    MAX_BINNED_DIMENSIONS,
    d_stsp_binned,
    d_stsp_gmm,
    grid_is_filled,
)

Array = NDArray[np.float64]

# Raised when a metric gives other numbers than before with the same settings.
_VERSION = 1


@dataclass(frozen=True)
class Distance:
    """A function of two trajectories (T, N), (S, N), and the settings that it is stored with."""

    function: Callable[..., float]
    settings: Mapping[str, Any] = field(default_factory=dict)  # its keyword arguments
    source: str = ""  # of a function that another package registers

    def __call__(self, truth: Array, generated: Array) -> float:
        return float(self.function(truth, generated, **self.settings))


def measure_distances(
    truth: Array, generated: Array, dataset: Dataset, transient: int, settings: EvaluationSettings
) -> dict[str, dict[str, Any]]:
    """Return every distance of truth and generated (T, N), transient discarded, as stored.

    Each has its floor, the median over pairs of true trajectories. Floors depend on the data and
    the settings alone and are computed once: `cached`.
    """
    pairs = floor_pairs(truth, dataset, transient)
    data = {"data": dataset.fingerprint(), "steps": len(truth), "transient": transient}

    def compare(name: str, distance: Distance) -> dict[str, Any]:
        floors = _floors(name, distance, pairs, data)
        return {
            "value": word_or_number(distance(truth, generated)),
            "floor": word_or_number(float(np.median(floors))),
            "floor_range": [word_or_number(min(floors)), word_or_number(max(floors))],
        }

    shortest = min(len(generated), *(len(part) for pair in pairs for part in pair))
    delays = delays_of(truth, shortest)
    estimator, chosen = _chosen(truth, shortest, delays, settings)
    found = {
        name: {**compare(name, distance), **distance.settings} for name, distance in chosen.items()
    }
    found["d_stsp"]["estimator"] = estimator
    if estimator == "binned":
        within = d_stsp_binned(delays(truth), delays(generated), bins=settings.bins)
        found["d_stsp"]["outside"] = within.outside
    return found


def _chosen(
    truth: Array, shortest: int, delays: Delays, settings: EvaluationSettings
) -> tuple[str, dict[str, Distance]]:
    """Return the estimator of D_stsp, and all distances by name."""
    steps, obs_dim = truth.shape
    low_dimensional = obs_dim <= MAX_BINNED_DIMENSIONS
    space = delays.settings()
    estimator = settings.estimator
    if estimator == "auto":
        filled = grid_is_filled(steps, obs_dim * delays.dimension, settings.bins)
        estimator = "binned" if filled else "gmm"
    if estimator == "binned":
        chosen = {"d_stsp": Distance(_binned, {"bins": settings.bins, **space})}
    else:
        gmm = {
            "sigma": settings.gmm_sigma or (0.3 if low_dimensional else 1.0),
            "points": settings.gmm_points,
            "samples": settings.gmm_samples,
            "seed": 0,
        }
        chosen = {"d_stsp": Distance(_gmm, {**gmm, **space})}
    chosen["d_h"] = Distance(d_h, {"smoothing": settings.spectrum_smoothing})
    if low_dimensional:
        chosen["d_stsp_paper2022"] = Distance(d_stsp_paper2022)
    if shortest >= MIN_STEPS:
        chosen["d_h_paper2022"] = Distance(d_h_paper2022)
    return estimator, {**chosen, **registered_metrics()}


def _binned(truth: Array, generated: Array, bins: int, lag: int = 1, dimension: int = 1) -> float:
    space = Delays(lag, dimension)
    return d_stsp_binned(space(truth), space(generated), bins=bins).value


def _gmm(
    truth: Array, generated: Array, lag: int = 1, dimension: int = 1, **settings: Any
) -> float:
    space = Delays(lag, dimension)
    return d_stsp_gmm(space(truth), space(generated), **settings)


def registered_metrics() -> dict[str, Distance]:
    """Return the metrics of other packages (`sfbptt.metrics`): (truth, generated) -> float.

    Raises RequestError for one that cannot be loaded, or that has the name of another.
    """
    everything: dict[str, Any] = extended(METRICS, "metrics")
    others = {name: function for name, function in everything.items() if name not in METRICS}
    return {name: Distance(f, source=_source(f)) for name, f in others.items()}


def _source(function: Callable[..., float]) -> str:
    """Return the text of a function, so that a changed one is computed again; or its name."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr(function)


def floor_pairs(truth: Array, dataset: Dataset, transient: int) -> list[tuple[Array, Array]]:
    """Return pairs of true trajectories, whose distance is as small as a perfect model's.

    They are the test trajectory with each independent one, or, for recorded data, its two halves.
    """
    if dataset.independent is None:
        half = len(truth) // 2
        return [(truth[:half], truth[half : 2 * half])]
    return [(truth, other[transient : transient + len(truth)]) for other in dataset.independent]


def _floors(
    name: str, distance: Distance, pairs: list[tuple[Array, Array]], data: dict[str, Any]
) -> list[float]:
    """Return the distance of each pair, from the cache where it was computed before."""
    how = {"metric": name, "source": distance.source, "settings": dict(distance.settings)}

    def read(path: Path) -> list[float]:
        floors = [number_of(floor) for floor in read_json(path)]
        if len(floors) != len(pairs):
            raise ValueError(f"{len(floors)} floors of {len(pairs)} pairs")
        return floors

    return cached(
        f"{name}-floors",
        {"version": _VERSION, **how, **data},
        ".json",
        lambda: [distance(*pair) for pair in pairs],
        lambda path, floors: write_json(path, [word_or_number(floor) for floor in floors]),
        read,
    )
