"""Requests that cannot be met: one line each, exit status 2, and nothing is touched."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import TINY, Cli, Finished, edit, run_folder, tree

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.storage.run_folder import RunFolder

DATA = tuple(override for override in TINY if override.startswith("dataset."))
FINITE_SERIES = np.random.default_rng(0).standard_normal((1_500, 3))


@pytest.fixture
def workplace(finished: Finished, tmp_path: Path) -> Path:
    """Copy a finished run into a working directory of its own."""
    return Path(shutil.copytree(finished.cwd, tmp_path / "work place"))


def refused(cli: Cli, cwd: Path, *arguments: str) -> str:
    """Return the message of a request that is refused in one line and touches nothing."""
    before = tree(cwd)
    outcome = cli(*arguments, cwd=cwd, status=2)
    assert outcome.stdout == ""
    lines = outcome.stderr.splitlines()
    assert len(lines) == 1, outcome.stderr
    assert lines[0].startswith("sfbptt: ")
    assert tree(cwd) == before
    return lines[0]


NOT_A_SETTING = "there is no such setting; accepted: those of sfbptt train --help"


@pytest.mark.parametrize(
    ("overrides", "fragments"),
    [
        # What Hydra refuses; tests/config has the values that the settings refuse.
        ("tua=3", ["tua: ", NOT_A_SETTING, "did you mean 'tau'?"]),
        ("dataset.parameters.rh=3", ["dataset.parameters.rh: ", "mean 'dataset.parameters.rho'?"]),
        ("hydra.foo=3", ["hydra.foo: ", NOT_A_SETTING]),
        ("hydra.launcher.foo=3", ["hydra.launcher.foo: ", "train --cfg hydra -p hydra.launcher"]),
        ("++tua=3", ["tua: there is no such setting; accepted: ", "did you mean 'tau'?"]),
        ("+tau=3", ["tau: '+tau=", "accepted: tau="]),
        ("~optimizer.clip_norm", ["optimizer.clip_norm: '~optimizer.clip_norm' was", "key=value"]),
        ("=3", ["'=3' was given; accepted: key=value"]),
        ("tau", ["'tau' was given; accepted: tau=…"]),
        ("tau=[", ["'tau=[' was given; accepted: key=value"]),
        ("tau=1,2", ["tau: '1,2' was given; accepted: one value, or several with -m"]),
        ("tau=${nothing}", ["tau: ", "'nothing' not found", "accepted: a value"]),
        ("tau=???", ["tau: '???' was given; accepted: a value"]),
        ("model=null", ["model: 'null' was given; accepted: ", "lstm"]),
        ("outputs=a,b=c model=lst", ["model: 'lst' was given; ", "did you mean 'lstm'?"]),
        ("tau_schedule=null", ["tau_schedule: 'null' was given; accepted: ", "annealed"]),
        ("validation=3", ["validation: 3 was given; accepted: ", "validation.…="]),
        ("dataset=npy", ["dataset.path: nothing was given; accepted: ", ".npy"]),
        ("dataset=npy dataset.path=nowhere.npy", ["/nowhere.npy' is not a file"]),
        (
            "dataset=lorenz96 dataset.lambda_max=1 evaluation.estimator=binned",
            ["evaluation.estimator: binned was given; accepted: auto or gmm beyond 5"],
        ),
        ("seed=-1", ["seed: -1 was given; accepted: a whole number of at least 0"]),
        ("--foo", ["--foo: there is no such flag; accepted: --help, --cfg, -m"]),
        ("--cfg jb", ["--cfg", "'jb'", "'job'"]),
        # Names that others have, and settings of what is chosen, not of something else.
        ("model.hidden_size=3", ["no such setting", "did you mean 'model.latent_dim'?"]),
        ("lr=0.1", ["did you mean 'optimizer.learning_rate'?"]),
        ("dataset.rho=3", ["did you mean 'dataset.parameters.rho'?"]),
        ("rho=3", ["did you mean 'dataset.parameters.rho'?"]),
        ("dataset=rossler rho=3", ["rho: there is no such setting", "(accepted with dataset=lor"]),
        ("model.hidden_dim=3", ["mean 'model.latent_dim'?; accepted with model=shallow_plrnn)"]),
        ("model=gru hidden_size=3", ["did you mean 'model.latent_dim'?"]),
        ("optimizer.weight_decay=0.1", ["accepted with optimizer=adamw)"]),
        ("momentum=0.9", ["(accepted with optimizer=sgd)"]),
        ("data=x.csv", ["did you mean 'dataset.path'?"]),
        ("recording.csv", ["'recording.csv' was given; accepted: dataset.path=recording.csv"]),
        ("dropout=0.1", ["dropout: ", "sfbptt train --help"]),
        ("--epochs 5", ["--epochs: there is no such flag", "did you mean epochs=5?"]),
        ("--batch-size=64", ["did you mean batch_size=64?"]),
        ("--lr 0.1", ["did you mean 'optimizer.learning_rate'?"]),
        ("epochs 5", ["'epochs' was given; accepted: epochs=5"]),
        ("epochs:5", ["'epochs:5' was given; accepted: epochs=5"]),
        ("device=gpu", ["device: 'gpu' was given; accepted: ", "did you mean 'cuda'?"]),
        ("forcing=gtf", ["forcing: 'gtf' was given; accepted: ", "did you mean 'generalized'?"]),
        (
            "forcing=generalized model=shallow_plrnn",
            [
                "model.latent_dim: auto was given; accepted: a number with forcing=generalized and "
                "model=shallow_plrnn,",
                "model.latent_dim=3 model.readout=identity",
            ],
        ),
        ("forcing=generalized alpha=0.1", ["alpha: '0.1' was", "did you mean alpha.value=0.1?"]),
        ("model=LSTM", ["model: 'LSTM' was given; accepted: ", "did you mean 'lstm'?"]),
        (
            "tau=500 window=120",
            ["tau: '500' was given; accepted: ", "window=500 makes room for it"],
        ),
        ("tau= 30", ["'tau= 30' was given; accepted: tau=30 without a blank"]),
        ("tau = 30", ["'=' was given; accepted: tau=… without blanks"]),
        ("lorenz", ["'lorenz' was given; accepted: dataset=lorenz"]),
        (
            "-m seed=0..4",
            ["seed: '0..4' was given; accepted: ", "with -m 'seed=range(0,5)' for 0 to 4"],
        ),
        ("seed=3-7", ["seed: '3-7' was given; accepted: ", "'seed=range(3,8)' for 3 to 7"]),
        ("name=a(b", ["'name=a(b' was given; accepted: key=value, where", "name='a, b'"]),
        # What is no more.
        *[
            (given, ["ensemble: there is no such setting any more; ", "accepted: -m seed=0,1,2"])
            for given in ("ensemble=8", "++ensemble=8", "-m ensemble=2,4")
        ],
        ("-m tua=1,2", ["tua: there is no such setting", "did you mean 'tau'?"]),
    ],
)
def test_train(cli: Cli, workplace: Path, overrides: str, fragments: list[str]) -> None:
    small = DATA if "dataset=lorenz96" in overrides else ()
    message = refused(cli, workplace, "train", *small, *overrides.split(" "))
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("command", ["evaluate", "report", "generate", "gradients", "lyapunov"])
def test_a_folder_without_its_key(cli: Cli, workplace: Path, command: str) -> None:
    run = run_folder(workplace).relative_to(workplace)
    key = "runs" if command == "report" else "run"
    message = refused(cli, workplace, command, str(run))
    assert f"'{run}' was given; accepted: {key}={run}" in message
    if command == "evaluate":
        message = refused(cli, workplace, command, "outputs")
        assert "'outputs' was given; accepted: runs=outputs" in message


def test_a_folder_above_a_run_names_it(cli: Cli, workplace: Path) -> None:
    message = refused(cli, workplace, "evaluate", "run=outputs")
    run = run_folder(workplace).relative_to(workplace)
    assert f"'outputs' is not a run, but holds 1: {run}; accepted: one of them" in message


def test_whole_numbers_may_have_exponents(cli: Cli, workplace: Path) -> None:
    given = ("evaluation.steps=1e5", "epochs=2.0", "name=1e5", "tau=1.2e1", "dataset.dt=1e-2")
    text = cli("train", *given, "--cfg", "job", cwd=workplace, status=0).stdout
    settings = yaml.safe_load(text)
    assert (settings["evaluation"]["steps"], settings["epochs"]) == (100_000, 2)
    assert (settings["tau"], settings["dataset"]["dt"]) == (12, 0.01)
    assert float(settings["name"]) == 1e5
    message = refused(cli, workplace, "train", "epochs=2.5")
    assert "epochs: '2.5' was given; accepted: a whole number" in message


@pytest.mark.parametrize("command", ["trian", "", "TRAIN"])
def test_unknown_command(cli: Cli, workplace: Path, command: str) -> None:
    message = refused(cli, workplace, command)
    assert f"'{command}' is not a command; accepted: evaluate, " in message
    assert ("did you mean 'train'?" in message) == bool(command)


def test_no_command_shows_the_usage(cli: Cli, tmp_path: Path) -> None:
    outcome = cli(cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert "usage:" in outcome.stderr
    assert "train" in outcome.stderr


def test_a_value_of_a_data_file(cli: Cli, workplace: Path) -> None:
    """In a file whose name needs quotes in Hydra's grammar."""
    series = FINITE_SERIES.copy()
    series[7, 1] = math.nan
    np.save(workplace / "series, a=1.npy", series)
    message = refused(cli, workplace, "train", "dataset=npy", "dataset.path=series, a=1.npy")
    for fragment in ("dataset.path: ", "series, a=1.npy", "row 7, column 1", "nan", "accepted: "):
        assert fragment in message


