"""Files of a run: claimed by one run, locked by one process, its own, read back equal."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Finished
from strangers import refusal

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.report.collection import collect
from sfbptt_cli.storage.checkpoint import save_checkpoint
from sfbptt_cli.storage.own_files import require_own_files
from sfbptt_cli.storage.run_folder import RunFolder

CONFIG: dict[str, Any] = {
    "name": "run",
    "overwrite": False,
    "outputs": "outputs",
    "seed": 0,
    "tau": 30,
    "dataset": {"name": "lorenz", "parameters": {"rho": 28.0}, "path": None},
    "optimizer": {"clip_norm": 1.0},
}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_folder_is_claimed_and_holds_the_config(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a" / "b" / "seed0")
    folder.claim(CONFIG, overwrite=False)
    assert yaml.safe_load(folder.config_file.read_text()) == CONFIG
    assert folder.config() == CONFIG
    assert folder.manifest() == {}
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").claim(CONFIG, overwrite=True)
    assert RunFolder(tmp_path / "empty").config() == CONFIG


@pytest.mark.parametrize("changes", [{}, {"name": "b", "overwrite": True, "outputs": "/x"}])
def test_the_same_run_goes_on(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(CONFIG, overwrite=False)
    folder.update_manifest(status="running")
    before = _contents(folder.path)
    folder.claim({**CONFIG, **changes}, overwrite=False)
    assert _contents(folder.path) == before


def test_another_config_is_refused_with_the_differing_keys(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(CONFIG, overwrite=False)
    before = _contents(folder.path)
    other = {
        **CONFIG,
        "name": "other",
        "tau": "auto",
        "dataset": {"name": "lorenz", "parameters": {"rho": 38.0}, "path": "x.npy"},
        "optimizer": {"clip_norm": 1.0, "learning_rate": 0.1},
    }
    message = refusal(lambda: folder.claim(other, overwrite=False), folder.path)
    assert message == (
        "name: {path} holds another run, which differs in "
        "dataset.parameters.rho (28.0 there, 38.0 given), "
        "optimizer.learning_rate (None there, 0.1 given), tau (30 there, auto given); "
        "name=… gives another folder, overwrite=true starts again"
    )
    assert _contents(folder.path) == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["data.csv", "run.json", ".git"])
def test_a_foreign_folder_or_file_is_refused_and_untouched(
    tmp_path: Path, overwrite: bool, name: str
) -> None:
    path = tmp_path / name
    path.write_text("mine")
    message = refusal(lambda: RunFolder(tmp_path).claim(CONFIG, overwrite), tmp_path)
    assert message == f"name: {{path}} is no run but holds {name}; name=… gives another folder"
    message = refusal(lambda: RunFolder(path).claim(CONFIG, overwrite), path)
    assert message == "name: {path} is a file; name=… gives another folder"
    assert _contents(tmp_path) == {name: b"mine"}


def test_what_a_run_killed_at_its_beginning_leaves_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".config-x1y2.yaml").write_text("nam")
    (tmp_path / ".lock").touch()
    folder = RunFolder(tmp_path)
    folder.claim(CONFIG, overwrite=False)
    assert folder.config() == CONFIG


def _filled(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.claim(CONFIG, overwrite=False)
    folder.update_manifest(status="finished")
    folder.write_history([{"epoch": 1, "loss": 1.0}])
    folder.write_evaluation({"metrics": {}})
    folder.trajectories.write_text("h5")
    folder.figures.mkdir()
    (folder.figures / "attractor.png").touch()
    save_checkpoint(folder.last, {"n": 1})
    return folder


def test_overwrite_removes_the_runs_own_files_alone(tmp_path: Path) -> None:
    folder = _filled(tmp_path / "run")
    (folder.path / "notes.txt").write_text("mine")
    (folder.path / "mine").mkdir()
    (folder.path / "mine" / "run.json").write_text("mine")
    other = {**CONFIG, "tau": 5}
    folder.claim(other, overwrite=True)
    kept = {name: c for name, c in _contents(folder.path).items() if name != ".lock"}
    assert yaml.safe_load(kept.pop("config.yaml")) == other
    assert kept == {"notes.txt": b"mine", "mine/run.json": b"mine"}
    assert not folder.figures.exists()


LOCKING = """
import sys, time
from pathlib import Path
from sfbptt_cli.storage.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_run_has_one_process_until_that_dies(tmp_path: Path) -> None:
    folder = _filled(tmp_path / "run")
    before = _contents(folder.path)
    command = [sys.executable, "-c", LOCKING, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            expected = "name: another process works on {path}; name=… gives another folder"
            with pytest.raises(RequestError) as refused, folder.lock():
                pass
            assert str(refused.value).replace(f"'{folder.path}'", "{path}") == expected
            # Nothing is removed from under it.
            overwritten = refusal(lambda: folder.claim(CONFIG, overwrite=True), folder.path)
            assert overwritten == expected
            assert {**before, ".lock": b""} == _contents(folder.path)
        finally:
            other.kill()
    assert other.returncode == -signal.SIGKILL
    with folder.lock():
        assert (folder.path / ".lock").is_file()


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(ValueError, match="inside"), folder.lock():
        raise ValueError("inside")
    with folder.lock(), pytest.raises(RequestError), RunFolder(tmp_path).lock():
        pass


def test_existing_runs_and_what_is_none(tmp_path: Path) -> None:
    folder = _filled(tmp_path / "run")
    assert RunFolder.existing(folder.path, "run").path == folder.path
    message = refusal(lambda: RunFolder.existing(tmp_path / "x", "run"), tmp_path / "x")
    assert message == "run: {path} is not a folder; accepted: the folder of a run"
    message = refusal(lambda: RunFolder.existing(tmp_path, "run"), tmp_path)
    assert message == (
        f"run: {{path}} is not a run, but holds 1: {folder.path}; accepted: one of them"
    )
    folder.manifest_file.unlink()
    message = refusal(lambda: RunFolder.existing(tmp_path, "run"), tmp_path)
    assert message.startswith("run: {path} is not a run (no config.yaml and run.json in it)")


def test_manifest_entries_are_replaced_one_by_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.update_manifest(status="running", tau=30)
    folder.update_manifest(status="finished", seconds=1.5)
    assert folder.manifest() == {"schema": 1, "status": "finished", "tau": 30, "seconds": 1.5}


@pytest.mark.parametrize("read", [RunFolder.config, RunFolder.evaluation, RunFolder.history])
def test_missing_files_are_refused(tmp_path: Path, read: Callable[[RunFolder], object]) -> None:
    with pytest.raises(RequestError, match=r"^run: '.*' cannot be read: .*No such file"):
        read(RunFolder(tmp_path))


@pytest.mark.parametrize("name", [".lock", "config.yaml", "trajectories.h5", "checkpoints"])
def test_links_out_of_a_run_are_not_followed(finished: Finished, tmp_path: Path, name: str) -> None:
    run = Path(shutil.copytree(finished.run, tmp_path / "runs" / "run"))
    outside = tmp_path / "outside"
    shutil.move(run / name, outside)
    (run / name).symlink_to(outside)
    before = _listing(outside)
    for call in (lambda: require_own_files(run), lambda: Run(run).metrics):
        assert "leads out of its folder" in refusal(call)
    with pytest.raises(RequestError, match="leads out of its folder"):
        collect(run.parent)
    assert _listing(outside) == before


def _listing(path: Path) -> list[tuple[str, float]]:
    return [(str(p), p.stat().st_mtime) for p in [path, *path.rglob("*")]]


def test_links_within_a_run_are_its_own(finished: Finished, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished.run, tmp_path / "run"))
    (run / "checkpoints" / "best.safetensors").unlink()
    (run / "checkpoints" / "best.safetensors").symlink_to("last.safetensors")
    (tmp_path / "link").symlink_to(run)  # the run itself may lie elsewhere
    assert Run(tmp_path / "link").standardiser.mean.shape == (3,)
    (run / "run.json").unlink()
    (run / "run.json").symlink_to("run.json")
    assert "run.json' cannot be read" in refusal(lambda: require_own_files(run))
