"""Settings and data of strangers: nothing is interpolated, no size exhausts memory or time.

Bombs are opened in processes of little memory, so that a reader which unfolds one dies.
"""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from conftest import Cli, Finished
from strangers import edited, in_little_memory, refusal

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import open_regular
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.settings import ArraySettings, CsvSettings
from sfbptt_cli.data.tables.reader import read_csv
from sfbptt_cli.storage.own_files import require_own_files
from sfbptt_cli.storage.run_folder import RunFolder

GIB = 2**30


@pytest.mark.parametrize(
    "value", ["${oc.env:HOME}", "${seed}", ["${oc.env:HOME}"], [["${oc.env:HOME}"]], {"a": "${b}"}]
)
@pytest.mark.parametrize(
    "key", ["name", "dataset.inputs", "dataset.observed", "dataset.parameters"]
)
def test_nothing_is_interpolated(finished: Finished, key: str, value: Any) -> None:
    plain = yaml.safe_load((finished.run / "config.yaml").read_text())
    message = refusal(lambda: typed_config(edited(plain, key, value)))
    assert os.environ["HOME"] not in message
    assert "${" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.latent_dim", 10**9),
        ("dataset.train_steps", 10**12),
        ("dataset.floor_trajectories", 10**9),
        ("dataset.test_steps", 10**7),  # six of them
        ("dataset.dimension", 10**9),
        ("window", 10**9),
        ("batch_size", 10**9),
        ("batch_size", 100_000),
        ("batches_per_epoch", 10**7),
        ("validation.steps", 10**12),
        ("evaluation.spectrum_smoothing", 1e9),
        ("evaluation.steps", 10**12),
        ("evaluation.bins", 10**9),
        ("evaluation.gmm_points", 10**9),
        ("evaluation.lyapunov_steps", 10**12),
    ],
)
def test_sizes_are_refused_before_anything_is_made(
    finished: Finished, key: str, value: float
) -> None:
    plain = yaml.safe_load((finished.run / "config.yaml").read_text())
    plain = edited(plain, "dataset.floor_trajectories", 10)
    message = refusal(lambda: typed_config(edited(plain, key, value)))
    assert message.startswith(f"{key}: {value} was given; accepted: ")


@pytest.mark.parametrize("command", ["lyapunov dataset=lorenz", "gradients run=x"])
def test_other_commands_refuse_sizes(cli: Cli, tmp_path: Path, command: str) -> None:
    outcome = cli(*command.split(), "steps=1000000000000", cwd=tmp_path)
    assert outcome.status == 2
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("sfbptt: steps: ")
    assert list(tmp_path.iterdir()) == []


def test_pipes_and_devices_are_no_files(finished: Finished, tmp_path: Path) -> None:
    pipe = tmp_path / "a.npy"
    os.mkfifo(pipe)
    os.mkfifo(tmp_path / "a.csv")
    for path in (Path("/dev/zero"), pipe, tmp_path):
        with pytest.raises((RequestError, IsADirectoryError)):
            open_regular(path, "run", GIB)
    for name in (str(pipe), "/dev/zero", "/dev/stdin", str(tmp_path / "*.npy")):
        arrays = ArraySettings("x", path=name)
        assert refusal(lambda s=arrays: read_array_dataset(s)).startswith("dataset.path")
    for name in (str(tmp_path / "a.csv"), "/dev/zero", "/dev/stdin"):
        table = CsvSettings("x", path=name)
        assert refusal(lambda s=table: read_csv(s)).startswith("dataset.path")
    run = Path(shutil.copytree(finished.run, tmp_path / "run"))
    files = RunFolder(run)
    for name in ("run.json", "evaluation.json", "trajectories.h5", files.best, ".lock"):
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)
        assert refusal(lambda: require_own_files(run)).startswith(f"run: '{run / name}' is no")
        (run / name).unlink()


def _bombs(folder: Path) -> list[Path]:
    """Files of a few KB to some MB that unfold to 200 MB and more."""
    zeros = np.zeros((25_000_000, 1))
    np.savez_compressed(folder / "a.npz", a=zeros)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("a", data=zeros, compression="gzip", chunks=(1_000_000, 1))
    with h5py.File(folder / "unwritten.h5", "w") as file:
        file.create_dataset("a", (10**9, 4), "f8")
    with gzip.open(folder / "rows.csv.gz", "wb", 1) as file:
        for _ in range(50):
            file.write(b"x,y\n" + b"1,2\n" * 2_000_000)
    with gzip.open(folder / "line.csv.gz", "wb", 1) as file:
        for _ in range(50):
            file.write(b"1" * 8_000_000)
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2000000000, 0, 3), }"
    text = header.ljust(117) + "\n"
    (folder / "nothing.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + text.encode())
    np.save(folder / "many.npy", np.zeros((2_000_000, 1, 1)))
    (folder / "line.csv").write_text("1" * 2_000_000 + "\n1\n")
    (folder / "columns.csv").write_text("x," * 200_000 + "x\n")
    quoted = '"a\n",' * 1_000_000
    (folder / "quoted.csv").write_text(f"x,y\n{quoted}1\n")
    (folder / "wide.csv").write_text("x,y\n" + ("1," * 500_000 + "1\n") * 40)
    return list(folder.iterdir())


def test_data_that_would_take_any_memory(tmp_path: Path) -> None:
    code = """
    from sfbptt_cli.data.arrays import read_array_dataset
    from sfbptt_cli.data.settings import ArraySettings, CsvSettings
    from sfbptt_cli.data.tables.reader import read_csv

    def read(path):
        if ".csv" in path.name:
            read_csv(CsvSettings("x", path=str(path)))
        else:
            read_array_dataset(ArraySettings("x", path=str(path)))
    """
    paths = _bombs(tmp_path)
    said = in_little_memory(code, *paths, mebibytes=700).splitlines()
    assert len(said) == len(paths)
    assert all(line.startswith("dataset.path: ") for line in said)
