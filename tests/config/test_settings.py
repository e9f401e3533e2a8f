"""What settings accept, and the line that refuses the rest."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import pytest

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.settings import Settings, checked, number, whole, word
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.config.store import GROUPS
from sfbptt_cli.models.settings import MODEL_SETTINGS
from sfbptt_cli.training.settings import LR_SCHEDULE_SETTINGS, OPTIMIZER_SETTINGS


def _short(name: str, value: list[int]) -> None:
    if len(value) > 2:
        raise RequestError(f"{name}: too long")


@dataclass
class _Example(Settings):
    group: ClassVar[str] = "example"

    steps: Any = whole(5, 2, 1_000, "auto")
    count: Any = whole(None, 0)
    above: Any = number(1.0, above=0)
    inside: Any = number(0.5, above=0, below=1)
    closed: Any = number(0.5, "auto", at_least=0, at_most=1)
    upper: Any = number(0.5, above=0, at_most=1)
    lower: Any = number(0.5, at_least=0, below=1)
    least: Any = number(1.0, at_least=1)
    free: Any = number(0.0)
    device: str = word("auto", "cpu", "cuda")
    list: Any = checked([1], _short)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count == 0:
            self.require_unused("example.count is 0", "steps", "list", "above")


_NAN = float("nan")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"steps": 2},
        {"steps": 1_000},
        {"steps": "auto"},
        {"count": 0},
        {"count": 10**30},
        {"above": 5e-324},
        {"above": 3},
        {"closed": 0},
        {"closed": 1},
        {"closed": "auto"},
        {"upper": 1},
        {"lower": 0},
        {"least": 1},
        {"free": -1e300},
        {"device": "cuda"},
        {"list": []},
        {"above": None, "device": None},  # null is for OmegaConf to refuse
    ],
)
def test_accepted(given: dict[str, Any]) -> None:
    assert {**asdict(_Example()), **given} == asdict(_Example(**given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 1}, "steps: 1 was given; accepted: a whole number of at least 2, or auto"),
        ({"steps": 1_001}, "steps: 1001 was given; accepted: a number of at most 1,000, or auto"),
        ({"steps": "x"}, "steps: 'x' was given; accepted: a whole number of at least 2, or auto"),
        ({"steps": 2.5}, "steps: 2.5 was given; accepted: a whole number of at least 2, or auto"),
        ({"count": -1}, "count: -1 was given; accepted: a whole number of at least 0"),
        ({"count": "auto"}, "count: 'auto' was given; accepted: a whole number of at least 0"),
        ({"above": 0}, "above: 0 was given; accepted: a number above 0"),
        ({"above": _NAN}, "above: nan was given; accepted: a number above 0"),
        ({"above": float("inf")}, "above: inf was given; accepted: a number above 0"),
        ({"above": True}, "above: True was given; accepted: a number above 0"),
        ({"above": "x"}, "above: 'x' was given; accepted: a number above 0"),
        ({"inside": 0.0}, "inside: 0.0 was given; accepted: a number between 0 and 1"),
        ({"inside": 1.0}, "inside: 1.0 was given; accepted: a number between 0 and 1"),
        ({"closed": 1.5}, "closed: 1.5 was given; accepted: a number from 0 to 1, or auto"),
        ({"closed": "aut"}, "closed: 'aut' was given; accepted: a number from 0 to 1, or auto"),
        ({"upper": 0}, "upper: 0 was given; accepted: a number above 0, at most 1"),
        ({"lower": 1}, "lower: 1 was given; accepted: a number from 0, below 1"),
        ({"least": 0.9}, "least: 0.9 was given; accepted: a finite number of at least 1"),
        ({"free": _NAN}, "free: nan was given; accepted: a number"),
        ({"device": "cpo"}, "device: 'cpo' was given; accepted: auto, cpu, cuda (did you mean"),
        ({"list": [1, 2, 3]}, "list: too long"),
        (
            {"count": 0, "steps": 7},
            "steps: 7 was given; accepted: 5 where example.count is 0",
        ),
        ({"count": 0, "list": [2]}, "list: [2] was given; accepted: [1] where example.count is 0"),
    ],
)
def test_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape('example.' + message)}"):
        _Example(**given)


def test_defaults_are_not_shared() -> None:
    _Example().list.append(2)
    assert _Example().list == [1]


_PLAIN: dict[str, Any] = {
    "dataset": {"name": "lorenz", "source": "simulated", "system": "lorenz", "dt": 0.01},
    "model": {"name": "lstm"},
    "forcing": {"name": "sparse"},
    "tau_schedule": {"name": "constant"},
    "optimizer": {"name": "soap"},
    "lr_schedule": {"name": "onecycle"},
}
_GENERALIZED = {
    "forcing": {"name": "generalized"},
    "tau_schedule": None,
    "alpha": {"name": "constant"},
    "tau": None,
}
_NONE = {"forcing": {"name": "none"}, "tau_schedule": None, "tau": None}


def _settings(**changes: Any) -> TrainSettings:
    return typed_config({**_PLAIN, **changes})


def _rates() -> dict[str, float]:
    """The learning rate of each optimizer with each model, those of the Adam family alike."""
    gated, tanh, piecewise = ("lstm", "gru"), ("rnn",), ("plrnn", "dendritic_plrnn")
    models = {
        **dict.fromkeys(gated, 1.5e-2),
        **dict.fromkeys(tanh, 1e-2),
        **dict.fromkeys((*piecewise, "shallow_plrnn", "al_rnn"), 5e-3),
    }
    adams = {f"{o} {m}": rate for m, rate in models.items() for o in ("adam", "adamw", "radam")}
    soap = {f"soap {m}": 1e-2 for m in models}
    return {**adams, **soap, **{f"sgd {m}": 1.5e-2 for m in models}}


@pytest.mark.parametrize("optimizer", OPTIMIZER_SETTINGS)
@pytest.mark.parametrize("model", MODEL_SETTINGS)
def test_automatic_rates(optimizer: str, model: str) -> None:
    found = _settings(optimizer={"name": optimizer}, model={"name": model})
    assert found.optimizer.learning_rate == _rates()[f"{optimizer} {model}"]
    assert asdict(found.lr_schedule)["rise"] == (0.1 if optimizer == "soap" else 0.3)
    given = {"name": optimizer, "learning_rate": 0.123}
    found = _settings(optimizer=given, lr_schedule={"name": "onecycle", "rise": 0.45})
    assert found.optimizer.learning_rate == 0.123
    assert asdict(found.lr_schedule)["rise"] == 0.45


@pytest.mark.parametrize("schedule", LR_SCHEDULE_SETTINGS)
def test_only_a_cycle_rises(schedule: str) -> None:
    stored = asdict(_settings(lr_schedule={"name": schedule}))["lr_schedule"]
    assert ("rise" in stored) == (schedule == "onecycle")
    assert ("final" in stored) == (schedule in ("cosine", "exponential"))


@pytest.mark.parametrize("changes", [{}, _GENERALIZED, _NONE, {"tau": "auto"}, {"tau": "search"}])
def test_settings_come_back_from_plain_values(changes: dict[str, Any]) -> None:
    settings = _settings(**changes)
    assert typed_config(asdict(settings)) == settings


def test_every_choice_of_every_group_is_refused_as_a_single_value() -> None:
    for group in GROUPS:
        with pytest.raises(RequestError, match=f"^{group}: 3 was given; accepted: a config group"):
            _settings(**{group: 3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"validation": {"every": 0, "steps": 700}},
            "validation.steps: 700 was given; accepted: 5000 where validation.every is 0",
        ),
        (
            {"validation": {"every": 0, "trajectories": 3}},
            "validation.trajectories: 3 was given; accepted: 20 where validation.every is 0",
        ),
        (
            {"validation": {"every": 0, "jacobian_norms": True}},
            "validation.jacobian_norms: True was given; accepted: False where validation.every",
        ),
        (
            {"tau_search": {"epochs": 3}},
            "tau_search.epochs: 3 was given; accepted: 10 where tau is not search",
        ),
        (
            {"tau_search": {"factors": [1.0]}},
            "tau_search.factors: [1.0] was given; accepted: [0.25, 0.5, 0.75, 1.0, 1.5] where",
        ),
        (
            {"tau": "search", "tau_search": {"factors": []}},
            "tau_search.factors: [] was given; accepted: numbers above 0",
        ),
        (
            {"tau": "search", "ensemble": 2},
            "ensemble: 2 was given; accepted: 1 with tau=search",
        ),
        (
            {"regularization": {"manifold_fraction": 0.25}},
            "regularization.manifold_fraction: 0.25 was given; accepted: 0.5 where "
            "regularization.manifold_weight is 0",
        ),
        (
            {"alpha": {"name": "annealed"}},
            "alpha: annealed was given; accepted: null, as forcing=sparse has none",
        ),
        (
            {"tau_schedule": None},
            "tau_schedule: null was given; accepted: a name, as forcing=sparse has one",
        ),
        (
            {**_GENERALIZED, "alpha": None},
            "alpha: null was given; accepted: a name, as forcing=generalized has one",
        ),
        (
            {**_GENERALIZED, "tau_schedule": {"name": "random"}},
            "tau_schedule: random was given; accepted: null, as forcing=generalized has none",
        ),
        ({**_NONE, "tau": 30}, "tau: 30 was given; accepted: null, as forcing=none has no inter"),
        ({"tau": None}, "tau: nothing was given; accepted: a whole number of time steps from 1"),
        (
            {"lr_schedule": {"name": "cosine", "rise": 0.1}},
            "lr_schedule.rise: there is no such setting; accepted: final, name",
        ),
        (
            {"lr_schedule": {"name": "onecycle", "rise": 1.0}},
            "lr_schedule.rise: 1.0 was given; accepted: a number between 0 and 1, or auto",
        ),
        (
            {"optimizer": {"name": "adam", "momentum": 0.5}},
            "optimizer.momentum: there is no such setting; accepted: clip_norm, clip_value, lear",
        ),
        (
            {"optimizer": {"name": "adam", "learning_rate": "high"}},
            "optimizer.learning_rate: 'high' was given; accepted: a number above 0, or auto",
        ),
        (
            {"optimizer": {"name": "adam", "learning_rate": None}},
            "optimizer.learning_rate: null was given; accepted: a number above 0, or auto",
        ),
        (
            {"optimizer": {"name": "adam", "clip_norm": True}},
            "optimizer.clip_norm: 'True' was given; accepted: a number",
        ),
        (
            {"lr_schedule": {"name": "onecycle", "rise": True}},
            "lr_schedule.rise: 'True' was given; accepted: a number, or auto",
        ),
        (
            {"model": {"name": "al_rnn", "latent_dim": 4, "linear_threshold_units": 5}},
            "model.linear_threshold_units: 5 was given; accepted: a whole number from 0 to "
            "model.latent_dim = 4",
        ),
        (
            {**_GENERALIZED, "alpha": {"name": "constant", "value": 1.5}},
            "alpha.value: 1.5 was given; accepted: a number from 0 to 1",
        ),
        (
            {**_GENERALIZED, "alpha": {"name": "adaptive", "estimator": "mean"}},
            "alpha.estimator: 'mean' was given; accepted: arithmetic_mean, maximum, product",
        ),
        ({"logger": "wandb"}, "logger: 'wandb' was given; accepted: csv, tensorboard"),
        ({"threads": 0}, "threads: 0 was given; accepted: a whole number of at least 1, or auto"),
    ],
)
def test_what_would_be_ignored_or_is_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}"):
        _settings(**changes)
