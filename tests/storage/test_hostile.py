"""Files of strangers: they execute nothing, exhaust nothing, and reach nothing beside them.

Bombs are opened in processes of little memory, so that a reader which unfolds one dies.
"""

from __future__ import annotations

import csv
import gzip
import html.parser
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from conftest import Cli, Finished
from report_runs import write_run
from strangers import edited, in_little_memory, refusal

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import open_regular
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.settings import ArraySettings, CsvSettings
from sfbptt_cli.data.tables.reader import read_csv
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.making import make_report
from sfbptt_cli.storage.own_files import require_own_files
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.storage.trajectories import write_trajectories

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


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "dataset.train_steps=1e12"),
        ("train", "dataset.train_steps=1000000000000"),
        ("train", "model.latent_dim=1000000000"),
        ("train", "evaluation.spectrum_smoothing=1e9"),
        ("lyapunov", "dataset=lorenz", "steps=1000000000000"),
        ("gradients", "run=x", "steps=1000000000000"),
        ("evaluate", "run=x", "evaluation.steps=1000000000000"),
    ],
)
def test_the_command_line_refuses_sizes_in_one_line(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    outcome = cli(*arguments, cwd=tmp_path)
    assert outcome.status == 2
    key = arguments[-1].partition("=")[0]
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f"sfbptt: {key}: ")
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
        assert refusal(lambda s=arrays: read_array_dataset(s, 9)).startswith("dataset.path")
    for name in (str(tmp_path / "a.csv"), "/dev/zero", "/dev/stdin"):
        table = CsvSettings("x", path=name)
        assert refusal(lambda s=table: read_csv(s, 9)).startswith("dataset.path")
    run = Path(shutil.copytree(finished.run, tmp_path / "run"))
    files = RunFolder(run)
    for name in ("run.json", "evaluation.json", "trajectories.h5", files.best, ".lock"):
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)
        assert refusal(lambda: require_own_files(run)).startswith(f"run: '{run / name}' is no")
        (run / name).unlink()


def test_a_report_does_not_go_round_in_loops(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs")
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    (run / "up").symlink_to(tmp_path)
    runs, skipped = collect(tmp_path / "runs")
    assert (len(runs), skipped) == (1, [])


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
    return [path for path in folder.iterdir() if path.suffix != ".safetensors"]


def test_data_that_would_take_any_memory(tmp_path: Path) -> None:
    code = """
    from sfbptt_cli.data.arrays import read_array_dataset
    from sfbptt_cli.data.settings import ArraySettings, CsvSettings
    from sfbptt_cli.data.tables.reader import read_csv

    def read(path):
        if ".csv" in path.name:
            read_csv(CsvSettings("x", path=str(path)), 20)
        else:
            read_array_dataset(ArraySettings("x", path=str(path)), 20)
    """
    paths = _bombs(tmp_path)
    said = in_little_memory(code, *paths, mebibytes=700).splitlines()
    assert len(said) == len(paths)
    assert all(line.startswith("dataset.path: ") for line in said)


NAMES = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)> ' onmouseover='alert(1)",
    "$\\frac{$ $_{$ ${title} &lt;b&gt;<!--",
    "=HYPERLINK(1)",
]


class Page(html.parser.HTMLParser):
    """Tags and attributes of a page, and the texts of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def _write_named(folder: Path, name: str) -> None:
    """A run in which everything that can be named is named so."""
    run = write_run(folder)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["dataset"] |= {"name": name, "system": name}
    config["model"] |= {"name": name}
    config["forcing"] |= {"name": name}
    config["extra"] = {name: name}
    (run / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=False))
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, name: name, "commit": name}))
    content = json.loads((run / "evaluation.json").read_text())
    content["verdict"] = name
    content["metrics"]["lambda_max"]["unit"] = name
    (run / "evaluation.json").write_text(json.dumps(content))
    x = np.cumsum(np.random.default_rng(0).normal(size=(500, 3)), axis=0)
    path = run / "trajectories.h5"
    write_trajectories(path, x[None], x, 0.01, name, (name, "y", "z"), {"transient": 10})


def test_names_are_nothing_but_text(tmp_path: Path) -> None:
    pages = []
    for kind in ("plain", "hostile"):
        for i, name in enumerate(NAMES):
            _write_named(tmp_path / kind / str(i), f"plain {i}" if kind == "plain" else name)
        make_report(tmp_path / kind, tmp_path / kind / "report")
        pages.append(Page((tmp_path / kind / "report" / "index.html").read_text(encoding="utf-8")))
    expected, found = pages
    # A long name takes several lines of a figure, each a text of its own.
    counted = [Counter(tag for tag in page.tags if tag != "text") for page in pages]
    assert counted[1] == counted[0]
    assert set(found.tags) == set(expected.tags)
    assert set(found.attributes) == set(expected.attributes)
    assert not [attribute for attribute in found.attributes if attribute.startswith("on")]
    with (tmp_path / "hostile" / "report" / "table.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "-", "\t"))]
    assert {*NAMES[:-1], f"'{NAMES[-1]}"} <= set(cells)


def test_numbers_stay_numbers_in_tables(tmp_path: Path) -> None:
    write_run(tmp_path, d_stsp=0.25)
    run = next(tmp_path.rglob("evaluation.json"))
    content = json.loads(run.read_text())
    content["metrics"]["lambda_max"]["value"] = -0.5
    run.write_text(json.dumps(content))
    make_report(tmp_path, tmp_path / "out")
    (row,) = csv.DictReader((tmp_path / "out" / "table.csv").read_text("utf-8").splitlines())
    assert (row["lambda_max"], row["d_stsp"]) == ("-0.5", "0.25")


def test_folders_of_odd_names_are_reported(tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[2J", "\u202e".encode()):
        write_run(tmp_path / "runs").rename(tmp_path / "runs" / os.fsdecode(name))
    report = make_report(tmp_path / "runs", tmp_path / "out")
    assert len(report.skipped) == 3  # the fourth, though it turns the text around, is a name
    assert all(label.isprintable() for label, _ in report.skipped)
    for file in ("table.csv", "index.html"):
        text = (tmp_path / "out" / file).read_text(encoding="utf-8")
        assert "\x1b" not in text


DAMAGED: list[tuple[str, str, Any]] = [
    ("run.json", "tau", 0),
    ("run.json", "tau", 10**30),
    ("run.json", "lambda_max", 1e-300),
    ("run.json", "dataset", ["a"]),
    ("run.json", "status", {"a": 1}),
    ("evaluation.json", "metrics.d_h.value", 1e300),
    ("evaluation.json", "metrics.d_h.smoothing", 1e9),
    ("evaluation.json", "metrics.d_h.smoothing", [20]),
    ("evaluation.json", "metrics.d_stsp.floor_range", [1]),
    ("evaluation.json", "metrics.d_stsp", []),
    ("evaluation.json", "verdict", "\u2028"),
]


@pytest.mark.parametrize(("file", "key", "value"), DAMAGED)
def test_numbers_that_no_picture_holds_leave_a_run_out(
    tmp_path: Path, file: str, key: str, value: Any
) -> None:
    run = write_run(tmp_path)
    write_run(tmp_path, seed=1)
    content = json.loads((run / file).read_text())
    (run / file).write_text(json.dumps(edited({"tau": 1, **content}, key, value)))
    runs, skipped = collect(tmp_path)
    assert len(runs) == len(skipped) == 1
