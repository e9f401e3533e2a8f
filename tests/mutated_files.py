"""Real files with some bytes changed, and every reader of such files: what the fuzz tests share.

A reader gives what it read, or raises RequestError. Everything else is a defect: another exception,
a message of several lines, too much time, and, where a file is protected by checksums, content that
is not what was written.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import scipy.io
from strangers import sealed

from sfbptt_cli.common.cache import cached
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.settings import ArraySettings, CsvSettings
from sfbptt_cli.data.simulated import _read as read_simulated
from sfbptt_cli.data.simulated import _write as write_simulated
from sfbptt_cli.data.tables.reader import read_csv
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.lyapunov.cached import read_spectrum, write_spectrum
from sfbptt_cli.lyapunov.spectrum import Spectrum
from sfbptt_cli.report.card import card
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.making import report_on
from sfbptt_cli.report.page import page
from sfbptt_cli.report.tables import groups_csv, runs_csv
from sfbptt_cli.storage.checkpoint import load_checkpoint, load_training
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.storage.trajectories import write_trajectories

# Files that a process of its own opens: half a second each.
APART = (".h5", ".mat", ".nc", ".parquet")
SECONDS = 30.0  # of one case, on a busy machine; reading HDF5 may wait 20 s for its process
_NUMBERS = [b"\xff" * 4, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\0" * 8, b"\0\0\0\x80", b"\1"]
_WORDS = [
    *(b"1e999", b"-1", b"0", b"99999999999999999999", b"1e18", b"NaN", b"null", b"true", b"''"),
    *(bytes([sign]) for sign in b"[]{}\"',:\n#$\\"),
    *(b"\n  ", b"&a ", b"*a", b"!!set ", b"${oc.env:HOME}", b"../..", b"\x1b[2J", b"\\ud800"),
    *(b"</script>", b"\xe2\x80\xa8"),
]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One to three changes: bits, bytes, words, and blocks cut, zeroed, doubled or moved."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if not data:
            break
        # Headers and directories lie at the ends.
        near = rng.choice([len(data), len(data), min(len(data), 2_000)])
        at = rng.randrange(near)
        at = len(data) - 1 - at if rng.random() < 0.3 else at
        size = min(rng.choice([1, 2, 8, 64, 1_000]), len(data) - at)
        kind = rng.randrange(9)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + size]
        elif kind == 4:
            data[at:at] = data[at : at + size]
        elif kind == 5:
            other = rng.randrange(len(data))
            block = data[other : other + size]
            data[at : at + len(block)] = block
        elif kind == 6:
            data[at : at + size] = bytes(size)
        elif kind == 7:
            number = rng.choice(_NUMBERS)
            data[at : at + len(number)] = number
        else:
            word = rng.choice(_WORDS)
            data[at : at + rng.choice([0, len(word)])] = word
    return bytes(data)


@dataclass
class Reader:
    """A file, how it is read, and whether what is read must be what was written.

    `mend` is made of the mutated bytes before they are read, for what lies behind a checksum.
    """

    name: str
    file: Path
    read: Callable[[], object]
    exact: bool = False
    mend: Callable[[bytes], bytes] = bytes
    original: bytes = b""
    expected: object = None

    def __post_init__(self) -> None:
        self.original = self.file.read_bytes()
        self.expected = self.read()


@dataclass
class Outcome:
    """What became of the cases of one reader."""

    cases: int = 0
    errors: int = 0
    reads: int = 0
    longest: float = 0.0  # seconds
    defects: list[str] = field(default_factory=list)


def fuzz(reader: Reader, cases: int, seed: int) -> Outcome:
    """Read `cases` mutated files; the same ones for the same seed."""
    rng = random.Random(f"{reader.name} {seed}")
    outcome = Outcome()
    try:
        for case in range(cases):
            reader.file.write_bytes(reader.mend(mutate(reader.original, rng)))
            begun = time.monotonic()
            defect = _case(reader, outcome)
            seconds = time.monotonic() - begun
            outcome.cases += 1
            outcome.longest = max(outcome.longest, seconds)
            if seconds > SECONDS:
                defect = f"it took {seconds:.0f} s"
            if defect:
                outcome.defects.append(f"case {case}: {defect}")
    finally:
        reader.file.write_bytes(reader.original)
    return outcome


def _case(reader: Reader, outcome: Outcome) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = reader.read()
    except RequestError as error:
        outcome.errors += 1
        several = len(str(error).splitlines()) > 1
        return f"a message of several lines: {error}" if several else None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    outcome.reads += 1
    return "something else was read" if reader.exact and found != reader.expected else None


def readers(folder: Path, run: Path) -> Iterator[Reader]:
    """A reader of every kind of file, on copies in `folder`; `run` is a finished run."""
    copy = folder / "runs" / "one"
    shutil.copytree(run, copy)
    # Of its own size, for speed, and without figures.
    shutil.rmtree(copy / "figures", ignore_errors=True)
    _write_short_trajectories(copy / "trajectories.h5")
    paths = RunFolder(copy)
    checkpoints = {paths.best: lambda: _model(copy, "best"), paths.last: _continued(paths.last)}
    for path, read in checkpoints.items():
        yield Reader(path.name, path, read, exact=True)
        yield Reader(f"sealed {path.name}", path, read, mend=sealed)
    yield Reader("trajectories.h5", copy / "trajectories.h5", lambda: _pictures(copy))
    (copy / "trajectories.h5").unlink()  # takes most of the time
    yield Reader("config.yaml", copy / "config.yaml", lambda: (_report(copy), _model(copy, "best")))
    yield Reader("run.json", copy / "run.json", lambda: _report(copy))
    evaluated = copy / "evaluation.json"
    yield Reader("evaluation.json", evaluated, lambda: (_report(copy), _words(copy)))
    yield Reader("metrics.csv", copy / "metrics.csv", lambda: (_report(copy), Run(copy).history))
    yield from _data_readers(folder)
    yield from _cache_readers(folder)


def _model(run: Path, checkpoint: str) -> list[Any]:
    opened = Run(run, checkpoint)
    scale = opened.standardiser
    weights = {k: v.tolist() for k, v in opened.model.state_dict().items()}
    return [weights, scale.mean.tolist(), scale.std.tolist()]


def _continued(path: Path) -> Callable[[], object]:
    """Reads the last checkpoint of a run as training that is continued does."""
    stored = load_checkpoint(path)
    beginning = {**stored, "optimizer": {**stored["optimizer"], "state": {}}}
    epochs = stored["progress"]["epoch"]
    batches = stored["schedule"]["last_epoch"] // epochs
    return lambda: repr(load_training(path, beginning, epochs, batches))


def _words(run: Path) -> object:
    return Run(run).dynamics, Run(run).result, Run(run).metrics


def _write_short_trajectories(path: Path) -> None:
    t = np.arange(300)[:, None] * np.array([0.11, 0.07])
    attributes = {"transient": 20, "checkpoint": "best", "commit": "unknown"}
    write_trajectories(path, np.cos(t)[None], np.sin(t), 0.01, "time units", ("x", "y"), attributes)


def _pictures(run: Path) -> object:
    stored = Run(run).trajectories
    (record,), _ = collect(run)
    return stored, card("best", record, "run")


def _report(run: Path) -> None:
    """Make what `sfbptt report` writes but for the figure."""
    metrics = ("d_stsp", "d_h")
    made = report_on(run.parent, *collect(run.parent), "median", metrics)
    text = page(made) + runs_csv(made.panels) + groups_csv(made.panels)
    text += "".join(map(made.printed, made.panels))
    text.encode("utf-8")  # it is written to a file


def _data_readers(folder: Path) -> Iterator[Reader]:
    series = np.random.default_rng(0).normal(size=(600, 2))
    np.save(folder / "a.npy", series)
    np.savez_compressed(folder / "a.npz", a=series)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("a", data=series, compression="gzip")
    scipy.io.savemat(folder / "a.mat", {"a": series, "s": {"t": 0.1 * np.arange(600)}})
    _write_netcdf(folder / "a.nc", series)
    names = ["a.npy", "a.npz", "a.h5", "a.mat", "a.nc"]
    if find_spec("pyarrow"):
        from pyarrow import parquet, table

        parquet.write_table(table({"x": series[:, 0], "y": series[:, 1]}), folder / "a.parquet")
        names.append("a.parquet")
    for name in names:
        path = folder / name
        source = ArraySettings(name="x", path=str(path), train_fraction=0.5)
        yield Reader(f"data {path.suffix}", path, lambda s=source: read_array_dataset(s))
    rows = "".join(
        f"{1 + i // 96:02d}.03.2010 {i % 96 // 4:02d}:{i % 4 * 15:02d},{x:.4g},{y:.4g}\n"
        for i, (x, y) in enumerate(series)
    )
    text = f"time,T (degC),p\n{rows}".encode()
    for name, content in (("a.csv", text), ("a.csv.gz", gzip.compress(text, mtime=0))):
        path = folder / name
        path.write_bytes(content)
        source = CsvSettings("x", path=str(path), time_column="time", train_fraction=0.5)
        yield Reader(name.replace("a.", "data ."), path, lambda s=source: read_csv(s))


def _write_netcdf(path: Path, series: npt.NDArray[np.float64]) -> None:
    with scipy.io.netcdf_file(path, "w") as file:
        file.createDimension("time", len(series))
        file.createVariable("time", "d", ("time",))[:] = np.arange(len(series))
        packed = file.createVariable("a", "h", ("time",))
        packed[:] = np.round(series[:, 0] / 0.001)
        packed.scale_factor, packed._FillValue = 0.001, np.int16(-32768)


def _cache_readers(folder: Path) -> Iterator[Reader]:
    """A damaged file of the cache is made again, so that always the same comes out."""
    os.environ["SFBPTT_CACHE"] = str(folder / "cache")
    parts = list(np.random.default_rng(1).normal(size=(4, 50, 2)))

    def simulated() -> object:
        found = cached("fuzz", {}, ".npz", lambda: parts, write_simulated, read_simulated)
        return [part.tolist() for part in found]

    computed = Spectrum(np.array([0.9056]), np.array([1e-3]), 64)

    def spectrum() -> object:
        found = cached("fuzz", {}, ".json", lambda: computed, write_spectrum, read_spectrum)
        return [part.tolist() for part in found[:2]]

    for suffix, read in ((".npz", simulated), (".json", spectrum)):
        read()
        (path,) = (folder / "cache").glob(f"fuzz-*{suffix}")
        yield Reader(f"cache {suffix}", path, read, exact=True)


def as_rows(outcomes: dict[str, Outcome]) -> list[str]:
    """A line a reader: cases, clean errors, reads, defects, seconds of the longest case."""
    rows: list[tuple[str, ...]] = [("reader", "cases", "errors", "reads", "defects", "longest")]
    for name, found in outcomes.items():
        counts = (found.cases, found.errors, found.reads, len(found.defects))
        rows.append((name, *map(str, counts), f"{found.longest:.1f} s"))
    return [f"{row[0]:<24}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in rows]
