"""What settings accept, and the line that refuses the rest."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import pytest
import yaml
from conftest import composed
from strangers import refusal

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.settings import Settings, checked, number, whole, word
from sfbptt_cli.config.commands import COMMANDS, TrainSettings
from sfbptt_cli.config.schema import checked_config, typed_config
from sfbptt_cli.config.store import GROUPS
from sfbptt_cli.experiment.build import build_model
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
    device: str = word("cpu", "cuda")
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
        {"device": None},  # null is for OmegaConf to refuse
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
        ({"above": None}, "above: null was given; accepted: a number above 0"),
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
        ({"device": "cpo"}, "device: 'cpo' was given; accepted: cpu, cuda (did you mean"),
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


_PLAIN = """
dataset.name=lorenz dataset.source=simulated dataset.system=lorenz dataset.dt=0.01 model.name=lstm
forcing.name=sparse tau_schedule.name=constant optimizer.name=soap lr_schedule.name=onecycle
"""
_GENERALIZED = "forcing.name=generalized tau_schedule=null tau=null alpha.name=constant"
_NONE = "forcing.name=none tau_schedule=null tau=null"
_RATE = "optimizer.learning_rate: "


def _settings(given: str = "") -> TrainSettings:
    """Settings from `key=value …` as YAML; later ones win."""
    plain: dict[str, Any] = {}
    for key, _, value in (setting.partition("=") for setting in f"{_PLAIN} {given}".split()):
        group, _, name = key.partition(".")
        if name:
            plain[group] = {**(plain.get(group) or {}), name: yaml.safe_load(value)}
        else:
            plain[group] = yaml.safe_load(value)
    return typed_config(plain)


def _rates() -> dict[str, float]:
    """The learning rate of each optimizer with each model, those of the Adam family alike."""
    models = dict.fromkeys(MODEL_SETTINGS, 5e-3) | {"lstm": 1.5e-2, "gru": 1.5e-2, "rnn": 1e-2}
    adams = {f"{o} {m}": rate for m, rate in models.items() for o in ("adam", "adamw", "radam")}
    soap = {f"soap {m}": 2e-2 if m in ("lstm", "gru", "rnn") else 1e-2 for m in models}
    return {**adams, **soap, **{f"sgd {m}": 1.5e-2 for m in models}}


@pytest.mark.parametrize("optimizer", OPTIMIZER_SETTINGS)
@pytest.mark.parametrize("model", MODEL_SETTINGS)
def test_automatic_rates(optimizer: str, model: str) -> None:
    chosen = f"optimizer.name={optimizer} model.name={model}"
    found = _settings(chosen)
    assert found.optimizer.learning_rate == _rates()[f"{optimizer} {model}"]
    assert asdict(found.lr_schedule)["rise"] == (0.1 if optimizer == "soap" else 0.3)
    hidden = _settings(f"{chosen} dataset.observed=[x]").optimizer.learning_rate
    assert hidden == (1e-2 if optimizer == "soap" else found.optimizer.learning_rate)
    found = _settings(f"{chosen} optimizer.learning_rate=0.123 lr_schedule.rise=0.45")
    assert found.optimizer.learning_rate == 0.123
    assert asdict(found.lr_schedule)["rise"] == 0.45


@pytest.mark.parametrize(
    "given",
    [
        *("", _GENERALIZED, _NONE, "tau=auto", "tau=search tau_search.epochs=3"),
        "validation.every=0",
        "regularization.manifold_weight=0.1 regularization.manifold_fraction=0.25",
        "optimizer.clip_norm=null",
        *(f"lr_schedule.name={name}" for name in LR_SCHEDULE_SETTINGS),
    ],
)
def test_settings_come_back_from_plain_values(given: str) -> None:
    settings = _settings(given)
    assert typed_config(asdict(settings)) == settings


def test_a_stored_run_of_an_earlier_version_is_read_as_it_was_trained() -> None:
    stored = composed("train")
    now = typed_config(stored)
    assert (now.loss, now.denoise) == ("cauchy", "auto")
    del stored["loss"], stored["denoise"]
    then = typed_config(stored)
    assert (then.loss, then.denoise) == ("squared", "none")


_TAU = "a whole number of time steps from 1 to 100,000, auto or search"
_TAU_TYPE = "a whole number of time steps, auto or search"
_FOLDER = "a folder name without '/' that does not start with '.'"
_POSITIVE = "a number above 0, or auto"


@pytest.mark.parametrize(
    ("given", "refused", "accepted"),
    [
        # Ranges, types and words.
        *[(f"tau={x}", f"tau: '{x}'", _TAU) for x in ("abc", "0", "-1", "100001")],
        *[(f"tau={x}", f"tau: '{x}'", _TAU_TYPE) for x in ("30.5", "[1]")],
        ("tau=''", "tau: ''", _TAU),
        ("tau=null", "tau: nothing", _TAU),
        ("window=abc", "window: 'abc'", "a whole number"),
        ("window=null", "window: null", "a whole number"),
        ("window=999 dataset.train_steps=999", "window: 999", "at most dataset."),
        ("seed=-1", "seed: -1", "a whole number of at least 0"),
        ("threads=0", "threads: 0", "a whole number of at least 1"),
        ("device=tpu", "device: 'tpu'", "cpu, cuda"),
        ("logger=csw", "logger: 'csw'", "csv, tensorboard (did you me"),
        ("overwrite=maybe", "overwrite: 'maybe'", "true or false"),
        *[(f"name={x}", f"name: '{x}'", _FOLDER) for x in ("a/b", "..")],
        ("name=''", "name: ''", _FOLDER),
        ("dataset.name=../x", "dataset.name: '../x'", _FOLDER),
        ("outputs=''", "outputs: ''", "the folder of all runs"),
        ('dataset.parameters={"rho":"a"}', "dataset.parameters.rho: 'a'", "a number"),
        ('dataset.parameters={"rho":.inf}', "dataset.parameters.rho: inf", "a fin"),
        ("dataset.dt=.nan", "dataset.dt: nan", "a number above 0"),
        ("dataset.lambda_max=.inf", "dataset.lambda_max: inf", "a number"),
        *[
            (f"model.latent_dim={x}", f"model.latent_dim: {said}", "a whole number of at le")
            for x, said in (("0", "0"), ("null", "null"), ("true", "True"), ("1.5", "1.5"))
        ],
        (
            "model.name=al_rnn model.latent_dim=4 model.linear_threshold_units=5",
            "model.linear_threshold_units: 5",
            "a whole number from 0 to model.latent_dim = 4",
        ),
        ("lr_schedule.rise=1.0", "lr_schedule.rise: 1.0", "a number between 0 and 1, or auto"),
        ("lr_schedule.rise=true", "lr_schedule.rise: 'True'", "a number, or auto"),
        *[
            (f"optimizer.learning_rate={x}", f"optimizer.learning_rate: {said}", _POSITIVE)
            for x, said in (("high", "'high'"), ("null", "null"), ("true", "True"))
        ],
        ("optimizer.clip_norm=0", "optimizer.clip_norm: 0.0", "a number above 0"),
        ("optimizer.clip_norm=true", "optimizer.clip_norm: 'True'", "a number"),
        ("evaluation.checkpoint=lst", "evaluation.checkpoint: 'lst'", ""),
        ("tau=search tau_search.factors=[]", "tau_search.factors: []", "numbers above 0"),
        (f"{_GENERALIZED} alpha.value=1.5", "alpha.value: 1.5", "a number from 0 to 1"),
        (
            f"{_GENERALIZED} alpha.name=adaptive alpha.estimator=mean",
            "alpha.estimator: 'mean'",
            "arithmetic_mean, maximum, product",
        ),
        # What would be accepted and ignored.
        ("validation.every=0 validation.steps=700", "validation.steps: 700", "5000 where valid"),
        ("validation.every=0 validation.trajectories=3", "validation.trajectories: 3", "20 where"),
        (
            "validation.every=0 validation.jacobian_norms=true",
            "validation.jacobian_norms: True",
            "False where validation.every is 0",
        ),
        ("tau_search.epochs=3", "tau_search.epochs: 3", "10 where tau is not search"),
        ("tau_search.factors=[1.0]", "tau_search.factors: [1.0]", "[0.25, 0.5, 0.75, 1.0, 1.5] "),
        (
            "regularization.manifold_fraction=0.25",
            "regularization.manifold_fraction: 0.25",
            "0.5 where regularization.manifold_weight is 0",
        ),
        # What the method does not have, or lacks.
        ("alpha.name=annealed", "alpha: annealed", "null, as forcing=sparse has none"),
        ("tau_schedule=null", "tau_schedule: null", "a name, as forcing=sparse has one"),
        (f"{_GENERALIZED} alpha=null", "alpha: null", "a name, as forcing=generalized has one"),
        (
            f"{_GENERALIZED} tau_schedule.name=random",
            "tau_schedule: random",
            "null, as forcing=generalized has none",
        ),
        (f"{_NONE} tau=30", "tau: 30", "null, as forcing=none has no interval"),
        # What would read the environment.
        ("tau=${oc.env:HOME}", "tau: '${oc.env:HOME}'", "a value"),
        ("tau_search.factors=['${a}']", "tau_search.factors: '${a}'", "a value"),
        ("validation=3", "validation: 3", "its settings"),
        *[(f"{group}=3", f"{group}: 3", "a config group") for group in GROUPS],
    ],
)
def test_what_is_refused(given: str, refused: str, accepted: str) -> None:
    message = re.escape(f"{refused} was given; accepted: {accepted}")
    with pytest.raises(RequestError, match=f"^{message}") as error:
        _settings(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("lr_schedule.name=cosine lr_schedule.rise=0.1", "final, name"),
        ("optimizer.name=adam optimizer.momentum=0.5", "clip_norm, clip_value, learning_rate, "),
        ("alpha.name=constant alpha.gamma=0.5", "name, value"),
        ("forcing.alpha=0.5", "name"),
        ("tua=3", ""),
        ("dataset.source=array dataset.system=lorenz", "columns, dt, "),
    ],
)
def test_a_setting_of_another_choice_is_refused(given: str, accepted: str) -> None:
    key = given.split()[-1].partition("=")[0]
    with pytest.raises(RequestError, match=f"^{key}: there is no such .*; accepted: {accepted}"):
        _settings(given)


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("evaluate", {}, "run: nothing was given; accepted: either the folder of a run (run=DIR)"),
        ("evaluate", {"run": "a", "runs": "b"}, "run: runs, too, was given"),
        ("evaluate", {"run": "a", "jobs": 2}, "jobs: 2 was given; accepted: auto where runs is nu"),
        ("evaluate", {"run": "a", "device": "tpu"}, "device: 'tpu' was given; accepted: cpu, c"),
        ("evaluate", {"run": "a", "threads": 0}, "threads: 0 was given; accepted: a whole number"),
        ("evaluate", {"run": "a", "evaluation": {"bins": 1}}, "evaluation.bins: 1 was given; acce"),
        ("inspect", {}, "dataset: nothing was given; accepted: a dataset (dataset=NAME"),
        ("lyapunov", {}, "run: nothing was given; accepted: either the folder of a run"),
        ("lyapunov", {"run": "x", "theiler": 3}, "theiler: 3 was given; accepted: null where meth"),
        ("lyapunov", {"run": "x", "steps": 1}, "steps: 1 was given; accepted: a whole number of"),
        ("lyapunov", {"run": "x", "method": "data"}, "method: 'data' was given; accepted: model"),
        ("lyapunov", {"run": "x", "fit": [9, 2]}, "fit: [9, 2] was given"),
        ("gradients", {}, "run: nothing was given"),
        ("gradients", {"run": "x", "tau": 20_000}, "tau: 20000 was given; accepted: a whole numb"),
        ("gradients", {"run": "x", "lengths": 1}, "lengths: 1 was given"),
        ("report", {}, "runs: nothing was given; accepted: a folder with runs in it (runs=DIR)"),
    ],
)
def test_what_other_commands_refuse(command: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as refused:
        checked_config(settings, COMMANDS[command])
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "observed", "M"),
    [("auto", 1, 30), ("auto", 5, 50), ("auto", 20, 100), ("auto", 128, 128), ("7", 20, 7)],
)
def test_latent_states_follow_the_observed_variables(given: str, observed: int, M: int) -> None:
    config = _settings(f"model.latent_dim={given}").model
    assert config.latent_states(observed) == M
    assert build_model(config, observed, 0, seed=0).latent_dim == M


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"batch_size": 100_000}, "batch_size: 100000 "),
        ({"window": 100_000, "batch_size": 100}, "batch_size: 100 "),
        ({"batches_per_epoch": 1_000_000, "batch_size": 64}, "batches_per_epoch: 1000000 "),
        ({"name": "n" * 260}, "name: 'nnn"),
        ({"outputs": "a/" + "n" * 260}, "outputs: 'nnn"),
        ({"name": "ö" * 101}, "name: 'ööö"),
        ({"name": "a\x07"}, "name: 'a"),
    ],
)
def test_what_no_machine_or_file_system_holds_is_refused(
    changes: dict[str, Any], field: str
) -> None:
    plain = composed("train", "dataset.train_steps=200000") | changes
    assert refusal(lambda: typed_config(plain)).startswith(field)
