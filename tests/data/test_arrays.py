"""Recorded series from array files: what is read, how it is split, and every refusal."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data import arrays, clock, dataset, missing
from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.settings import ArraySettings

Array = npt.NDArray[Any]
Write = Callable[[Path, Any], Path]

SERIES = np.random.default_rng(0).normal(size=(1200, 3))


def _read(path: Path | None, key: str | None = None, **changes: Any) -> Dataset:
    settings = {"dt": 0.5, "time_unit": "hours", "train_fraction": 0.75, **changes}
    given = None if path is None else str(path)
    return read_array_dataset(ArraySettings("recorded", path=given, key=key, **settings))


def _npy(folder: Path, array: Array) -> Path:
    np.save(folder / "series.npy", array, allow_pickle=True)
    return folder / "series.npy"


def _npz(folder: Path, compressed: bool = False, **members: Array) -> Path:
    save = np.savez_compressed if compressed else np.savez
    save(folder / "series.npz", allow_pickle=True, **members)
    return folder / "series.npz"


def _hdf5(folder: Path, **members: Any) -> Path:
    with h5py.File(folder / "series.h5", "w") as file:
        for name, content in members.items():
            file[name.replace("__", "/")] = content
    return folder / "series.h5"


def _packed_npz(folder: Path, array: Array) -> Path:
    return _npz(folder, compressed=True, only=array)


def _packed_hdf5(folder: Path, array: Array) -> Path:
    with h5py.File(folder / "SERIES.H5", "w") as file:
        file.create_dataset("x", data=array, chunks=True, compression="gzip", shuffle=True)
    return folder / "SERIES.H5"


WRITERS: dict[str, Write] = {
    "npy": _npy,
    "npz": lambda folder, array: _npz(folder, only=array),
    "hdf5": lambda folder, array: _hdf5(folder, group__inner__series=array),
}
write_any = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def _assert_holds(data: Dataset, series: Array, split: int = 900) -> None:
    np.testing.assert_array_equal(data.train, series[:split])
    np.testing.assert_array_equal(data.test, series[split:])


@pytest.mark.parametrize("order", [np.ascontiguousarray, np.asfortranarray])
def test_a_mapped_npy_file(tmp_path: Path, order: Callable[[Array], Array]) -> None:
    data = _read(_npy(tmp_path, order(SERIES)))
    _assert_holds(data, SERIES)
    assert isinstance(data.train, np.memmap)
    assert isinstance(data.test, np.memmap)
    assert not data.train.flags.writeable
    assert data.independent is None
    assert (data.name, data.dt, data.time_unit) == ("recorded", 0.5, "hours")
    assert data.variables == ("x1", "x2", "x3")
    assert (data.lambda_max, data.lambda_source) == (None, "not given")


def test_a_large_npy_file_is_never_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (arrays, clock, dataset):
        monkeypatch.setattr(module, "CHUNK", 10_000)
    monkeypatch.setattr(missing, "_CHUNK", 10_000)
    path = _npy(tmp_path, np.random.default_rng(1).normal(size=(500_000, 2)))  # 8 MB
    tracemalloc.start()
    try:
        data = _read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert data.train.nbytes == 6_000_000
    assert peak < 1_200_000


@pytest.mark.parametrize("write", [*WRITERS.values(), _packed_npz, _packed_hdf5])
def test_a_file_of_one_array(tmp_path: Path, write: Write) -> None:
    _assert_holds(_read(write(tmp_path, SERIES)), SERIES)
    one = _read(write(tmp_path, SERIES[:, 0]))
    _assert_holds(one, SERIES[:, :1])
    assert one.variables[0] in ("x1", "only", "series", "x")  # where the file has a name


def test_one_of_several_arrays(tmp_path: Path) -> None:
    npz = _npz(tmp_path, a=SERIES, b=2 * SERIES, text=np.array("units"))
    hdf5 = _hdf5(tmp_path, group__a=SERIES, group__b=3 * SERIES, top=4 * SERIES)
    hdf5 = hdf5.rename(tmp_path / "series.hdf5")
    for path, key, factor in (
        (npz, "a", 1),
        (npz, "b", 2),
        (hdf5, "group/a", 1),
        (hdf5, "/group/b", 3),
        (hdf5, "top", 4),
    ):
        _assert_holds(_read(path, key), factor * SERIES)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        ("int8", "float64"),
        ("uint16", "float64"),
        ("int64", "float64"),
        ("float16", "float16"),
        ("float32", "float32"),
        (">f4", ">f4"),
        ("longdouble", "float64"),
    ],
)
def test_types_of_numbers(tmp_path: Path, dtype: str, kept: str) -> None:
    series = np.arange(100, 100 + 1200 * 2).reshape(1200, 2) ** 2 % 101
    data = _read(_npy(tmp_path, series.astype(dtype)))
    assert data.train.dtype == data.test.dtype == np.dtype(kept)
    _assert_holds(data, series)
    standardiser = Standardiser.of(data.train)
    assert standardiser.standardise(data.train).dtype == np.float64
    assert standardiser.std.dtype == np.float64


def _refusal(path: Path | None, key: str | None = None, **changes: Any) -> str:
    """Return the message of the refusal, one line, with the path as {path}."""
    with pytest.raises(RequestError) as refused:
        _read(path, key, **changes)
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message.replace(f"'{path}'", "{path}")


ENDINGS = ".npy, .npz, .h5, .hdf5, .mat, .nc, .nc4, .cdf, .parquet, .pq"
NO_FILE = f"dataset.path: {{path}} is not a file; accepted: {ENDINGS}"
EMPTY = "dataset.path: {path} is empty"
TEXT_FILE = (
    "dataset.path: {path} is text and no file of arrays; accepted: dataset=csv, which reads text "
    "tables"
)
OTHER = (
    "dataset.path: {path} is no file of arrays that can be read; accepted: NumPy, HDF5, MATLAB, "
    f"netCDF-3 and -4, Parquet ({ENDINGS})"
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.npy", NO_FILE),
        ("folder.npz", NO_FILE),
        ("empty.npy", EMPTY),
        ("empty.h5", EMPTY),
        ("text.npy", TEXT_FILE),
        ("series.npy.gz", OTHER),
    ],
)
def test_what_is_no_array_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.npz").mkdir()
    for ending in ("npy", "npz", "h5"):
        (tmp_path / f"empty.{ending}").touch()
    (tmp_path / "text.npy").write_text("1.0 2.0 3.0\n" * 1200)
    (tmp_path / "series.npy.gz").write_bytes(gzip.compress(_bytes(SERIES)))
    assert _refusal(tmp_path / name) == message


def test_no_path_is_refused() -> None:
    message = f"dataset.path: nothing was given; accepted: a file, {ENDINGS}"
    assert _refusal(None) == message


def _constant() -> Array:
    series = SERIES.copy()
    series[:900, 2] = 7
    return series


RECORDS = np.zeros(1200, dtype=[("x", "f8"), ("y", "f8")])
TEXT = np.array([["1.5", "2.5"]] * 1200)
DAYS = np.array([["2020-01-01"]] * 1200, dtype="datetime64[D]")
NOT_REAL = "dataset.path: {path} holds DTYPE; accepted: real numbers"
NOT_2D = "dataset.path: {path} has shape SHAPE; accepted: (time, variables)"
SHORT = "dataset.path: {path} is too short: %d training and %d test steps; accepted: "
UNUSABLE: dict[str, tuple[Array, str]] = {
    "complex": (SERIES * 1j, NOT_REAL.replace("DTYPE", "complex128")),
    "logical": (SERIES > 0, NOT_REAL.replace("DTYPE", "bool")),
    "records": (RECORDS, NOT_REAL.replace("DTYPE", "[('x', '<f8'), ('y', '<f8')]")),
    "4-D": (SERIES.reshape(20, 20, 3, 3), NOT_2D.replace("SHAPE", "(20, 20, 3, 3)")),
    "zero rows": (SERIES[:0], "dataset.path: {path} is empty: shape (0, 3)"),
    "zero columns": (SERIES[:, :0], "dataset.path: {path} is empty: shape (1200, 0)"),
    "constant": (
        _constant(),
        "dataset.path: column 'x3' of {path} is constant in the training part; "
        "accepted: columns that vary (those of dataset.columns)",
    ),
    "short test": (SERIES[:796], SHORT % (597, 199) + "at least 2 and 200"),
}


@write_any
@pytest.mark.parametrize(("content", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_numbers_are_refused(
    tmp_path: Path, write: Write, content: Array, message: str
) -> None:
    assert _refusal(write(tmp_path, content)) == message


@pytest.mark.parametrize(
    ("write", "content", "dtype"),
    [
        (_npy, TEXT, "<U3"),
        (_packed_npz, TEXT, "<U3"),
        (_npy, DAYS, "datetime64[D]"),
        (_packed_npz, DAYS, "datetime64[D]"),
        (WRITERS["hdf5"], ["1.5", "2.5"] * 600, "object"),
        (_packed_hdf5, np.array([b"ab"] * 1200), "|S2"),
    ],
)
def test_text_and_dates_are_refused(tmp_path: Path, write: Write, content: Any, dtype: str) -> None:
    assert _refusal(write(tmp_path, content)) == NOT_REAL.replace("DTYPE", dtype)


def test_the_shortest_series_is_accepted(tmp_path: Path) -> None:
    path = _npy(tmp_path, SERIES[:221])
    data = _read(path, train_fraction=21 / 221)
    assert (len(data.train), len(data.test)) == (21, 200)
    assert "22 training and 199 test" in _refusal(path, train_fraction=22 / 221)


# With chunks of 100 rows: in the first, at the edges of the second, in the last.
@pytest.mark.parametrize(("row", "column"), [(0, 0), (99, 2), (100, 0), (199, 1), (1199, 2)])
@pytest.mark.parametrize(
    ("value", "dtype"), [(np.nan, "float64"), (np.inf, "float64"), (-np.inf, "float32")]
)
def test_a_value_that_is_no_number_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    row: int,
    column: int,
    value: float,
    dtype: str,
) -> None:
    monkeypatch.setattr(arrays, "CHUNK", 100)
    series = SERIES.astype(dtype)
    series[row, column] = value
    series[row + 1 :, 0] = np.nan  # the first one is named
    assert _refusal(_npy(tmp_path, series)) == (
        f"dataset.path: {{path}} row {row}, column {column} holds {value} (counted from 0); "
        "accepted: finite numbers" + (", or dataset.missing=interpolate" if value != value else "")
    )


class _Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_pickled_objects_are_not_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = np.array([_Touch(marker)] * 3, dtype=object)
    for path in (_npy(tmp_path, content), _npz(tmp_path, a=content)):
        assert _refusal(path) == NOT_REAL.replace("DTYPE", "object")
        assert not marker.exists()
    np.load(_npy(tmp_path, content), allow_pickle=True)
    assert marker.exists()  # so the file is as dangerous as it should be


def _bytes(array: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _compressed(folder: Path) -> bytes:
    data = bytearray(_npz(folder, compressed=True, a=SERIES).read_bytes())
    data[2000:2100] = b"\xff" * 100
    return bytes(data)


DAMAGED: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "truncated npy": ("b.npy", lambda d: _bytes(SERIES)[:-1]),
    "open bracket in npy": ("b.npy", lambda d: _bytes(SERIES).replace(b"3), }", b"3(, }")),
    "header of more": ("b.npy", lambda d: _bytes(SERIES).replace(b"(1200, 3)", b"(9200, 3)")),
    "damaged compressed npz": ("b.npz", _compressed),
    "truncated h5": ("b.h5", lambda d: _hdf5(d, a=SERIES).read_bytes()[:5000]),
    "h5 without heap": ("b.h5", lambda d: _hdf5(d, a=SERIES).read_bytes().replace(b"HEAP", b"?")),
}


@pytest.mark.parametrize(("name", "make"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused(
    tmp_path: Path, name: str, make: Callable[[Path], bytes]
) -> None:
    (tmp_path / name).write_bytes(make(tmp_path))
    message = _refusal(tmp_path / name)
    assert message.startswith("dataset.path: {path} cannot be read: ")
    assert len(message) > len("dataset.path: {path} cannot be read: ") + 5


@pytest.mark.parametrize(
    ("name", "write"),
    [("x.csv", WRITERS["npz"]), ("x.npy", WRITERS["hdf5"]), ("x.h5", _npy), ("x", WRITERS["npz"])],
)
def test_the_first_bytes_tell_the_format(tmp_path: Path, name: str, write: Write) -> None:
    _assert_holds(_read(write(tmp_path, SERIES).rename(tmp_path / name)), SERIES)


def test_a_sparse_file_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = _bytes(np.zeros((15, 1), dtype=np.int8))[:128].replace(b"(15, 1)", b"(1500000000, 1)")
    with (tmp_path / "a.npy").open("wb") as file:
        file.write(header.replace(b" " * 8 + b"\n", b"\n"))
        file.truncate(128 + 1_500_000_000)
    assert "would unfold" in _refusal(tmp_path / "a.npy")


def test_contents_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    assert _refusal(_npy(tmp_path, np.array(1.0))) == NOT_2D.replace("SHAPE", "()")
    assert _refusal(_hdf5(tmp_path, a=1.0)) == NOT_2D.replace("SHAPE", "()")
    assert _refusal(_hdf5(tmp_path, a=h5py.Empty("f8"))) == NOT_2D.replace("SHAPE", "()")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("readme.txt", "no array")
    assert _refusal(tmp_path / "a.npz") == NOT_REAL.replace("DTYPE", "no array")


def test_wrong_keys_are_refused_with_the_nearest(tmp_path: Path) -> None:
    npz = _npz(tmp_path, series=SERIES, time=SERIES[:, 0])
    hdf5 = _hdf5(tmp_path, group__series=SERIES, time=SERIES[:, 0])
    for path, key, listed, hint in (
        (npz, "serie", "series, time", " (did you mean 'series'?)"),
        (npz, "QQ", "series, time", ""),
        (hdf5, "group", "group/series, time", " (did you mean 'group/series'?)"),
        (hdf5, "group/serie", "group/series, time", " (did you mean 'group/series'?)"),
    ):
        given = "nothing was given" if key is None else f"'{key}' is not in the file"
        assert _refusal(path, key) == f"dataset.key: {given}; {{path}} holds: {listed}{hint}"
    assert _refusal(_npz(tmp_path)) == "dataset.key: nothing was given; {path} holds: nothing"
    message = "dataset.key: 'x' was given, but a .npy file holds a single array"
    assert _refusal(_npy(tmp_path, SERIES), "x") == message
