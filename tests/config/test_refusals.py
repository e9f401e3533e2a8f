"""Settings out of range, of a wrong type or unknown are refused: name, value, what is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import composed
from omegaconf import OmegaConf

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.config.schema import checked_config, typed_config

TAU = "accepted: a whole number of time steps from 1 to window = "
TAU_TYPE = "accepted: a whole number of time steps, auto or search"
FOLDER = "accepted: a folder name without '/' that does not start with '.'"


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    """The settings of a training with every default."""
    return composed("train")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("tau=abc", "tau: 'abc' was given; " + TAU),
        ("tau=0", "tau: '0' was given; " + TAU),
        ("tau=-1", "tau: '-1' was given; " + TAU),
        ("tau=101 window=100", "tau: '101' was given; " + TAU + "100, auto or search"),
        ("tau=null", "tau: nothing was given; " + TAU),
        ("tau=''", "tau: '' was given; " + TAU),
        ("tau=30.5", "tau: '30.5' was given; " + TAU_TYPE),
        ("tau=[1]", "tau: '[1]' was given; " + TAU_TYPE),
        ("window=abc", "window: 'abc' was given; accepted: a whole number"),
        ("window=null", "window: null was given; accepted: a whole number"),
        ("window=999 dataset.train_steps=999", "window: 999 was given; accepted: at most dataset."),
        ("seed=-1", "seed: -1 was given; accepted: a whole number of at least 0"),
        ("ensemble=0", "ensemble: 0 was given; accepted: "),
        ("ensemble=2 tau=search", "ensemble: 2 was given; accepted: 1 with tau=search"),
        ("device=tpu", "device: 'tpu' was given; accepted: auto, cpu, cuda"),
        ("logger=csw", "logger: 'csw' was given; accepted: csv, tensorboard (did you me"),
        ("overwrite=maybe", "overwrite: 'maybe' was given; accepted: true or false"),
        ("name=a/b", "name: 'a/b' was given; " + FOLDER),
        ("name=''", "name: '' was given; " + FOLDER),
        ("name=..", "name: '..' was given; " + FOLDER),
        ("dataset.name=../x", "dataset.name: '../x' was given; " + FOLDER),
        ("outputs=''", "outputs: '' was given; accepted: the folder of all runs"),
        ("dataset.parameters.rho=a", "dataset.parameters.rho: 'a' was given; accepted: a number"),
        ("dataset.parameters.rho=.inf", "dataset.parameters.rho: inf was given; accepted: a fin"),
        ("dataset.dt=.nan", "dataset.dt: nan was given; accepted: a number above 0"),
        ("dataset.lambda_max=.inf", "dataset.lambda_max: inf was given; accepted: a number"),
        ("dataset.source=array", "dataset.lag: there is no such setting; accepted: "),
        ("model.name=lst", "model.name: 'lst' is unknown; accepted: "),
        ("model.latent_dim=0", "model.latent_dim: 0 was given; accepted: a whole number of at le"),
        ("model=3", "model: 3 was given; accepted: a config group"),
        ("validation=3", "validation: 3 was given; accepted: its settings"),
        ("lr_schedule.rise=1", "lr_schedule.rise: 1"),
        ("optimizer.clip_norm=0", "optimizer.clip_norm: 0"),
        ("evaluation.checkpoint=lst", "evaluation.checkpoint: 'lst'"),
        ("tau='${oc.env:HOME}'", "tau: '${oc.env:HOME}' was given; accepted: a value"),
        ("tua=3", "tua: there is no such setting; accepted: "),
    ],
)
def test_train(usual: dict[str, Any], overrides: str, message: str) -> None:
    given = OmegaConf.from_dotlist(overrides.split())
    changed = OmegaConf.to_container(OmegaConf.merge(usual, given), resolve=False)
    assert isinstance(changed, dict)
    with pytest.raises(RequestError) as refused:
        typed_config({str(key): value for key, value in changed.items()})
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("evaluate", {}, "run: nothing was given; accepted: either the folder of a run (run=DIR)"),
        ("evaluate", {"run": "a", "runs": "b"}, "run: runs, too, was given"),
        ("evaluate", {"run": "a", "jobs": 2}, "jobs: 2 was given; accepted: auto where runs is nu"),
        ("evaluate", {"run": "a", "device": "tpu"}, "device: 'tpu' was given; accepted: auto, c"),
        ("evaluate", {"run": "a", "threads": 0}, "threads: 0 was given; accepted: a whole number"),
        ("evaluate", {"run": "a", "evaluation": {"bins": 1}}, "evaluation.bins: 1 was given; acce"),
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
def test_other_commands(command: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as refused:
        checked_config(settings, COMMANDS[command])
    assert str(refused.value).startswith(message)
