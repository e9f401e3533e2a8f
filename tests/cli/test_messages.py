"""Requests that cannot be met: one line each, exit status 2, and nothing is touched."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, Finished, run_folder, tree

FINITE_SERIES = np.random.default_rng(0).standard_normal((1_500, 3))


@pytest.fixture
def workplace(finished: Finished, tmp_path: Path) -> Path:
    """A working directory with a finished run in it."""
    return Path(shutil.copytree(finished.cwd, tmp_path / "work place"))


def refused(cli: Cli, cwd: Path, *arguments: str) -> str:
    """The message of a request that was refused as every one should be."""
    before = tree(cwd)
    outcome = cli(*arguments, cwd=cwd)
    assert outcome.status == 2, outcome
    assert outcome.stdout == ""
    lines = outcome.stderr.splitlines()
    assert len(lines) == 1, outcome.stderr
    assert lines[0].startswith("sfbptt: ")
    assert tree(cwd) == before
    return lines[0]


TAU = "accepted: a whole number of time steps from 1 to window = "
TAU_TYPE = "accepted: a whole number of time steps, auto or search"
FOLDER = "accepted: a folder name without '/' that does not start with '.'"
NOT_A_SETTING = "there is no such setting; accepted: those of sfbptt train --cfg job"


@pytest.mark.parametrize(
    ("overrides", "fragments"),
    [
        ("tua=3", ["tua: ", NOT_A_SETTING, "did you mean 'tau'?"]),
        ("modell=lstm", ["modell: ", NOT_A_SETTING, "did you mean 'model'?"]),
        ("optimizer.nam=x", ["optimizer.nam: ", NOT_A_SETTING, "did you mean 'optimizer.name'?"]),
        ("dataset.parameters.rh=3", ["dataset.parameters.rh: ", "mean 'dataset.parameters.rho'?"]),
        ("hydra.foo=3", ["hydra.foo: ", NOT_A_SETTING]),
        ("+foo=3", ["foo: there is no such setting; accepted: ", "tau"]),
        ("++tua=3", ["tua: there is no such setting; accepted: ", "did you mean 'tau'?"]),
        ("+tau=3", ["tau: '+tau=", "accepted: tau="]),
        ("~tau", ["tau: '~tau' was given; accepted: key=value"]),
        ("~tua", ["tua: '~tua' was given; accepted: key=value"]),
        ("~optimizer.warmup", ["optimizer.warmup: '~optimizer.warmup' was", "key=value"]),
        ("=3", ["'=3' was given; accepted: key=value"]),
        ("tau", ["'tau' was given; accepted: key=value"]),
        ("tau=[", ["'tau=[' was given; accepted: key=value"]),
        ("model=lst", ["model: 'lst' was given; accepted: ", "lstm", "did you mean 'lstm'?"]),
        ("model=null", ["model: 'null' was given; accepted: ", "lstm"]),
        ("outputs=a,b=c optimizer=3", ["optimizer: '3' was given; accepted: ", "adam"]),
        ("model.name=lst", ["model.name: 'lst' is unknown; accepted: ", "did you mean 'lstm'?"]),
        ("validation=3", ["validation: 3 was given; accepted: ", "validation.…="]),
        ("dataset.parameters=3", ["dataset.parameters: ", "dataset.parameters.…="]),
        ("dataset.source=array", ["dataset.system: there is no such setting; accepted: ", "path"]),
        ("tau=abc", ["tau: 'abc' was given; ", TAU]),
        ("tau=0", ["tau: '0' was given; ", TAU]),
        ("tau=-1", ["tau: '-1' was given; ", TAU]),
        ("tau=101 window=100", ["tau: '101' was given; ", TAU + "100, auto or search"]),
        ("tau=", ["tau: '' was given; ", TAU]),
        ("tau=30.5", ["tau: '30.5' was given; ", TAU_TYPE]),
        ("tau=[1]", ["tau: '[1]' was given; ", TAU_TYPE]),
        ("tau=null", ["tau: nothing was given; ", TAU]),
        ("tau=???", ["tau: '???' was given; accepted: a value"]),
        ("tau=1,2", ["tau: '1,2' was given; accepted: one value, or several with -m"]),
        ("tau=${nothing}", ["tau: ", "'nothing' not found", "accepted: a value"]),
        ("window=abc", ["window: 'abc' was given; accepted: a whole number"]),
        ("window=null", ["window: null was given; accepted: a whole number"]),
        ("window=1000 dataset.train_steps=1000", ["window: 1000 was", "train_steps - 1 = 999"]),
        ("model.latent_dim=0", ["model.latent_dim: 0 was", "a whole number of at least 1"]),
        ("dataset.parameters.rho=a", ["dataset.parameters.rho: 'a' was", "accepted: a number"]),
        ("dataset.parameters.rho=inf", ["dataset.parameters.rho: inf was", "a finite number"]),
        ("dataset.dt=nan", ["dataset.dt: nan was given; accepted: a number above 0"]),
        ("dataset.lambda_max=inf", ["dataset.lambda_max: inf was given", "a finite number"]),
        ("optimizer.schedule=onecyle", ["optimizer.schedule: 'onecyle' was", "'onecycle'?"]),
        ("optimizer.warmup=1", ["optimizer.warmup: 1.0 was given; accepted: ", "between 0 and 1"]),
        ("device=tpu", ["device: 'tpu' was given; accepted: auto, cpu, cuda", "mean 'cpu'?"]),
        ("dataset=npy", ["dataset.path: nothing was given; accepted: ", ".npy"]),
        ("overwrite=maybe", ["overwrite: 'maybe' was given; accepted: true or false"]),
        ("name=a/b", ["name: 'a/b' was given; ", FOLDER]),
        ("name=", ["name: '' was given; ", FOLDER]),
        ("name=..", ["name: '..' was given; ", FOLDER]),
        ("dataset.name=../x", ["dataset.name: '../x' was given; ", FOLDER]),
        ("outputs=", ["outputs: '' was given; accepted: the folder of all runs"]),
        ("seed=-1", ["seed: -1 was given; accepted: a whole number of at least 0"]),
        ("evaluation.checkpoint=lst", ["evaluation.checkpoint: 'lst'", "best, last", "'last'?"]),
        ("--foo", ["--foo: there is no such flag; accepted: --help, --cfg, -m"]),
        ("--cfg jb", ["--cfg", "'jb'", "'job'"]),
    ],
)
def test_train(cli: Cli, workplace: Path, overrides: str, fragments: list[str]) -> None:
    message = refused(cli, workplace, "train", *overrides.split(" "))
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("command", ["trian", "", "TRAIN"])
def test_unknown_command(cli: Cli, workplace: Path, command: str) -> None:
    message = refused(cli, workplace, command)
    assert f"'{command}' is not a command; accepted: evaluate, " in message
    assert ("did you mean 'train'?" in message) == (command == "trian")


def test_no_command_shows_the_usage(cli: Cli, tmp_path: Path) -> None:
    outcome = cli(cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert "usage:" in outcome.stderr
    assert "train" in outcome.stderr


def _save(series: object) -> Callable[[Path], None]:
    return lambda path: np.save(path, np.asarray(series))


def _with(row: int, column: int, value: float) -> np.ndarray:
    series = FINITE_SERIES.copy()
    series[row, column] = value
    return series


CONSTANT = np.column_stack([FINITE_SERIES[:, 0], np.full(len(FINITE_SERIES), 4.5)])


@pytest.mark.parametrize(
    ("write", "fragments"),
    [
        (lambda path: None, ["is not a file", "accepted: .npy"]),
        (lambda path: path.touch(), ["is empty"]),
        (lambda path: path.write_text("1 2 3\n4 5 6\n"), ["cannot be read"]),
        (_save(np.zeros((0, 3))), ["is empty", "(0, 3)"]),
        (_save([["a", "b"], ["c", "d"]]), ["<U1", "accepted: real numbers"]),
        (_save(np.zeros((50, 3, 2, 2))), ["(50, 3, 2, 2)", "accepted: (time, variables)"]),
        (_save(_with(7, 1, math.nan)), ["row 7, column 1", "nan", "accepted: finite numbers"]),
        (_save(_with(1499, 2, math.inf)), ["row 1499, column 2", "inf", "accepted: finite"]),
        (_save(_with(0, 0, -math.inf)), ["row 0, column 0", "-inf", "accepted: finite"]),
        (_save(CONSTANT), ["column 1 ", "constant", "accepted: columns that vary"]),
        (_save(FINITE_SERIES[:110]), ["too short", "accepted: at least window + 1 = "]),
    ],
    ids=lambda value: None if callable(value) else value[0],
)
def test_data_file(
    cli: Cli, workplace: Path, write: Callable[[Path], None], fragments: list[str]
) -> None:
    path = workplace / "series, a=1.npy"
    write(path)
    message = refused(cli, workplace, "train", "dataset=npy", f"dataset.path={path.name}")
    for fragment in ["dataset.path: ", path.name, *fragments]:
        assert fragment in message


@pytest.mark.parametrize(
    ("overrides", "fragments"),
    [
        ("", ["run: nothing was given; accepted: either the folder of a run (run=DIR)"]),
        ("run=nowhere", ["run: 'nowhere' is not a folder; accepted: the folder of a run"]),
        ("run=outputs", ["run: 'outputs' is not a run", "accepted: the folder of a run"]),
        ("run", ["'run' was given; accepted: key=value"]),
        ("run=RUN tau=30", ["tau: there is no such setting; accepted: ", "evaluate --cfg job"]),
        ("run=RUN evaluation.bins=1", ["evaluation.bins: 1 was given", "at least 2"]),
        ("run=RUN evaluation.bin=5", ["evaluation.bin: ", "did you mean 'evaluation.bins'?"]),
        ("run=RUN evaluation=defalt", ["evaluation: 'defalt' was", "did you mean 'default'?"]),
        ("run=RUN device=tpu", ["device: 'tpu' was given; accepted: auto, cpu, cuda"]),
        ("run=RUN threads=0", ["threads: 0 was given", "at least 1"]),
        (
            "run=RUN evaluation.prediction_steps=1200",
            ["evaluation.prediction_steps: 1200 was", "less than the 1200 test steps"],
        ),
    ],
)
def test_evaluate(cli: Cli, workplace: Path, overrides: str, fragments: list[str]) -> None:
    given = overrides.replace("RUN", str(run_folder(workplace).relative_to(workplace)))
    message = refused(cli, workplace, "evaluate", *given.split())
    for fragment in fragments:
        assert fragment in message


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _become(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _replace(old: str, new: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("file", "damage", "fragments"),
    [
        ("checkpoints/best.safetensors", _cut, ["checkpoint: ", "damaged", "overwrite=true"]),
        ("checkpoints/best.safetensors", Path.unlink, ["checkpoint: ", "does not exist"]),
        (
            "config.yaml",
            _replace("device: auto", "device: ${oc.env:HOME}"),
            ["device: '${oc.env:HOME}' was given; accepted: a value"],
        ),
        (
            "config.yaml",
            _replace("tau: 30", "tua: 30"),
            ["tua: there is no such setting; accepted: ", "did you mean 'tau'?"],
        ),
        ("config.yaml", _replace("window: 100", "window: 0"), ["window: 0 was", "at least 1"]),
        ("config.yaml", _replace("window: 100", "window: a"), ["window: 'a' was", "whole number"]),
        ("config.yaml", _replace("rho: 28.0", "rho: a"), ["dataset.parameters.rho: 'a' was"]),
        ("config.yaml", _replace("name: lstm", "name: lst"), ["model.name: 'lst'", "'lstm'?"]),
        ("config.yaml", _become("- 1\n- 2\n"), ["run: ", "not a mapping"]),
        ("config.yaml", _become("a: [\n"), ["run: ", "cannot be read"]),
        ("config.yaml", _become("model: 3\n"), [": None was given; accepted: a config group"]),
        ("config.yaml", Path.unlink, ["run: ", "is not a run"]),
    ],
)
def test_evaluate_a_damaged_run(
    cli: Cli,
    workplace: Path,
    file: str,
    damage: Callable[[Path], object],
    fragments: list[str],
) -> None:
    run = run_folder(workplace)
    damage(run / file)
    message = refused(cli, workplace, "evaluate", f"run={run.relative_to(workplace)}")
    for fragment in [str(run.relative_to(workplace)), *fragments]:
        assert fragment in message


def test_automatic_tau_needs_an_exponent(cli: Cli, workplace: Path) -> None:
    np.save(workplace / "series.npy", FINITE_SERIES)
    data = ("dataset=npy", "dataset.path=series.npy")
    message = refused(cli, workplace, "train", *data, "tau=auto")
    assert "tau: auto needs a positive largest Lyapunov exponent" in message
    assert "accepted: dataset.lambda_max=" in message
    falling = refused(cli, workplace, "train", *data, "tau=auto", "dataset.lambda_max=-0.5")
    assert "-0.5 (dataset.lambda_max)" in falling


def test_automatic_tau(cli: Cli, tmp_path: Path, tiny: tuple[str, ...], no_figures: None) -> None:
    short = refused(cli, tmp_path, "train", *tiny, "tau=auto", "window=76")
    assert "tau: auto gives 77 steps, longer than window = 76; accepted: window=77" in short
    outcome = cli("train", *tiny, "tau=auto", "window=100", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    run = run_folder(tmp_path)
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["tau"] == round(math.log(2) / (0.9057 * 0.01)) == 77
    assert "ln 2 / (lambda_max dt)" in manifest["tau_source"]
    assert "Viswanath" in manifest["tau_source"]
    assert run.parent.name.startswith("sparse-tauauto,")
    assert (run / "metrics.csv").read_text().splitlines()[1].split(",")[2] == "77.0"
