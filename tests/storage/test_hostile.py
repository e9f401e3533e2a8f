"""Files of strangers: they execute nothing, exhaust nothing, and reach nothing beside them.

Bombs are opened in processes of little memory, so that a reader which unfolds one dies.
"""

from __future__ import annotations

import copy
import csv
import gzip
import html.parser
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import yaml
from conftest import Cli, Finished
from report_runs import write_run

from sfbptt_cli.cli.overrides import config_folder
from sfbptt_cli.common.documents import read_json, read_yaml
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import open_regular, require_own_files
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.data.arrays import read_dataset
from sfbptt_cli.data.tables.reader import CsvSource, read_csv_dataset
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.making import make_report
from sfbptt_cli.storage.checkpoint import load_checkpoint, load_training, save_checkpoint
from sfbptt_cli.storage.history import read_history
from sfbptt_cli.storage.trajectories import read_trajectories, write_trajectories
from sfbptt_cli.training.optimizers import OPTIMIZERS, SCHEDULES, build_optimizer

GIB = 2**30


def refusal(call: Callable[[], object]) -> str:
    """The message of a refusal, which is one line."""
    with pytest.raises(RequestError) as refused:
        call()
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def in_little_memory(code: str, *arguments: Path, mebibytes: int = 300) -> str:
    """What the code, which may take as much memory as that, prints of RequestErrors."""
    program = f"""
import resource, sys
import torch
from pathlib import Path
from sfbptt_cli.errors import RequestError
from sfbptt_cli import runs
from sfbptt_cli.data import CsvSource, read_csv_dataset, read_dataset
from sfbptt_cli.storage.checkpoint import load_checkpoint
from sfbptt_cli.storage.trajectories import read_trajectories
from sfbptt_cli.untrusted.documents import read_json, read_yaml
paths = [Path(argument) for argument in sys.argv[1:]]
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + {mebibytes} * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in paths:
    try:
{textwrap.indent(code, " " * 8)}
        print("read")
    except RequestError as error:
        print(error)
"""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


# Checkpoints