@pytest.mark.parametrize(
    ("command", "fragments"),
    [
        ("evaluate run=nowhere", ["run: 'nowhere' is not a folder; accepted: the folder of a run"]),
        ("evaluate run=RUN tau=30", ["tau: there is no such setting; ", "evaluate --help"]),
        ("evaluate run=RUN evaluation.bin=5", ["evaluation.bin: ", "mean 'evaluation.bins'?"]),
        (
            "evaluate run=RUN evaluation=default",
            ["evaluation: default was", "evaluation.…="],
        ),
        (
            "evaluate run=RUN evaluation.prediction_steps=1200",
            [
                "evaluation.prediction_steps: 1200 was",
                "less than the 1190 test steps after the warm-up",
            ],
        ),
        ("evaluate runs=nowhere", ["runs: 'nowhere' is not a folder"]),
        ("evaluate runs=empty", ["runs: 'empty' holds no run"]),
        ("gradients run=RUN steps=5000", ["steps: 5000 was given; accepted: at most 1189"]),
        ("lyapunov dataset=lorenz run=x", ["run: a dataset, too, was given"]),
        ("lyapunov dataset=npy method=equations", ["method: 'equations' was given; accepted: da"]),
        ("lyapunov dataset=lorenz exponents=4", ["exponents: 4 was given; accepted: 1 to 3"]),
        ("lyapunov dataset=mackey_glass", ["exponents: null was given; accepted for mackey_glass"]),
        ("train from=empty", ["from: 'empty' is not a run"]),
    ],
)
def test_other_commands(cli: Cli, workplace: Path, command: str, fragments: list[str]) -> None:
    (workplace / "empty").mkdir()
    run = str(run_folder(workplace).relative_to(workplace))
    small = DATA if "dataset=lorenz" in command or "glass" in command else ()
    message = refused(cli, workplace, *command.replace("RUN", run).split(), *small)
    for fragment in fragments:
        assert fragment in message


