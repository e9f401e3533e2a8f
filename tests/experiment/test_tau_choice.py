"""The forcing interval: from the exponent, from the data, by a search."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Cli, as_dataset

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.tau_choice import predicted_tau, resolve_tau, search_tau, tau_candidates
from sfbptt_cli.training.trainer import Diverged

SETTINGS = tuple(s for s in TINY if not s.startswith("tau="))


def _logistic(steps: int) -> np.ndarray:
    x = np.empty(steps)
    x[0] = 0.4123
    for t in range(1, steps):
        x[t] = 4 * x[t - 1] * (1 - x[t - 1])
    return x[:, None]


def test_a_known_exponent_gives_ln_2_over_it() -> None:
    dataset = as_dataset(np.zeros((10, 1)), dt=0.01, lambda_max=0.9057, lambda_source="a table")
    tau, why = predicted_tau("auto", dataset)
    assert tau == round(math.log(2) / 0.009057) == 77
    assert "a table" in why
    assert resolve_tau(12, 5, dataset) == (12, "tau")
    with pytest.raises(RequestError, match=r"gives 77 steps, longer than window = 50"):
        resolve_tau("auto", 50, dataset)


@pytest.mark.parametrize("value", [0.0, -0.3])
def test_an_exponent_that_is_not_positive_is_refused(value: float) -> None:
    dataset = as_dataset(np.zeros((10, 1)), lambda_max=value, lambda_source="a table")
    with pytest.raises(RequestError, match=r"tau: auto needs a positive .*dataset.lambda_max="):
        predicted_tau("auto", dataset)


def test_recorded_data_tell_their_own() -> None:
    # The logistic map has the exponent ln 2: one step.
    tau, why = predicted_tau("auto", as_dataset(_logistic(4_000)))
    assert tau == 1
    assert "estimated from the separation of neighbours" in why
    sine = np.sin(0.05 * np.arange(6_000))[:, None]
    with pytest.raises(RequestError, match=r"tau: auto needs .* the data show none \("):
        predicted_tau("auto", as_dataset(sine))


def test_the_longest_trajectory_is_the_one_that_tells() -> None:
    data = np.concatenate([np.sin(0.05 * np.arange(1_000))[:, None], _logistic(4_000)])
    tau, _ = predicted_tau("auto", as_dataset(data, train_lengths=(1_000, 4_000)))
    assert tau == 1


def test_candidates_lie_around_the_prediction_and_within_the_window() -> None:
    assert tau_candidates(60, 80, [0.25, 0.5, 0.75, 1.0, 1.5]) == [15, 30, 45, 60, 80]
    assert tau_candidates(1, 80, [0.25, 0.5, 1.5]) == [1, 2]


def test_a_search_takes_the_lowest_score_and_repeats_none() -> None:
    asked: list[int] = []
    recorded: list[dict[int, float]] = []

    def score(tau: int) -> float:
        asked.append(tau)
        if tau == 40:
            raise Diverged("lost")
        return abs(tau - 27)

    def record(scores: dict[int, float]) -> None:
        recorded.append(dict(scores))

    assert search_tau([10, 20, 30, 40], score, {10: 5.0}, record) == 30
    assert asked == [20, 30, 40]
    assert recorded[-1] == {10: 5.0, 20: 7.0, 30: 3.0, 40: math.inf}
    assert len(recorded) == 3
    with pytest.raises(RequestError, match="diverged at every tau"):
        search_tau([40], score, {}, record)


def test_a_searched_run_says_what_it_took_and_why(
    cli: Cli, tmp_path: Path, no_figures: None
) -> None:
    settings = (*SETTINGS, "tau=search", "tau_search.epochs=1", "tau_search.factors=[.1,.5,1]")
    outcome = cli("train", *settings, cwd=tmp_path, status=0)
    run = json.loads((next((tmp_path / "outputs").rglob("run.json"))).read_text())
    scores = run["tau_search"]
    assert set(scores) == {"8", "38", "77"}
    assert scores[str(run["tau"])] == min(scores.values())
    assert run["tau_source"] == "lowest validation D_stsp of a search around 77 steps"
    assert outcome.stderr.count("after 1 epochs") == 3
