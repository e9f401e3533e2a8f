"""The interval, the warm-up and the window that settings and data give."""

from __future__ import annotations

import re

import numpy as np
import pytest
from conftest import as_dataset, composed

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.experiment.build import build_model, latent_weight
from sfbptt_cli.experiment.horizon import Horizon, choose_horizon
from sfbptt_cli.experiment.memory import Memory, suggested_gain, suggested_warmup
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.system import Times


def _choose(train: int, *overrides: str, lengths: tuple[int, ...] = ()) -> Horizon:
    data = np.random.default_rng(0).normal(size=(train, 3))
    dataset = as_dataset(data, train_lengths=lengths, lambda_max=0.5, lambda_source="a table")
    return choose_horizon(typed_config(composed("train", *overrides)), dataset, dataset)


@pytest.mark.parametrize(
    ("overrides", "tau", "warmup", "window"),
    [
        ("", 30, 10, 120),
        ("tau=7", 7, 10, 120),
        ("tau=100 warmup=20", 100, 20, 400),
        ("tau=auto", 1, 10, 120),  # ln 2 / .5
        ("tau=400", 400, 10, 989),  # the data end
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


@pytest.mark.parametrize(("system", "warmup"), [("Thomas", 10), ("ArnoldBeltramiChildress", 17)])
def test_a_phase_that_is_seen_through_one_sine_is_no_complete_state(
    system: str, warmup: int
) -> None:
    pytest.importorskip("dysts")
    settings = SimulatedSettings(name="flow", library="dysts", system=system, dt=None)
    assert suggested_warmup(settings, lambda: Memory(17, "", None))[0] == warmup


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
    with pytest.raises(RequestError, match=re.escape("at most 289")):
        _choose(1_000, "tau=300", lengths=(300, 300, 300, 100))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("gain=0", "gain: 0 was given; accepted: a number above 0, at most 1, or auto, or learned"),
        (
            "gain=1.1",
            "gain: 1.1 was given; accepted: a number above 0, at most 1, or auto, or learned",
        ),
        ("gain=0.5 warmup=0", "gain: 0.5 was given; accepted: auto where warmup is 0"),
        ("warmup=-1", "warmup: -1 was given; accepted: a whole number of at least 0, or auto"),
        ("warmup=5 forcing=none", "warmup: 5 was given; accepted: 0, as forcing=none has no"),
    ],
)
def test_observers_that_make_no_sense_are_refused(overrides: str, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}"):
        typed_config(composed("train", *overrides.split()))


@pytest.mark.parametrize(
    ("observed", "noise", "gain"),
    [(slice(None), 0.05, 0.2), (slice(1), 0.0, "learned"), (slice(1), 0.05, 0.2)],
    ids=["noise", "unseen variables", "both"],
)
def test_gain_and_loss_follow_the_noise(observed: slice, noise: float, gain: float | str) -> None:
    system = find_system("lorenz", "sfbptt")
    times = Times(2_000, 10_000, 0.01)
    series = integrate(system, system.parameters, np.array(system.start), times, 1e-9, 1e-9)
    series = series[:, observed]
    series += noise * series.std(axis=0) * np.random.default_rng(0).normal(size=series.shape)
    config = typed_config(composed("train", "dataset=csv", "dataset.path=x.csv", "tau=30"))
    dataset = as_dataset(series)
    found = choose_horizon(config, dataset, dataset)
    assert found.warmup > 0
    assert found.gain == gain
    assert found.loss_scale == pytest.approx(max(1e-3, 4 * noise**2), rel=0.15)


def test_the_gain_against_noise_is_that_of_a_kalman_filter() -> None:
    """The filter of x' = a x, of which y = x + noise is seen: its Riccati equation, iterated."""
    settings = typed_config(composed("train", "dataset=csv", "dataset.path=x.csv")).dataset
    noisy = Memory(40, "", None, noisy=True)
    for tau in (1, 3, 6):
        variance, gain = 1.0, 0.0
        for _ in range(200):
            variance *= 4 ** (1 / tau)  # before the observation, in variances of its noise
            gain = variance / (variance + 1)
            variance *= 1 - gain
        assert suggested_gain(settings, lambda: noisy, tau) == pytest.approx(gain, rel=1e-6)
    assert suggested_gain(settings, lambda: noisy, 100) == 0.2


@pytest.mark.parametrize(
    ("steps", "overrides", "weight"),
    [
        (5_000, (), 1e-6),
        (50_000, (), 0),
        (50_000, ("model.latent_dim=100",), 1e-6),
        (5_000, ("regularization.latent_weight=0",), 0),
        (50_000, ("regularization.latent_weight=1e-4",), 1e-4),
    ],
)
def test_few_data_for_many_parameters_hold_them_back(
    steps: int, overrides: tuple[str, ...], weight: float
) -> None:
    config = typed_config(composed("train", *overrides))
    model = build_model(config.model, 3, 0, seed=0)  # 3,900 parameters, or 40,000
    assert latent_weight(config, as_dataset(np.zeros((steps, 3))), model) == weight


def test_trajectories_that_give_no_sequence_are_said() -> None:
    data = as_dataset(np.zeros((620, 1)), train_lengths=(300, 120, 100, 100))
    found = Horizon(30, "", 20, "", "learned", 1e-3, 100)
    assert found.without_sequence(data) == (
        "3 of 4 training trajectories are not trained on: they have at most warmup + window = 120 "
        "steps"
    )
    assert Horizon(30, "", 0, "", "learned", 1e-3, 99).without_sequence(data) is None


def test_the_default_interval_is_that_of_the_kind_of_data() -> None:
    assert typed_config(composed("train")).tau == 30
    assert typed_config(composed("train", "dataset=csv", "dataset.path=x.csv")).tau == "auto"
    assert typed_config(composed("train", "dataset=temperature", "tau=20")).tau == 20
