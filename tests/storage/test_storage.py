"""Files of a run: whole or absent, claimed by one run, locked by one process, read back equal."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from sfbptt_cli.common.atomic import replacing, write_json, write_text
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.storage.checkpoint import checkpoint_hash, load_checkpoint, save_checkpoint
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.storage.trajectories import read_trajectories, write_trajectories

CONFIG: dict[str, Any] = {
    "name": "run",
    "overwrite": False,
    "outputs": "outputs",
    "seed": 0,
    "tau": 30,
    "dataset": {"name": "lorenz", "parameters": {"rho": 28.0}, "path": None},
    "optimizer": {"clip_norm": 1.0},
}


def _changed(**changes: Any) -> dict[str, Any]:
    return {**CONFIG, **changes}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _refusal(call: Callable[[], object], path: Path) -> str:
    """The message of the refusal, one line, with the path as {path}."""
    with pytest.raises(RequestError) as refused:
        call()
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message.replace(f"'{path}'", "{path}")


def _write_half(path: Path, error: type[BaseException]) -> None:
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_replacement_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(error):
        _write_half(path, error)
    assert list(tmp_path.iterdir()) == []
    write_text(path, "old")
    with pytest.raises(error):
        _write_half(path, error)
    assert _contents(tmp_path) == {"file.txt": b"old"}


def test_a_replacement_is_seen_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "τ = 30\n")
    with replacing(path) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert path.read_text(encoding="utf-8") == "τ = 30\n"
    assert _contents(tmp_path) == {"file.txt": b"new"}


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file", "text")
        write_text(tmp_path / "file", "again")
        after = os.umask(umask)
    finally:
        os.umask(before)
    assert after == umask
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_reader_always_sees_a_whole_file(tmp_path: Path) -> None:
    path, size = tmp_path / "file", 1_000_000
    write_text(path, "0" * size)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(1, 60):
        write_text(path, str(i % 10) * size)
    done.set()
    reader.join()
    assert seen <= {str(i).encode() * size for i in range(10)}
    assert len(seen) > 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_json_has_no_nan_and_no_infinity(tmp_path: Path, value: float) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"loss": 1.5, "none": None, "list": [1, 2]})
    before = _contents(tmp_path)
    assert before["file.json"].endswith(b"\n}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"metrics": {"loss": [value]}})
    assert _contents(tmp_path) == before


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
    folder.claim(_changed(**changes), overwrite=False)
    assert _contents(folder.path) == before


def test_another_config_is_refused_with_the_differing_keys(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(CONFIG, overwrite=False)
    before = _contents(folder.path)
    other = _changed(
        name="other",
        tau="auto",
        dataset={"name": "lorenz", "parameters": {"rho": 38.0}, "path": "x.npy"},
        optimizer={"clip_norm": 1.0, "learning_rate": 0.1},
    )
    message = _refusal(lambda: folder.claim(other, overwrite=False), folder.path)
    assert message == (
        "name: {path} holds another run, which differs in "
        "dataset.parameters.rho (28.0 there, 38.0 given), dataset.path (None there, x.npy given), "
        "optimizer.learning_rate (None there, 0.1 given), tau (30 there, auto given); "
        "name=… gives another folder, overwrite=true starts again"
    )
    assert _contents(folder.path) == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["data.csv", "run.json", ".git"])
def test_a_foreign_folder_is_refused_and_untouched(
    tmp_path: Path, overwrite: bool, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    folder = RunFolder(tmp_path)
    message = _refusal(lambda: folder.claim(CONFIG, overwrite), tmp_path)
    expected = f"name: {{path}} is no run but holds {name}; name=… gives another folder"
    assert message == expected
    assert _contents(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "run"
    path.write_text("mine")
    message = _refusal(lambda: RunFolder(path).claim(CONFIG, overwrite), path)
    assert message == "name: {path} is a file; name=… gives another folder"
    assert path.read_text() == "mine"


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
    other = _changed(tau=5)
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
            overwritten = _refusal(lambda: folder.claim(CONFIG, overwrite=True), folder.path)
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
    message = _refusal(lambda: RunFolder.existing(tmp_path / "x", "run"), tmp_path / "x")
    assert message == "run: {path} is not a folder; accepted: the folder of a run"
    message = _refusal(lambda: RunFolder.existing(tmp_path, "run"), tmp_path)
    assert message.startswith("run: {path} is not a run (no config.yaml and run.json in it)")


def test_manifest_entries_are_replaced_one_by_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.update_manifest(status="running", tau=30)
    folder.update_manifest(status="finished", seconds=1.5)
    assert folder.manifest() == {"schema": 1, "status": "finished", "tau": 30, "seconds": 1.5}


def test_history_comes_back_as_it_was(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        {
            "epoch": i,
            "loss": float(np.exp(generator.normal(scale=20))),
            "tau": 30.0,
            "validation_d_stsp": None if i % 2 else float(generator.normal()),
        }
        for i in range(1, 50)
    ]
    folder = RunFolder(tmp_path)
    folder.write_history(rows)
    assert folder.history() == rows
    assert all(type(row["epoch"]) is int for row in folder.history())
    lines = folder.metrics_file.read_text().split("\n")
    assert lines[0] == "epoch,loss,tau,validation_d_stsp"
    assert lines[1].endswith(",30.0,")
    assert len(lines) == 51


# What is in the file, and how it is read.
DAMAGED: list[tuple[str, str, Callable[[RunFolder], object]]] = [
    ("config.yaml", "a: [1", RunFolder.config),
    ("config.yaml", "text", RunFolder.config),
    ("run.json", "{", RunFolder.manifest),
    ("run.json", "[]", RunFolder.manifest),
    ("evaluation.json", "", RunFolder.evaluation),
    ("metrics.csv", "epoch,loss\n1,x\n", RunFolder.history),
    ("metrics.csv", "epoch,loss\n1,2,3\n", RunFolder.history),
    ("metrics.csv", "epoch,loss\n,\n", RunFolder.history),
]


@pytest.mark.parametrize(("name", "content", "read"), DAMAGED)
def test_damaged_files_are_refused_by_name(
    tmp_path: Path, name: str, content: str, read: Callable[[RunFolder], object]
) -> None:
    (tmp_path / name).write_text(content)
    message = _refusal(lambda: read(RunFolder(tmp_path)), tmp_path / name)
    assert message.startswith("run: {path} ")


@pytest.mark.parametrize("read", [RunFolder.config, RunFolder.evaluation, RunFolder.history])
def test_missing_files_are_refused(tmp_path: Path, read: Callable[[RunFolder], object]) -> None:
    with pytest.raises(RequestError, match=r"^run: '.*' cannot be read: .*No such file"):
        read(RunFolder(tmp_path))


def _checkpoint() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    return {
        "model": {"weight": torch.randn(5, 3, generator=generator)},
        "standardiser": {"mean": torch.randn(3, generator=generator, dtype=torch.float64)},
        "progress": {"epoch": 3, "best_score": float("inf"), "history": [{"loss": None}]},
        "rng": torch.get_rng_state(),
    }


def test_checkpoints_come_back_as_they_were(tmp_path: Path) -> None:
    content = _checkpoint()
    path = tmp_path / "checkpoints" / "last.safetensors"
    save_checkpoint(path, content)
    found = load_checkpoint(path)
    assert found.pop("schema") == 1
    assert found.keys() == content.keys()
    assert found["progress"] == content["progress"]
    for group, name in (("model", "weight"), ("standardiser", "mean")):
        assert found[group][name].dtype == content[group][name].dtype
        assert torch.equal(found[group][name], content[group][name])
    assert torch.equal(found["rng"], content["rng"])


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "last.safetensors", tmp_path / "other" / "best.safetensors"]
    content = _checkpoint()
    for path in paths:
        save_checkpoint(path, content)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert checkpoint_hash(paths[0]) == checkpoint_hash(paths[1])
    content["model"]["weight"][0, 0] += 1e-6
    save_checkpoint(paths[1], content)
    assert checkpoint_hash(paths[0]) != checkpoint_hash(paths[1])


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_truncated_checkpoints_are_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _checkpoint())
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    message = _refusal(lambda: load_checkpoint(path), path)
    assert message.startswith("checkpoint: {path} is damaged or no checkpoint (")
    assert message.endswith("); overwrite=true trains the run again")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_random_bytes_are_no_checkpoint(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    path = tmp_path / "last.safetensors"
    # Beginnings of pickles, of old and of new files of torch among them.
    beginnings = [b"", b"\x80\x02", b"\x80\x02}", b"c", b"(", b"PK\x03\x04", b"\x80\x02\x8a\x0a"]
    for i in range(300):
        path.write_bytes(beginnings[i % len(beginnings)] + generator.bytes(1 + i))
        message = _refusal(lambda: load_checkpoint(path), path)
        assert message.startswith("checkpoint: {path} is ")


def test_missing_and_other_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    missing = _refusal(lambda: load_checkpoint(path), path)
    assert missing == "checkpoint: {path} does not exist"
    for content in ({"schema": 2}, {"model": {}}, [1, 2]):
        torch.save(content, path)
        message = _refusal(lambda: load_checkpoint(path), path)
        assert message == "checkpoint: {path} is not a checkpoint of schema 1"


class _Touch:
    """Unpickled, it runs a command that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("form", ["pickle", "torch", "old torch"])