def rewrite(path: Path, change: Callable[[str, bytes], bytes], compress: bool = False) -> None:
    """Write the records of an archive again, each as `change` (name, content) makes it."""
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path) as old:
        records = {name: change(name, old.read(name)) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", kind) as new:
        for name, content in records.items():
            new.writestr(name, content)


def with_pickle(path: Path, content: bytes) -> None:
    save_checkpoint(path, {"model": {"weight": torch.zeros(4)}})
    rewrite(path, lambda name, old: content if name.endswith("data.pkl") else old)


class Call:
    """Pickled, it calls something; of what torch allows, too."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced[0], self.reduced[1:]


@pytest.mark.parametrize(
    "made",
    [Call(bytearray, 2**40), Call(torch.Tensor, 2**40), Call(set, []), Call(complex, 1, 2)],
)
def test_a_pickle_calls_nothing(tmp_path: Path, made: object) -> None:
    path = tmp_path / "last.pt"
    with_pickle(path, pickle.dumps({"schema": 1, "n": made}, 2))
    assert "damaged or no checkpoint (its pickle " in refusal(lambda: load_checkpoint(path))


def test_pickles_that_would_take_any_memory(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    # An object numbered four billion, for which Python's unpickler makes room.
    with_pickle(path, b"\x80\x02Nr\xff\xff\xff\xf0.")
    assert "numbers more objects than it has" in refusal(lambda: load_checkpoint(path))
    shared: list[Any] = [0] * 10
    for _ in range(12):
        shared = [shared] * 10
    with_pickle(path, pickle.dumps({"schema": 1, "progress": shared}, 2))
    assert "repeat one another" in refusal(lambda: load_checkpoint(path))
    with_pickle(path, b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    refusal(lambda: load_checkpoint(path))


TENSORS: dict[str, Callable[[], object]] = {
    "expanded": lambda: torch.zeros(1).expand(1_000),
    "sparse": lambda: torch.sparse_coo_tensor(torch.zeros(1, 1), torch.ones(1), (10**9,)),
    "meta": lambda: torch.empty(10**12, device="meta"),
    "quantised": lambda: torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.quint8),
    "parameter": lambda: torch.nn.Parameter(torch.zeros(3)),
    "bfloat16": lambda: torch.zeros(3, dtype=torch.bfloat16),
    "complex": lambda: torch.zeros(3, dtype=torch.complex64),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", TENSORS)
def test_only_plain_tensors_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "last.pt"
    torch.save({"schema": 1, "model": {"weight": TENSORS[name]()}}, path)
    torch.load(path, weights_only=True)  # which torch does
    assert "damaged or no checkpoint" in refusal(lambda: load_checkpoint(path))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_are_finite(tmp_path: Path, value: float) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"model": {"weight": torch.tensor([1.0, value])}})
    assert "no finite numbers" in refusal(lambda: load_checkpoint(path))


def test_archives_that_unfold(tmp_path: Path) -> None:
    """A compressed archive, a tensor larger than its record, holes: 4 GB each, from some KB."""
    paths = [tmp_path / f"{name}.pt" for name in ("compressed", "stated", "sparse")]
    for path in paths:
        save_checkpoint(path, {"model": {"weight": torch.zeros(25_000_000)}})
    rewrite(paths[0], lambda name, old: old, compress=True)
    big = (4 * 25_000_000).to_bytes(4, "little")
    number = (25_000_000).to_bytes(4, "little")
    rewrite(paths[1], lambda name, old: old.replace(number, big) if "pkl" in name else old[:400])
    save_checkpoint(paths[2], {"n": 1})
    os.truncate(paths[2], 3 * GIB)
    said = in_little_memory("load_checkpoint(path)", *paths).splitlines()
    assert "(it is compressed)" in said[0]
    assert "storage is not of the size of its record" in said[1]
    assert "would unfold" in said[2]
    assert paths[0].stat().st_size < 200_000


def test_a_flipped_byte_of_a_tensor_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    weight = torch.randn(1_000, generator=torch.Generator().manual_seed(0))
    save_checkpoint(path, {"model": {"weight": weight}})
    content = path.read_bytes()
    start = content.index(weight.numpy().tobytes())
    for offset in range(0, 4_000, 397):
        changed = bytearray(content)
        changed[start + offset] ^= 1
        path.write_bytes(changed)
        assert "(BadZipFile)" in refusal(lambda: load_checkpoint(path))


def test_the_scale_of_the_data_is_one(finished: Finished, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished.run, tmp_path / "run"))
    stored = load_checkpoint(run / "checkpoints" / "best.pt")
    good = stored["standardiser"]
    wrong: list[Any] = [None, {}, {"mean": good["mean"]}, {**good, "std": 0 * good["std"]}]
    wrong += [{**good, "std": good["std"][:2]}, {**good, "mean": good["mean"] * np.nan}]
    wrong += [{**good, "mean": good["mean"].float()}, {k: v[None] for k, v in good.items()}]
    for scale in wrong:
        save_checkpoint(run / "checkpoints" / "best.pt", {**stored, "standardiser": scale})
        assert refusal(lambda: Run(run).standardiser).startswith("checkpoint: ")
    # Ten million variables of data make no model of ten million rows.
    many = {k: torch.ones(10_000_000, dtype=torch.float64) for k in ("mean", "std")}
    save_checkpoint(run / "checkpoints" / "best.pt", {**stored, "standardiser": many})
    assert "does not fit" in in_little_memory("runs.Run(path).model", run, mebibytes=900)


def _edit(state: Any, at: str, value: Any) -> Any:
    """The state with the entry `at` (dotted) replaced."""
    key, _, rest = at.partition(".")
    if isinstance(state, list):
        return [_edit(x, rest, value) if rest else value for x in state]
    known = int(key) if key.isdigit() else key
    return {**state, known: _edit(state[known], rest, value) if rest else value}


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("model", {}),
        ("model.bias", torch.zeros(3)),
        ("optimizer", []),
        ("optimizer.state.0.exp_avg", torch.zeros(3)),
        ("optimizer.state.0.exp_avg", torch.full((120, 30), np.nan)),
        ("optimizer.param_groups.lr", "fast"),
        ("optimizer.param_groups.lr", np.nan),
        ("schedule", {"step": 5, "last_epoch": 6}),
        ("schedule.last_epoch", 10**9),
        ("schedule.base_lrs", [7.0]),
        ("progress", {"epoch": 2}),
        ("progress.epoch", -1),
        ("progress.epoch", 2.0),
        ("progress.batch", -(10**9)),
        ("progress.history", [[1], [2]]),
        ("progress.history.loss", "low"),
        ("progress.best_score", None),
        ("rng", torch.zeros(3, dtype=torch.uint8)),
        ("rng", 0),
        ("method", {"alpha": 1.0}),
    ],
)
def test_training_goes_on_from_its_own_states_only(
    finished: Finished, tmp_path: Path, at: str, value: Any
) -> None:
    stored = load_checkpoint(finished.run / "checkpoints" / "last.pt")
    beginning = {**stored, "optimizer": {**stored["optimizer"], "state": {}}}
    path = tmp_path / "last.pt"
    save_checkpoint(path, stored)
    assert load_training(path, beginning, 2, 3)["progress"]["epoch"] == 2
    save_checkpoint(path, _edit(stored, at, value))
    assert "does not continue this training" in refusal(
        lambda: load_training(path, beginning, 2, 3)
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_and_schedule_goes_on(tmp_path: Path, name: str, schedule: str) -> None:
    model = torch.nn.Linear(3, 2)
    options = {"momentum": 0.9} if name == "sgd" else None
    optimizer, rates = build_optimizer(
        model.parameters(), name, 0.01, schedule, 0.3, 6, options=options
    )

    def state() -> dict[str, Any]:
        parts = {"model": model, "optimizer": optimizer, "schedule": rates}
        plain = {"method": {"alpha": 1.0}, "rng": torch.get_rng_state()}
        return {key: part.state_dict() for key, part in parts.items()} | plain

    progress = {"epoch": 0, "batch": 0, "loss": 0.0, "gradient_norm": 0.0, "tau": 0}
    progress |= {"best_score": np.inf, "history": []}
    beginning = copy.deepcopy({**state(), "progress": progress})
    path = tmp_path / "last.pt"
    for update in range(1, 7):
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        rates.step()
        epoch, batch = divmod(update, 2)
        history = [{"epoch": i, "loss": 1.0, "validation_d_stsp": None} for i in range(epoch)]
        now = {**progress, "epoch": epoch, "batch": batch, "history": history}
        save_checkpoint(path, {**state(), "progress": now})
        assert load_training(path, beginning, 3, 2)["progress"] == now


# Configurations


@pytest.mark.parametrize(
    "value", ["${oc.env:HOME}", "${seed}", ["${oc.env:HOME}"], [["${oc.env:HOME}"]], {"a": "${b}"}]
)
@pytest.mark.parametrize(
    "key", ["name", "dataset.inputs", "dataset.observed", "dataset.parameters"]
)
def test_nothing_is_interpolated(finished: Finished, key: str, value: Any) -> None:
    plain = yaml.safe_load((finished.run / "config.yaml").read_text())
    message = refusal(lambda: typed_config(_edit(plain, key, value)))
    assert os.environ["HOME"] not in message
    assert "${" in message


YAML = {
    "aliases": "a: &a [x]\nb: [*a, *a]\n",
    "laughs": "a: &a [x,x,x]\n"
    + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in pairwise("abcdefghijklmnopqrstuvwxyz")),
    "itself": "a: &a [*a]\n",
    "merge": "a: &a {b: 1}\nc: {<<: *a}\n",
    "tag": "a: !!python/object/apply:os.system ['true']\n",
    "name": "a: !!python/name:os.system\n",
    "date": "a: 2020-01-01\n",
    "bytes": "a: !!binary aGk=\n",
    "set": "a: !!set {b}\n",
    "key": "1: a\n",
    "nested": "a: " + "[" * 5_000 + "]" * 5_000,
    "deep": "a: " + "[" * 40 + "]" * 40,
    "base 60": "a: 1" + ":1" * 400_000,
    "escape": 'a: "\\x1b[2J"\n',
    "half": 'a: "\\ud800"\n',
    "digits": f"a: {10**200}\n",
    "large": "a: " + "x " * 2**20,
}
JSON = {
    "nested": "[" * 100_000 + "]" * 100_000,
    "deep": '{"a": ' + "[" * 40 + "]" * 40 + "}",
    "nan": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "overflow": '{"a": 1e999}',
    "digits": f'{{"a": {"9" * 100}}}',
    "more digits": f'{{"a": {"9" * 100_000}}}',
    "escape": '{"a": "\\u001b[2J"}',
    "half": '{"a\\ud800": 1}',
    "large": '{"a": "' + "x" * 2**24 + '"}',
}


@pytest.mark.parametrize("name", YAML)
def test_hostile_yaml_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(YAML[name])
    begun = time.monotonic()
    assert refusal(lambda: read_yaml(path, "run")).startswith(f"run: '{path}' ")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("name", JSON)
def test_hostile_json_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(JSON[name])
    assert refusal(lambda: read_json(path, "run")).startswith(f"run: '{path}' ")


def test_documents_come_back_as_they_were(tmp_path: Path) -> None:
    content = {"a": [1, -2.5, "ζ\n${b}", None, True, {}], "b": {"c": 1e-300, "d": 2**63}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_yaml(tmp_path / "a.yaml", "run") == content
    assert read_json(tmp_path / "a.json", "run") == content


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
    plain = _edit(plain, "dataset.floor_trajectories", 10)
    message = refusal(lambda: typed_config(_edit(plain, key, value)))
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


# Files that are none, and links


def test_pipes_and_devices_are_no_files(finished: Finished, tmp_path: Path) -> None:
    pipe = tmp_path / "a.npy"
    os.mkfifo(pipe)
    os.mkfifo(tmp_path / "a.csv")
    for path in (Path("/dev/zero"), pipe, tmp_path):
        with pytest.raises((RequestError, IsADirectoryError)):
            open_regular(path, "run", GIB)
    plain = {"name": "x", "key": None, "dt": 1.0, "time_unit": "s"}
    plain |= {"train_fraction": 0.5, "lambda_max": None, "window": 9}
    for name in (str(pipe), "/dev/zero", "/dev/stdin", str(tmp_path / "*.npy")):
        assert refusal(lambda name=name: read_dataset(path=name, **plain)).startswith(
            "dataset.path"
        )
    for name in (str(tmp_path / "a.csv"), "/dev/zero", "/dev/stdin"):
        source = CsvSource(path=name)
        assert refusal(lambda source=source: read_csv_dataset(source, 9)).startswith("dataset.path")
    run = Path(shutil.copytree(finished.run, tmp_path / "run"))
    for name in ("run.json", "evaluation.json", "trajectories.h5", "checkpoints/best.pt", ".lock"):
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)
        assert refusal(lambda: require_own_files(run)).startswith(f"run: '{run / name}' is no")
        (run / name).unlink()


@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "config.yaml",
        "run.json",
        "trajectories.h5",
        "checkpoints",
        "figures",
        "metrics.csv",
    ],
)
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
    (run / "checkpoints" / "best.pt").unlink()
    (run / "checkpoints" / "best.pt").symlink_to("last.pt")
    (tmp_path / "link").symlink_to(run)  # the run itself may lie elsewhere
    assert Run(tmp_path / "link").standardiser.mean.shape == (3,)
    (run / "run.json").unlink()
    (run / "run.json").symlink_to("run.json")
    assert "run.json' cannot be read" in refusal(lambda: require_own_files(run))


def test_a_report_does_not_go_round_in_loops(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs")
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    (run / "up").symlink_to(tmp_path)
    runs, skipped = collect(tmp_path / "runs")
    assert (len(runs), skipped) == (1, [])


# metrics.csv


@pytest.mark.parametrize(
    "text",
    [
        "",
        "loss\n1\n",
        "epoch,epoch\n1,1\n",
        "epoch,loss\n1\n",
        "epoch,loss\n1,2,3\n",
        "epoch\n0\n",
        "epoch\n1.5\n",
        f"epoch\n{'9' * 5_000}\n",
        f"epoch\n{10**12}\n",
        "epoch,loss\n1,1e5x\n",
        'epoch,loss\n1,"2\n',
        "epoch,loss\n1,\0\n",
        f"epoch,loss\n1,{'1' * 200_000}\n",
    ],
)
def test_what_is_no_history_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    assert refusal(lambda: read_history(path)).startswith(f"run: '{path}' cannot be read: ")


# HDF5


def trajectories(path: Path, steps: int = 50) -> None:
    x = np.ones((steps, 3))
    write_trajectories(path, x[None], x, 0.1, "s", ("x", "y", "z"), {"transient": 1})


def replaced(name: str, make: Callable[[h5py.File], Any]) -> Callable[[Path], None]:
    """A change of trajectories.h5: another thing at `name`."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[name]
            made = make(file)
            if made is not None:
                file[name] = made

    return change


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((50, 3), "f8")
    layout[:] = h5py.VirtualSource(str(Path(file.filename).with_name("other.h5")), "a", (50, 3))
    file.create_virtual_dataset("truth", layout)


def _external(file: h5py.File) -> None:
    file.create_dataset("truth", (50, 3), "f8", external=[("/etc/passwd", 0, 1_200)])


HDF5: dict[str, Callable[[Path], None]] = {
    "soft link": replaced("truth", lambda file: h5py.SoftLink("/generated")),
    "external link": replaced("truth", lambda file: h5py.ExternalLink("other.h5", "a")),
    "external": replaced("truth", _external),
    "virtual": replaced("truth", _virtual),
    "unallocated": replaced(
        "truth", lambda file: void(file.create_dataset("truth", (10**9, 3), "f8"))
    ),
    "compressed": replaced(
        "truth",
        lambda file: void(file.create_dataset("truth", data=np.ones((50, 3)), compression="gzip")),
    ),
    "objects": replaced("truth", lambda file: np.array([file.ref] * 50, dtype=h5py.ref_dtype)),
    "group": replaced("truth", lambda file: void(file.create_group("truth"))),
    "shape": replaced("truth", lambda file: np.ones((50, 2))),
    "axes": replaced("generated", lambda file: np.ones((50, 3))),
    "nan": replaced("truth", lambda file: np.full((50, 3), np.nan)),
    "huge": replaced("truth", lambda file: np.full((50, 3), 1e300)),
    "escape": replaced("variable", lambda file: np.array(["\x1b", "y", "z"], dtype=object)),
    "long": replaced("variable", lambda file: np.array(["x" * 300, "y", "z"], dtype=object)),
    "attribute": lambda path: attribute(path, "dt", np.ones((1_000, 100))),
    "text": lambda path: attribute(path, "commit", "x" * 60_000),
    "reference": lambda path: attribute(path, "dt", None),
    "interval": lambda path: attribute(path, "dt", np.inf),
    "transient": lambda path: attribute(path, "transient", 10**15),
}


def void(_: object) -> None:
    """For what is made in its place already."""


def attribute(path: Path, name: str, value: Any) -> None:
    with h5py.File(path, "a") as file:
        file.attrs[name] = file.ref if value is None else value


@pytest.mark.parametrize("name", HDF5)
def test_hostile_trajectories_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "trajectories.h5"
    trajectories(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.ones((50, 3))
    HDF5[name](path)
    assert refusal(lambda: read_trajectories(path)).startswith(f"run: '{path}' cannot be read: ")


def test_a_library_that_hangs_or_dies_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sfbptt_cli.common import hdf5

    path = tmp_path / "trajectories.h5"
    trajectories(path)
    for program, said in (
        ("import time; time.sleep(600)", "did not end within 1 seconds"),
        ("import os; os.abort()", "failed (status -6)"),
        ("import sys; sys.exit(3)", "failed (status 3)"),
    ):
        (tmp_path / "child.py").write_text(program)
        monkeypatch.setattr(hdf5, "_CHILD", tmp_path / "child.py")
        monkeypatch.setattr(hdf5, "_SECONDS", 1.0 if "sleep" in program else 60.0)
        assert said in refusal(lambda: read_trajectories(path))


# Data


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
    return [path for path in folder.iterdir() if path.suffix != ".pt"]


def test_data_that_would_take_any_memory(tmp_path: Path) -> None:
    code = """
settings = dict(dt=1.0, time_unit="s", train_fraction=0.5, lambda_max=None, window=20)
if ".csv" in path.name:
    read_csv_dataset(CsvSource(path=str(path)), 20)
else:
    read_dataset("x", str(path), None, **settings)
"""
    paths = _bombs(tmp_path)
    said = in_little_memory(code, *paths, mebibytes=700).splitlines()
    assert len(said) == len(paths)
    assert all(line.startswith("dataset.path: ") for line in said)


def test_a_table_of_many_columns_is_read_at_once(tmp_path: Path) -> None:
    names = [f"x{i}" for i in range(9_000)]
    rows = np.random.default_rng(0).integers(0, 9, size=(450, 9_000)).astype(float)
    path = tmp_path / "a.csv"
    path.write_text(
        "\n".join([",".join(names), *(",".join(f"{x:g}" for x in row) for row in rows)])
    )
    begun = time.monotonic()
    read = read_csv_dataset(CsvSource(path=str(path), train_fraction=0.5), 20)
    assert time.monotonic() - begun < 20
    np.testing.assert_array_equal(np.concatenate([read.train, read.test]), rows)


# The report

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
        make_report(tmp_path / kind, config_folder(), tmp_path / kind / "report")
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
    make_report(tmp_path, config_folder(), tmp_path / "out")
    (row,) = csv.DictReader((tmp_path / "out" / "table.csv").read_text("utf-8").splitlines())
    assert (row["lambda_max"], row["d_stsp"]) == ("-0.5", "0.25")


def test_folders_of_odd_names_are_reported(tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[2J", "\u202e".encode()):
        write_run(tmp_path / "runs").rename(tmp_path / "runs" / os.fsdecode(name))
    report = make_report(tmp_path / "runs", config_folder(), tmp_path / "out")
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
    (run / file).write_text(json.dumps(_edit({"tau": 1, **content}, key, value)))
    runs, skipped = collect(tmp_path)
    assert len(runs) == len(skipped) == 1
