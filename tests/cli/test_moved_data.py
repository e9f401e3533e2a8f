"""Runs of recorded data whose file changed, or that moved: only the same data are accepted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Cli, run_folder, tree

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.run import load_run

SMALL = tuple(o for o in TINY if not o.startswith(("dataset.", "validation.")))
SMALL = (*SMALL, "validation.every=0", "dataset=csv", "warmup=0")
pytestmark = pytest.mark.usefixtures("no_figures")


def write(path: Path, factor: float = 1.0) -> Path:
    """Write a table of two variables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(3_000)
    columns = np.column_stack([factor * np.sin(t / 9), np.cos(t / 23)])
    np.savetxt(path, columns, delimiter=",", header="x,y", comments="", fmt="%.6f")
    return path


@pytest.fixture(scope="module")
def trained(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder: a table beside `outputs` with a run of it."""
    project = tmp_path_factory.mktemp("home") / "project"
    write(project / "data" / "table.csv")
    (project / "notes").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sfbptt_cli.experiment.measure.draw_missing", lambda *_: None)
        cli("train", *SMALL, "dataset.path=notes/../data/table.csv", cwd=project, status=0)
    return project


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the project in another place, without the file that config.yaml names."""
    moved = Path(shutil.copytree(trained, tmp_path / "new" / "place"))
    shutil.rmtree(moved / "notes")
    hidden = (trained / "data").rename(trained / "hidden")
    yield moved
    hidden.rename(trained / "data")


def fingerprint(run: Path) -> str:
    return json.loads((run / "run.json").read_text())["dataset"]


def test_a_renamed_project_goes_on_as_before(cli: Cli, project: Path) -> None:
    run = run_folder(project)
    assert load_run(run).dataset.fingerprint() == fingerprint(run)
    outcome = cli("train", *SMALL, "dataset.path=data/table.csv", cwd=project, status=0)
    assert "is finished" in outcome.stderr
    assert run_folder(project) == run  # there is no other
    outcome = cli("evaluate", f"run={run}", cwd=project, status=0)
    # What the data say is tried first, in place of the τ and warm-up that were given.
    assert " tau=auto,8,15,60 hydra/launcher=joblib\n" in outcome.stdout
    assert " warmup=auto\n" in outcome.stdout


@pytest.mark.parametrize("where", ["table.csv", "seed0/table.csv", "given"])
def test_a_run_and_its_file_are_copied_elsewhere(
    cli: Cli, project: Path, tmp_path: Path, where: str
) -> None:
    place = tmp_path / "stick"
    run = Path(shutil.copytree(run_folder(project), place / "seed0"))
    given = "other/name.csv" if where == "given" else where
    (place / given).parent.mkdir(exist_ok=True)
    shutil.move(project / "data" / "table.csv", place / given)
    again = [f"dataset.path={given}"] if where == "given" else []
    if again:
        message = cli("evaluate", "run=seed0", cwd=place, status=2).stderr
        assert "is not a file" in message
        assert "dataset.path=…" in message
    analysed = ["steps=200", "transient=10"]
    sizes = {"evaluate": [], "generate": ["steps=200"]}
    for command in ("evaluate", "generate", "gradients", "lyapunov"):
        outcome = cli(
            command, "run=seed0", *sizes.get(command, analysed), *again, cwd=place, status=0
        )
        assert f"its data are read from {place / given}" in outcome.stderr
    moved = place / given if again else None
    assert load_run(run, data_path=moved).dataset.fingerprint() == fingerprint(run)


def test_changed_data_are_neither_measured_nor_finished(cli: Cli, project: Path) -> None:
    write(project / "data" / "table.csv", factor=1.01)
    run = run_folder(project)
    before = tree(project)
    for command in ("evaluate", "generate", "gradients", "lyapunov"):
        for again in ([], ["dataset.path=data/table.csv"]):
            outcome = cli(command, f"run={run}", *again, cwd=project, status=2)
            assert "was trained on other data" in outcome.stderr
            assert len(outcome.stderr.splitlines()) == 1
    with pytest.raises(RequestError, match="was trained on other data"):
        _ = load_run(run).dataset
    for sweep in ([], ["-m"]):
        outcome = cli("train", *SMALL, "dataset.path=data/table.csv", *sweep, cwd=project, status=2)
        assert "its data are no longer those that" in outcome.stderr
    assert {k: v for k, v in tree(project).items() if ".sweeps" not in k} == before


def test_a_file_of_the_same_name_that_holds_other_data_is_passed_over(
    project: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(run_folder(project), tmp_path / "stick" / "seed0"))
    write(run / "table.csv", factor=2.0)
    write(run.parent / "table.csv")
    assert load_run(run).dataset.fingerprint() == fingerprint(run)


def test_a_finished_run_learns_where_its_data_lie(cli: Cli, project: Path) -> None:
    run = run_folder(project)
    cli("train", *SMALL, "dataset.path=data/table.csv", cwd=project, status=0)
    assert run_folder(project) == run
    paths = json.loads((run / "run.json").read_text())["data_paths"]
    assert paths["path"]["absolute"] == str(project / "data" / "table.csv")


def test_simulated_data_are_not_refused_but_a_difference_is_told(
    cli: Cli, finished: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Path(shutil.copytree(finished.run, tmp_path / "run"))  # type: ignore[attr-defined]
    assert load_run(run).dataset.obs_dim == 3
    assert not caplog.records
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, "dataset": "0" * 64}))
    assert load_run(run).dataset.obs_dim == 3
    assert "simulated again" in caplog.text
    outcome = cli("evaluate", f"run={run}", "dataset.path=x.csv", cwd=tmp_path, status=2)
    assert "dataset.path: " in outcome.stderr


def test_a_stored_repetition_finds_its_data(cli: Cli, project: Path) -> None:
    run = run_folder(project)
    outcome = cli("train", f"from={os.path.relpath(run, project)}", cwd=project, status=0)
    assert "is finished" in outcome.stderr
