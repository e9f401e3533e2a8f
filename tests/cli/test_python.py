"""Training from Python: the run that the command makes, and nothing left behind."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
import yaml
from conftest import TINY, Cli, results, run_folders, tree
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import sfbptt_cli
from sfbptt_cli import RequestError, Run, load_run

# Those of every dataset.
KEPT = [*(o for o in TINY if not o.startswith("dataset.")), "figures=none"]
SETTINGS: dict[str, Any] = {k: yaml.safe_load(v) for k, v in (o.split("=") for o in KEPT)}


def _series(steps: int = 1_500, seed: int = 0) -> np.ndarray:
    t = 0.1 * np.arange(steps)[:, None]
    noise = np.random.default_rng(seed).normal(size=(steps, 2))
    return np.hstack([np.sin(t), np.cos(1.7 * t)]) + 0.02 * noise


@pytest.fixture
def here(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(cwd)
    return cwd


def _unheard(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """Return the log of the program where nobody has set up logging, as pytest does."""
    found = logging.getLogger("sfbptt")
    monkeypatch.setattr(found, "handlers", [])
    monkeypatch.setattr(found, "propagate", False)
    return found


def _train(x: Any = None, **settings: Any) -> Run:
    return sfbptt_cli.train(x, **{"quiet": True, **SETTINGS, **settings})


def test_the_package_is_imported_at_once() -> None:
    code = "import sys, sfbptt_cli; sfbptt_cli.RequestError; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert not {"torch", "hydra", "numpy"} & {*ended.stdout.split()}


def test_a_run_is_that_of_the_command(here: Path, cli: Cli) -> None:
    x = _series()
    run = _train(x, dt=0.1, tau=10, model="gru", optimizer={"name": "adam", "clip_norm": None})
    (file,) = here.glob("outputs/run/data/*")
    np.testing.assert_array_equal(np.load(file), x)
    given = ["dataset.dt=0.1", "tau=10", "model=gru", "optimizer=adam", "optimizer.clip_norm=null"]
    others = [o for o in KEPT if not o.startswith("tau=")]
    cli("train", f"dataset.path={file}", *others, *given, "name=command", cwd=here, status=0)
    (by_command,) = run_folders(here, "command")
    assert run.folder.path.relative_to(here / "outputs/run") == by_command.relative_to(
        here / "outputs/command"
    )
    assert results(run.folder.path) == results(by_command)
    assert {**load_run(by_command).folder.config(), "name": "run"} == run.folder.config()
    # The command goes on with it, and finds its data where the folder was moved.
    again = cli("train", f"dataset.path={file}", *others, *given, cwd=here, status=0)
    assert "is finished" in again.stderr
    shutil.move(here / "outputs", here / "moved")
    moved = load_run(here / "moved" / run.folder.path.relative_to(here / "outputs"))
    np.testing.assert_array_equal(moved.dataset.test, x[1_200:])


def test_twice_trains_once_and_leaves_everything_as_it_was(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    GlobalHydra.instance().clear()
    log = _unheard(monkeypatch)
    level = log.level
    hydra.initialize(version_base="1.3", config_path=None, job_name="of_the_user")
    theirs, stored = GlobalHydra.instance().hydra, tree_of(ConfigStore.instance().repo)
    job = HydraConfig.instance().cfg
    threads, drawn = torch.get_num_threads(), torch.get_rng_state()
    try:
        first = _train(_series(), threads=2)
        before = tree(here)
        second = _train(_series(), threads=2, quiet=False)
        assert GlobalHydra.instance().hydra is theirs
    finally:
        GlobalHydra.instance().clear()
    assert (first.folder.path, before) == (second.folder.path, tree(here))
    assert (tree_of(ConfigStore.instance().repo), HydraConfig.instance().cfg) == (stored, job)
    assert (torch.get_num_threads(), log.handlers, log.level) == (threads, [], level)
    assert torch.equal(torch.get_rng_state(), drawn)
    captured = capsys.readouterr()  # of the second alone
    assert captured.err.count("is finished; overwrite=true trains it again") == 1
    assert "D_stsp" in captured.out


def tree_of(repo: dict[str, Any]) -> list[str]:
    return sorted(
        f"{key}/{inner}"
        for key, value in repo.items()
        for inner in (tree_of(value) if isinstance(value, dict) else [""])
    )


def test_several_trajectories_and_a_test_series(here: Path) -> None:
    a, b, c = _series(700), _series(400, 1), _series(1_200, 2)
    run = _train([a, b, c])
    np.testing.assert_array_equal(run.dataset.train, np.concatenate([a, b]))
    np.testing.assert_array_equal(run.dataset.test, c)
    tested = _train([a, b], test=c)
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(tested.dataset, part), getattr(run.dataset, part))
    assert tested.dataset.train_lengths == run.dataset.train_lengths == (700, 400)
    stacked = _train(np.stack([a[:400], b, c[:400]]))
    assert stacked.dataset.train_lengths == (400, 400)
    one = _train(a[:, 0], test=c[:, 0].tolist())
    np.testing.assert_array_equal(one.dataset.test, c[:, :1])
    assert one.dataset.train_lengths == ()


def test_a_path_a_dataset_and_a_stored_run(here: Path) -> None:
    np.savetxt(here / "a b.csv", _series(), delimiter=",", header="u,v", comments="")
    run = _train(Path("a b.csv"), **{"dataset.columns": ["v"], "seed": np.int64(3)})
    assert (run.dataset.variables, run.config.seed) == (("v",), 3)
    again = sfbptt_cli.train(run, name="again", quiet=True)
    assert results(again.folder.path) == results(run.folder.path)
    assert sfbptt_cli.train(run, quiet=True).folder.path == run.folder.path
    simulated = {"train_steps": 2_000, "test_steps": 1_200, "floor_trajectories": 2}
    rossler = _train("rossler", dataset={**simulated, "transient": 100, "parameters": {"c": 6.0}})
    assert rossler.config.dataset.name == "rossler"
    assert "dataset.parameters.c=6.0" in str(rossler.folder.path)


def test_a_run_is_trained_on_beside_itself(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _train(_series(), lr_schedule="constant", epochs=2, **{"validation.every": 1})
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    _unheard(monkeypatch)
    longer = sfbptt_cli.train(first, epochs=3)
    assert f"epochs: continuing '{first.folder.path}' (2 epochs) to 3" in capsys.readouterr().err
    assert longer.folder.path.is_relative_to(here / "outputs")
    assert longer.history[:2] == first.history
    shutil.copytree(first.folder.path, here / "sent")
    (data,) = here.glob("outputs/run/data/*.npy")
    data.rename(here / "moved.npy")
    sent = load_run(here / "sent", data_path=here / "moved.npy")
    repeated = sfbptt_cli.train(sent, quiet=True)
    assert repeated.folder.path.is_relative_to(here / "elsewhere/outputs")
    assert results(repeated.folder.path) == results(first.folder.path)


def test_a_thread_trains(here: Path) -> None:
    found: list[Run] = []
    thread = threading.Thread(target=lambda: found.append(_train(_series())))
    thread.start()
    thread.join()
    assert found[0].manifest["status"] == "finished"


def test_quiet_prints_warnings_alone(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _unheard(monkeypatch)
    _train(_series(4_000), evaluation={"steps": 500})
    assert capsys.readouterr() == ("", "")
    _train(_series(), name="short", warmup=20)
    shown = capsys.readouterr()
    assert shown.err == "evaluation.steps: 1000 given, the test trajectory allows 252\n"
    assert shown.out == ""


SERIES = "numbers (time, variables), or a list of such arrays, a trajectory each"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tau": -3}, "tau: '-3' was given; accepted: a whole number of time steps from 1"),
        ({"tua": 3}, "tua: there is no such setting; .* mean 'tau'"),
        ({"model": "lstn"}, "model: 'lstn' was given; accepted: al_rnn.* mean 'lstm'"),
        ({"learning_rate": 0.1}, "learning_rate: there is no .*'optimizer.learning_rate'"),
        ({"optimizer": {"rate": 0.1}}, "optimizer.rate: there is no such setting"),
        ({"hydra/launcher": "joblib"}, "hydra/launcher: joblib was given; accepted: settings of o"),
        ({"x": "lorentz"}, "dataset: 'lorentz' was given; .* mean 'lorenz'"),
        ({"x": "a.foo"}, "dataset.path: 'a.foo' has the suffix '.foo'"),
        ({"x": "lorenz", "test": np.zeros(9)}, "test: it was given; accepted: none with"),
        ({"x": None, "test": np.zeros(9)}, "test: it was given; accepted: x"),
        ({"x": np.zeros((1, 2, 3, 4))}, r"x: an array of shape \(1, 2, 3, 4\) and type float64"),
        ({"x": np.array(["a"])}, "x: an array of .* accepted: numbers"),
        ({"x": [[1, 2], [3]]}, "x: lists of different length were given; accepted: numbers"),
        ({"x": []}, r"x: an array of shape \(0,\)"),
        ({"test": [np.zeros(9), np.ones(9)]}, "test: 2 trajectories was given; accepted: one"),
        ({"name": "a/b"}, "name: 'a/b' was given; accepted: a folder name"),
        ({"outputs": ""}, "outputs: '' was given"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(
    here: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        _train(**{"x": _series(), **given})
    assert isinstance(refused.value, RequestError)
    assert "\n" not in str(refused.value)
    assert tree(here) == {}


def test_data_that_are_no_good_are_refused_by_their_reader(here: Path) -> None:
    series = _series()
    missing = series.copy()
    missing[7, 1] = np.nan
    masked = np.ma.masked_invalid(missing)
    masked.data[7, 1] = series[7, 1]
    for x in (masked, missing):
        with pytest.raises(RequestError, match=r"row 7, column 1 holds nan .*; accepted: finite"):
            _train(x)
    assert not run_folders(here)