def test_a_checkpoint_cannot_run_code(tmp_path: Path, form: str, protocol: int) -> None:
    path, marker = tmp_path / "last.safetensors", tmp_path / "marker"
    content = {"schema": 1, "model": _Touch(marker)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content, protocol))
    else:
        new = form == "torch"
        torch.save(content, path, pickle_protocol=2, _use_new_zipfile_serialization=new)
    message = _refusal(lambda: load_checkpoint(path), path)
    assert message.startswith("checkpoint: {path} is damaged or no checkpoint (")
    assert not marker.exists()
    pickle.loads(pickle.dumps(content, protocol))
    assert marker.exists()  # so it is as dangerous as it should be


def _trajectories(path: Path, time_unit: str = "time units") -> tuple[Any, Any]:
    generator = np.random.default_rng(1)
    generated, truth = generator.normal(size=(2, 50, 3)), generator.normal(size=(50, 3))
    # More than eight attributes, which HDF5 stores another way.
    attributes = {f"extra_{i}": i for i in range(9)}
    attributes |= {"checkpoint_sha256": "ab" * 32, "package_version": "1.0", "commit": "unknown"}
    variables = ("x", "y", "ζ")
    write_trajectories(path, generated, truth, 0.25, time_unit, variables, attributes)
    return generated, truth


