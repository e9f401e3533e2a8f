"""The forcing interval: from the exponent, from the data, by a search."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Cli, as_dataset

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.memory import Memory
from sfbptt_cli.experiment.tau_choice import predicted_tau, search_tau, tau_candidates
from sfbptt_cli.experiment.tau_trials import chosen_text
from sfbptt_cli.training.trainer import Diverged

SETTINGS = tuple(s for s in TINY if not s.startswith("tau="))


def _unasked() -> Memory:
    raise AssertionError("the exponent is known")


def _logistic(steps: int) -> np.ndarray:
    x = np.empty(steps)
    x[0] = 0.4123
    for t in range(1, steps):
        x[t] = 4 * x[t - 1] * (1 - x[t - 1])
    return x[:, None]


def test_a_known_exponent_gives_ln_2_over_it() -> None:
    dataset = as_dataset(np.zeros((10, 1)), dt=0.01, lambda_max=0.9057, lambda_source="a table")
    tau, why = predicted_tau(dataset, 100, _unasked)
    assert tau == round(math.log(2) / 0.009057) == 77
    assert "a table" in why
    assert predicted_tau(dataset, 50, _unasked) == (50, f"{why}: 77 steps, cut to the 50 that fit")


_SINE = np.sin(0.05 * np.arange(6_000))[:, None]


@pytest.mark.parametrize("value", [0.0, -0.3, None])
def test_without_chaos_the_memory_of_the_data_tells(value: float | None) -> None:
    dataset = as_dataset(_SINE, lambda_max=value, lambda_source="a table")
    assert predicted_tau(dataset, 1_000, lambda: Memory(0, "", 63)) == (
        63,
        "no sign of a positive exponent: the steps ahead that are predicted to 0.1% of the "
        "variance plus twice the error of one step",
    )
    tau, why = predicted_tau(dataset, 1_000, lambda: Memory(20, "", None))
    assert (tau, "too few data" in why) == (30, True)


def test_recorded_data_tell_their_own() -> None:
    # The logistic map has the exponent ln 2: one step.
    tau, why = predicted_tau(as_dataset(_logistic(4_000)), 1_000, _unasked)
    assert tau == 1
    assert "estimated from the separation of neighbours" in why


def test_the_longest_trajectory_is_the_one_that_tells() -> None:
    data = np.concatenate([_SINE[:1_000], _logistic(4_000)])
    tau, _ = predicted_tau(as_dataset(data, train_lengths=(1_000, 4_000)), 1_000, _unasked)
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


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (3.1, "it stands out"),
        (6.0, "it does not stand out: 10 may be as good"),
        (math.inf, "10, 40"),
    ],
)
def test_a_tau_stands_out_against_another_seed(again: float, expected: str) -> None:
    assert expected in chosen_text(30, {10: 5.0, 30: 3.0, 40: 7.0}, again)


def test_a_tau_at_the_end_of_the_search_is_named() -> None:
    assert chosen_text(40, {10: 5.0, 30: 3.0, 40: 1.0}, 1.1).endswith("longer may be better")
    assert chosen_text(10, {10: 1.0, 30: 3.0, 40: 7.0}, 1.1).endswith("shorter may be better")


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
    assert outcome.stderr.count("after 1 epochs") == 4  # the best one with another seed, too
    assert re.search(
        r"tau = \d+: lowest .*; it (stands out|does not stand out: .*)$", outcome.stderr, re.M
    )
