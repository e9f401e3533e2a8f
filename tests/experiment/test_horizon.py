"""The interval, the warm-up and the window that settings and data give."""

from __future__ import annotations

import re

import numpy as np
import pytest
from conftest import as_dataset, composed

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.experiment.horizon import Horizon, choose_horizon


def _choose(train: int, *overrides: str, lengths: tuple[int, ...] = ()) -> Horizon:
    data = np.random.default_rng(0).normal(size=(train, 3))
    dataset = as_dataset(data, train_lengths=lengths, lambda_max=0.5, lambda_source="a table")
    return choose_horizon(typed_config(composed("train", *overrides)), dataset)


@pytest.mark.parametrize(
    ("overrides", "tau", "warmup", "window"),
    [
        ("", 30, 0, 120),
        ("tau=7", 7, 0, 120),
        ("tau=100 warmup=20", 100, 20, 400),
        ("tau=auto", 1, 0, 120),  # ln 2 / .5
        ("tau=400", 400, 0, 999),  # the data end
        ("tau=300 warmup=400", 300, 400, 599),
        ("tau=40 window=77 warmup=5", 40, 5, 77),
        ("forcing=none", None, 0, 120),
        ("forcing=generalized", None, 0, 120),
    ],
)
def test_the_window_follows_the_interval_and_the_warm_up(
    overrides: str, tau: int | None, warmup: int, window: int
) -> None:
    found = _choose(1_000, *overrides.split())
    assert (found.tau, found.warmup, found.window) == (tau, warmup, window)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("warmup=501", "warmup: 501 was given; accepted: at most half of the 1000 training and"),
        ("warmup=500 tau=600", "tau: 600 was given; accepted: at most 499, what the longest"),
        ("warmup=10 window=990", "window: 990 was given; accepted: at most 989, what the longest"),
    ],
)
def test_what_is_longer_than_the_data_is_refused(overrides: str, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}"):
        _choose(1_000, *overrides.split())
    with pytest.raises(RequestError, match=re.escape("at most 299")):
        _choose(1_000, "tau=300", lengths=(300, 300, 300, 100))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("gain=0", "gain: 0 was given; accepted: a number above 0, at most 1, or learned"),
        ("gain=1.1", "gain: 1.1 was given; accepted: a number above 0, at most 1, or learned"),
        ("gain=0.5 warmup=0", "gain: 0.5 was given; accepted: learned where warmup is 0"),
        ("warmup=-1", "warmup: -1 was given; accepted: a whole number of at least 0, or auto"),
        ("warmup=5 forcing=none", "warmup: 5 was given; accepted: 0, as forcing=none has no"),
    ],
)
def test_observers_that_make_no_sense_are_refused(overrides: str, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}"):
        typed_config(composed("train", *overrides.split()))


def test_trajectories_that_give_no_sequence_are_said() -> None:
    data = as_dataset(np.zeros((620, 1)), train_lengths=(300, 120, 100, 100))
    found = Horizon(30, "", 20, "", 100)
    assert found.without_sequence(data) == (
        "3 of 4 training trajectories are not trained on: they have at most warmup + window = 120 "
        "steps"
    )
    assert Horizon(30, "", 0, "", 99).without_sequence(data) is None


def test_the_default_interval_is_that_of_the_kind_of_data() -> None:
    assert typed_config(composed("train")).tau == 30
    assert typed_config(composed("train", "dataset=csv", "dataset.path=x.csv")).tau == "auto"
    assert typed_config(composed("train", "dataset=temperature", "tau=20")).tau == 20