def test_trajectories_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.h5"
    generated, truth = _trajectories(path)
    found = read_trajectories(path)
    np.testing.assert_array_equal(found.generated, generated)
    np.testing.assert_array_equal(found.truth, truth)
    np.testing.assert_array_equal(found.time, 0.25 * np.arange(50))
    assert found.variables == ("x", "y", "ζ")
    assert len(found.attributes) == 12 + 3
    assert found.attributes["extra_8"] == 8
    assert found.attributes["checkpoint_sha256"] == "ab" * 32


@pytest.mark.parametrize("unit", ["time units", "steps", "hours", "days"])
def test_xarray_opens_trajectories(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "trajectories.h5"
    generated, truth = _trajectories(path, unit)
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert dict(data.sizes) == {"trajectory": 2, "time": 50, "variable": 3}
        assert set(data.coords) == {"trajectory", "time", "variable"}
        assert set(data.data_vars) == {"generated", "truth"}
        assert data["generated"].dims == ("trajectory", "time", "variable")
        assert data["truth"].dims == ("time", "variable")
        np.testing.assert_array_equal(data["generated"], generated)
        np.testing.assert_array_equal(data["truth"].sel(variable="ζ", time=2.5), truth[10, 2])
        np.testing.assert_array_equal(data["time"], 0.25 * np.arange(50))
        np.testing.assert_array_equal(data["trajectory"], [0, 1])
        assert data["time"].attrs["units"] == unit
        assert data["generated"].attrs["units"] == data["truth"].attrs["units"] == "data units"
        attributes = data.attrs
    assert (attributes["schema"], attributes["dt"], attributes["time_unit"]) == (1, 0.25, unit)
    assert attributes["package_version"] == "1.0"
    assert attributes["commit"] == "unknown"


def test_every_axis_has_its_scale(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.h5"
    _trajectories(path)
    with h5py.File(path) as file:
        assert list(file) == ["trajectory", "time", "variable", "generated", "truth"]
        stored = file["generated"]
        assert isinstance(stored, h5py.Dataset)
        names = [[scale.name for scale in axis.values()] for axis in stored.dims]
        assert names == [["/trajectory"], ["/time"], ["/variable"]]
        assert [file[name].attrs["NAME"] for (name,) in names] == [
            b"trajectory",
            b"time",
            b"variable",
        ]


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_trajectories_are_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "trajectories.h5"
    _trajectories(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    message = _refusal(lambda: read_trajectories(path), path)
    assert message.startswith("run: {path} cannot be read: ")


def test_other_hdf5_files_are_no_trajectories(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.h5"
    assert _refusal(lambda: read_trajectories(path), path).startswith("run: {path} cannot be read")
    for name in ("x", "generated/x"):
        with h5py.File(path, "w") as file:
            file[name] = np.zeros(3)
        message = _refusal(lambda: read_trajectories(path), path)
        assert message.startswith("run: {path} cannot be read: ")


def test_failed_writing_leaves_the_earlier_trajectories(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.h5"
    _trajectories(path)
    before = _contents(tmp_path)
    same = np.zeros((1, 5, 1))
    with pytest.raises(TypeError):
        write_trajectories(path, same, same[0], 1.0, "steps", ("x",), {"bad": object()})
    assert _contents(tmp_path) == before
