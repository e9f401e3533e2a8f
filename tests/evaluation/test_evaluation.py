"""Evaluation of models whose behaviour is known, against truths that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.evaluation.evaluate import Evaluation, evaluate
from sfbptt_cli.evaluation.generation import generate
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.models.base import LatentModel

SETTINGS = EvaluationSettings(
    steps=2_000,
    transient=100,
    bins=10,
    gmm_points=500,
    gmm_samples=200,
    spectrum_smoothing=5.0,
    prediction_steps=3,
    valid_prediction_starts=20,
    lyapunov_steps=2_000,
)


def _henon(x: Any, y: Any) -> tuple[Any, Any]:
    return 1 - 1.4 * x**2 + y, 0.3 * x


class _Known(LatentModel):
    """A map of the plane in data units, behind the dataset's standardiser."""

    def __init__(self, scale: Standardiser, kind: str) -> None:
        super().__init__(2, 2, torch.Generator().manual_seed(0))
        with torch.no_grad():
            self.readout.weight.copy_(torch.eye(2))
        self.kind = kind
        self.mean, self.std = (torch.from_numpy(v) for v in (scale.mean, scale.std))

    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        if self.kind == "rest":
            return 0.5 * state
        if self.kind == "rotate":
            cosine, sine = math.cos(0.3), math.sin(0.3)
            rotation = [[cosine, sine], [-sine, cosine]]
            return state @ torch.tensor(rotation, dtype=state.dtype)
        if self.kind == "explode":
            return 3 * state + 1
        x, y = (state * self.std + self.mean).unbind(dim=1)
        return (torch.stack(_henon(x, y), dim=1) - self.mean) / self.std


def _trajectory(steps: int, start: float) -> np.ndarray[Any, Any]:
    x, y = start, 0.0
    states = []
    for _ in range(steps + 100):
        x, y = _henon(x, y)
        states.append((x, y))
    return np.array(states[100:])


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    series = [_trajectory(3_000, start) for start in (0.1, 0.2, 0.3, 0.15)]
    return Dataset(
        name="henon",
        train=series[0],
        test=series[1],
        independent=np.stack(series[2:]),
        variables=("x", "y"),
        dt=0.5,
        time_unit="time units",
        lambda_max=0.41922 / 0.5,
        lambda_source="Sprott (2003)",
    )


def _evaluate(dataset: Dataset, kind: str, **changes: Any) -> Evaluation:
    scale = Standardiser.of(dataset.train)
    model = _Known(scale, kind).double()
    return evaluate(model, scale, dataset, replace(SETTINGS, **changes))


def test_the_true_map_scores_at_the_floor(dataset: Dataset) -> None:
    result = _evaluate(dataset, "henon")
    assert result.dynamics == "chaotic"
    for name in ("d_stsp", "d_h", "d_stsp_paper2022", "d_h_paper2022"):
        metric = result.metrics[name]
        low, high = metric["floor_range"]
        assert low <= metric["floor"] <= high
        # The same trajectory for some 80 steps, then an independent true one.
        assert metric["value"] < 2 * high, name
    exponent = result.metrics["lambda_max"]
    assert exponent["value"] == pytest.approx(0.41922 / 0.5, rel=0.02)
    assert exponent["truth"] == pytest.approx(0.41922 / 0.5)
    # 1 + .41922 / |ln .3 - .41922| (Grassberger and Procaccia 1983: 1.258).
    assert result.metrics["kaplan_yorke_dimension"]["value"] == pytest.approx(1.258, abs=0.01)
    assert result.metrics["prediction_error"]["value"] < 1e-20
    # Float64 rounding grows to the attractor's size in ln(1e16)/λ = 88 steps, 37 Lyapunov times:
    # beyond the horizon of 15.
    assert result.metrics["valid_prediction_time"]["value"] == pytest.approx(15, abs=0.5)
    assert result.metrics["valid_prediction_time"]["censored"] == 1
    # Rounding grows as the exponent says: by a factor of e a Lyapunov time.
    growth = result.metrics["valid_prediction_time"]["growth"]
    time, error = (np.array(growth[key]) for key in ("time", "mean_ln_error"))
    slope, _ = np.polyfit(time[error > -33], error[error > -33], 1)
    assert slope == pytest.approx(1, rel=0.1)
    assert growth["time"][-1] == pytest.approx(15, abs=0.5)
    assert len(growth["time"]) <= 60
    # Truth and generation are of the same times.
    assert result.truth.shape == result.generated.shape == (2_100, 2)
    np.testing.assert_array_equal(result.truth, dataset.test[1:2_101])
    np.testing.assert_allclose(result.generated[:20], result.truth[:20], atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "dynamics", "exponent"),
    [
        ("rest", "fixed point", math.log(0.5) / 0.5),
        ("rotate", "cycle", 0.0),
        ("explode", "diverged", "nan"),
    ],
)
def test_wrong_models_are_named_and_score_badly(
    dataset: Dataset, kind: str, dynamics: str, exponent: float | str
) -> None:
    result = _evaluate(dataset, kind)
    found = result.metrics["lambda_max"]["value"]
    assert found == (exponent if exponent == "nan" else pytest.approx(exponent, rel=1e-6, abs=1e-8))
    assert result.dynamics == dynamics
    metrics = result.metrics
    assert metrics["d_stsp"]["value"] > 20 * metrics["d_stsp"]["floor"]
    assert metrics["d_h"]["value"] > 3 * metrics["d_h"]["floor"]
    assert metrics["valid_prediction_time"]["value"] < 2
    assert metrics["prediction_error"]["value"] > 0.1
    last = metrics["valid_prediction_time"]["growth"]["mean_ln_error"][-1]
    assert (last > 10) == (kind == "explode")
    assert all(metric["value"] is not None for metric in metrics.values())


def test_prediction_error_of_all_points_and_of_some(dataset: Dataset) -> None:
    z = Standardiser.of(dataset.train).standardise(dataset.test)
    expected = np.mean((0.5**3 * z[:-3] - z[3:]) ** 2)
    whole = _evaluate(dataset, "rest", prediction_starts="all").metrics["prediction_error"]
    assert whole["value"] == pytest.approx(expected, rel=1e-9)
    assert whole["starts"] == len(dataset.test) - 3
    some = _evaluate(dataset, "rest", prediction_starts=400).metrics["prediction_error"]
    assert some["starts"] == 400
    assert some["standard_error"] == pytest.approx(
        whole["standard_error"] * math.sqrt(whole["starts"] / 400), rel=0.2
    )
    assert abs(some["value"] - expected) < 4 * some["standard_error"]


def test_a_short_recorded_series_is_used_whole(dataset: Dataset) -> None:
    recorded = replace(dataset, independent=None, lambda_max=None)
    result = _evaluate(recorded, "henon", steps=100_000, transient=1_000)
    assert result.measured_steps == 2_999 - 299
    assert result.metrics["valid_prediction_time"]["unit"] == "time units"
    assert result.metrics["lambda_max"]["truth"] is None
    # The floor is one number: between the two halves.
    low, high = result.metrics["d_stsp"]["floor_range"]
    assert low == high > 0


def test_generation_in_chunks_is_generation_at_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = Standardiser.of(dataset.train)
    model = _Known(scale, "rotate").double()
    whole = generate(model, scale, dataset.test[:3, None], 50)
    monkeypatch.setattr("sfbptt_cli.evaluation.generation._CHUNK", 21)
    np.testing.assert_array_equal(generate(model, scale, dataset.test[:3, None], 50), whole)
