"""`dataset.path=FILE` alone: the reader by the suffix, in every command, in a sweep, with from=."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import Cli, run_folders

SMALL = (
    *("threads=1", "epochs=1", "batches_per_epoch=2", "window=20", "tau=10", "warmup=0"),
    *("evaluation.steps=500", "evaluation.transient=0", "evaluation.prediction_steps=5"),
    *("evaluation.lyapunov_steps=100", "evaluation.dimension_steps=100", "validation.every=0"),
)
STEPS = np.arange(1500)
SERIES = np.column_stack([np.sin(STEPS / 9) + 0.3 * np.sin(STEPS / 2.3), np.cos(STEPS / 23)])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files of one name in two folders, and one of another kind."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "a" / "m.npy", SERIES)
    np.save(tmp_path / "b" / "m.npy", SERIES + 1)
    np.savetxt(tmp_path / "b" / "m.csv", SERIES, delimiter=",", header="x,y", comments="")
    return tmp_path


def _datasets(cwd: Path) -> list[tuple[str, str, str]]:
    found = []
    for run in run_folders(cwd):
        stored = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["dataset"]
        choice = json.loads((run / "run.json").read_text(encoding="utf-8"))["choices"]["dataset"]
        path = Path(stored["path"]).relative_to(cwd)
        found.append((choice, stored["source"], str(path)))
    return sorted(found)


def test_a_sweep_over_files_of_one_name_and_runs_from_them(
    cli: Cli, files: Path, no_figures: None
) -> None:
    paths = "a/m.npy,b/m.npy,b/m.csv"
    cli("train", "-m", f"dataset.path={paths}", *SMALL, cwd=files, status=0)
    expected = [("csv", "csv", "b/m.csv"), ("npy", "array", "a/m.npy"), ("npy", "array", "b/m.npy")]
    assert _datasets(files) == expected
    table = next(run for run in run_folders(files) if "/csv/" in str(run))
    kept = ("train", f"from={table}", "outputs=o", "name=run")
    cli(*kept, "dataset.path=a/m.npy", cwd=files, status=0)
    (again,) = (files / "o").rglob("config.yaml")
    assert yaml.safe_load(again.read_text(encoding="utf-8"))["dataset"]["source"] == "array"


@pytest.mark.parametrize(
    ("settings", "sources"),
    [
        (("dataset.path=b/m.csv", "seed=0,1"), ["csv"] * 2),
        (("dataset.path=a/m.npy,b/m.npy", "dataset.dt=0.1"), ["array"] * 2),
        (("dataset.path='b/m.csv'", "dataset.columns=[x]", "batch_size=2,4"), ["csv"] * 2),
        (("dataset=csv", "dataset.path=b/m.csv", "seed=0"), ["csv"]),
    ],
)
def test_a_sweep_whose_runs_share_a_reader(
    settings: tuple[str, ...], sources: list[str], cli: Cli, files: Path, no_figures: None
) -> None:
    cli("train", *settings, "-m", *SMALL, cwd=files, status=0)
    assert [source for _, source, _ in _datasets(files)] == sources


def test_a_preset_that_reads_the_file_is_kept(cli: Cli, files: Path) -> None:
    for given, source in (
        (("experiment=al_rnn_lorenz", "dataset.path=b/m.csv"), "csv"),
        (("dataset.path=b/*.npy",), "array"),
        (("dataset=temperature", "dataset.path=b/m.csv"), "temperature"),
    ):
        outcome = cli("train", *given, "--cfg", "job", cwd=files, status=0)
        assert yaml.safe_load(outcome.stdout)["dataset"]["source"] == source


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("dataset.path=b/m.xls", "dataset.path: 'b/m.xls' has the suffix '.xls'; accepted: .csv, "),
        ("dataset=csv dataset.path=b/m.npy", "m.npy' is a NumPy array and no text table; accepted"),
        ("dataset=npy dataset.path=b/m.csv", "m.csv' is text and no file of arrays; accepted"),
    ],
)
def test_files_of_the_wrong_kind_are_refused(
    cli: Cli, files: Path, given: str, message: str
) -> None:
    outcome = cli("train", *given.split(), *SMALL, cwd=files, status=2)
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not (files / "outputs").exists()


def test_exponents_are_per_time_unit_once_dt_is_given(cli: Cli, files: Path) -> None:
    for given, unit in (((), "per step"), (("dataset.dt=0.01",), "per time unit")):
        lyapunov = ("lyapunov", "dataset.path=a/m.npy", "references=100", "surrogates=0")
        cli(*lyapunov, *given, cwd=files, status=0)
        found = json.loads((files / "outputs/run/npy/lyapunov.json").read_text())
        assert found["unit"] == unit


def test_data_that_are_constant_where_they_are_measured_are_refused(cli: Cli, files: Path) -> None:
    rain = np.where(STEPS < 1150, np.random.default_rng(0).random(len(STEPS)), 0)
    np.save(files / "rain.npy", np.column_stack([SERIES[:, 0], rain]))
    outcome = cli("train", "dataset.path=rain.npy", *SMALL, cwd=files, status=2)
    assert "dataset: 'x2' is constant in the 299 test steps that are measured" in outcome.stderr
    assert not (files / "outputs").exists()
