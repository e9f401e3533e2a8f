"""Distances beside their floors, which are computed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import as_dataset

from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.evaluation import distances
from sfbptt_cli.evaluation.distances import Distance, measure_distances
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.evaluation.state_space import Delays, delays_of

SETTINGS = EvaluationSettings(bins=7, gmm_points=50, gmm_samples=20, spectrum_smoothing=3.0)
_RANDOM = np.random.default_rng(0).normal(size=(5, 700, 3))
GENERATED = _RANDOM[4, 100:]


@pytest.fixture
def simulated() -> Dataset:
    """A dataset with two independent trajectories."""
    return as_dataset(_RANDOM[0], test=_RANDOM[1], independent=_RANDOM[2:4])


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each distance as it is computed, with an empty cache."""
    monkeypatch.setenv("SFBPTT_CACHE", str(tmp_path / "cache"))
    found: list[str] = []
    compute = Distance.__call__

    def counted(self: Distance, *pair: Any) -> float:
        found.append(getattr(self.function, "__name__", "?"))
        return compute(self, *pair)

    monkeypatch.setattr(Distance, "__call__", counted)
    return found


def _measure(dataset: Dataset, **changes: Any) -> dict[str, dict[str, Any]]:
    settings = replace(SETTINGS, **changes)
    return measure_distances(dataset.test[100:], GENERATED, dataset, 100, settings)


def test_a_second_measurement_computes_no_floor(simulated: Dataset, calls: list[str]) -> None:
    first = _measure(simulated)
    assert len(calls) == 3 * len(first)  # of the generation and of two pairs
    calls.clear()
    assert _measure(simulated) == first
    assert len(calls) == len(first)
    calls.clear()
    _measure(simulated, bins=8)
    assert calls.count("_binned") == 3
    assert len(calls) == len(first) + 2


def test_other_data_have_other_floors(simulated: Dataset, calls: list[str]) -> None:
    assert simulated.independent is not None
    before = _measure(simulated)
    calls.clear()
    other = simulated.independent.copy()
    other[1, -1] += 1e-3
    changed = replace(simulated, independent=other)
    after = _measure(changed)
    assert len(calls) == 3 * len(after)
    assert after["d_h"]["floor"] != before["d_h"]["floor"]
    assert after["d_h"]["value"] == before["d_h"]["value"]
    calls.clear()
    measure_distances(simulated.test[100:-1], GENERATED, simulated, 100, SETTINGS)
    assert len(calls) == 3 * len(after)


def test_a_floor_is_the_median_over_the_pairs(simulated: Dataset, calls: list[str]) -> None:
    assert simulated.independent is not None
    truth = simulated.test[100:]
    found = _measure(simulated)["d_h"]
    floors = [distances.d_h(truth, other[100:], smoothing=3.0) for other in simulated.independent]
    assert found["floor"] == np.median(floors)
    assert found["floor_range"] == [min(floors), max(floors)]
    assert found["value"] == distances.d_h(truth, GENERATED, smoothing=3.0)
    assert found["smoothing"] == 3.0
    recorded = _measure(replace(simulated, independent=None))["d_h"]
    assert recorded["floor"] == distances.d_h(truth[:300], truth[300:], smoothing=3.0)


def test_metrics_of_other_packages_have_floors_too(
    simulated: Dataset, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean_distance(truth: Any, generated: Any) -> float:
        return abs(truth.mean() - generated.mean())

    def extended(table: dict[str, Any], group: str) -> dict[str, Any]:
        assert group == "metrics"
        return {**table, "mean": mean_distance}

    monkeypatch.setattr(distances, "extended", extended)
    found = _measure(simulated)
    assert list(found)[-1] == "mean"
    truth = simulated.test[100:]
    assert found["mean"]["value"] == mean_distance(truth, GENERATED)
    assert simulated.independent is not None
    floors = [mean_distance(truth, other[100:]) for other in simulated.independent]
    assert found["mean"]["floor"] == np.median(floors)
    calls.clear()
    assert _measure(simulated) == found
    assert len(calls) == len(found)


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("estimator", "bins", "found"),
    [
        ("auto", 8, "binned"),  # 512 cells for 600 points
        ("auto", 9, "gmm"),  # 729
        ("binned", 9, "binned"),
        ("gmm", 10, "gmm"),
    ],
)
def test_histograms_are_for_grids_that_the_points_fill(
    estimator: str, bins: int, found: str, simulated: Dataset
) -> None:
    metrics = _measure(simulated, estimator=estimator, bins=bins)
    assert metrics["d_stsp"]["estimator"] == found
    assert ("sigma" in metrics["d_stsp"]) is (found == "gmm")
    assert ("bins" in metrics["d_stsp"]) is (found == "binned")


@pytest.mark.usefixtures("calls")
def test_few_variables_are_compared_by_delay_vectors() -> None:
    """A scalar that visits the same values in another order is another attractor."""
    t = 0.3 * np.arange(2_000)
    sine, backwards = np.sin(t)[:, None], np.random.default_rng(1).permutation(np.sin(t))[:, None]
    found = measure_distances(sine, backwards, as_dataset(sine), 0, SETTINGS)
    assert (found["d_stsp"]["lag"], found["d_stsp"]["dimension"]) == (5, 2)  # a quarter of a period
    assert found["d_stsp"]["floor"] < 0.1
    assert found["d_stsp"]["value"] > 0.5
    by_mixtures = replace(SETTINGS, estimator="gmm")
    found = measure_distances(sine, backwards, as_dataset(sine), 0, by_mixtures)
    assert found["d_stsp"]["value"] > 0.2
    # Two variables that are a state need no delays, two of a larger system do.
    circle = np.stack([np.sin(t), np.cos(t)], axis=1)
    assert delays_of(circle, 2_000) == Delays()
    torus = np.stack([np.sin(t), np.sin(2**0.5 * t)], axis=1)
    assert delays_of(torus, 2_000).dimension == 2
    assert delays_of(sine, 15) == Delays()  # too short for a second value


@pytest.mark.usefixtures("calls")
def test_beyond_five_variables_the_estimator_is_the_mixture() -> None:
    wide = np.tile(_RANDOM[0], 3)
    found = measure_distances(wide, wide[::-1], as_dataset(wide), 0, SETTINGS)
    assert (found["d_stsp"]["estimator"], found["d_stsp"]["sigma"]) == ("gmm", 1.0)
    assert "d_stsp_paper2022" not in found