def _become(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _replace(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: edit(path, old, new)


@pytest.mark.parametrize(
    ("file", "damage", "fragments"),
    [
        ("best", Path.unlink, ["checkpoint: ", "does not exist"]),
        ("best", _become("nothing"), ["checkpoint: ", "damaged", "overwrite=true"]),
        (
            "config_file",
            _replace("device: cpu", "device: ${oc.env:HOME}"),
            ["device: '${oc.env:HOME}' was given; accepted: a value"],
        ),
        (
            "config_file",
            _replace("tau: 30", "tua: 30"),
            ["tua: there is no such setting; accepted: ", "did you mean 'tau'?"],
        ),
        ("config_file", _replace("window: 100", "window: 0"), ["window: 0 was", "at least 1"]),
        ("config_file", _replace("rho: 28.0", "rho: a"), ["dataset.parameters.rho: 'a' was"]),
        ("config_file", _replace("name: lstm", "name: lst"), ["model.name: 'lst'", "'lstm'?"]),
        ("config_file", _become("- 1\n- 2\n"), ["run: ", "not a mapping"]),
        ("config_file", _become("a: [\n"), ["run: ", "cannot be read"]),
        ("config_file", _become("model: 3\n"), [": None was given; accepted: a config group"]),
        ("config_file", _replace("latent_dim: auto", "latent_dim: 31"), ["does not fit the model"]),
        (
            "config_file",
            _replace("  observed: null", "  observed:\n  - x\n  - z"),
            ["observes 3 variables, the dataset of config.yaml has 2"],
        ),
        ("config_file", Path.unlink, ["run: ", "is not a run"]),
    ],
)
def test_a_damaged_run(
    own_run: Path, file: str, damage: Callable[[Path], object], fragments: list[str]
) -> None:
    """Every command opens runs so; those of the reports are left out of them."""
    damage(getattr(RunFolder(own_run), file))
    with pytest.raises(RequestError) as refused:
        attrgetter("model", "dataset")(Run(own_run))
    for fragment in [str(own_run), *fragments]:
        assert fragment in str(refused.value)
