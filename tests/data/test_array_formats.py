"""MATLAB, netCDF and Parquet files, and what their attributes and dimensions say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
import xarray
from strangers import refusal

from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.kinds import reader_of
from sfbptt_cli.data.settings import ArraySettings

Array = npt.NDArray[Any]
STEPS = 1200
SERIES = np.random.default_rng(0).normal(size=(STEPS, 3))
TIMES = 0.25 * np.arange(STEPS)
COLUMNS = {"a": SERIES[:, 0], "b": SERIES[:, 1], "c": SERIES[:, 2]}


def _read(path: Path, **changes: Any) -> Dataset:
    return read_array_dataset(ArraySettings("recorded", path=str(path), **changes))


def _whole(data: Dataset) -> Array:
    return np.concatenate([data.train, data.test])


def _matlab(**options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        scipy.io.savemat(folder / "a.mat", {"x": SERIES, "t": TIMES}, **options)
        return folder / "a.mat"

    return write


def _matlab_lying(folder: Path) -> Path:
    scipy.io.savemat(folder / "a.mat", {"x": SERIES.T, "t": TIMES})
    return folder / "a.mat"


def _matlab_structure(folder: Path) -> Path:
    scipy.io.savemat(folder / "a.mat", {"run": {"x": SERIES, "t": TIMES, "who": "me"}, "n": 3.0})
    return folder / "a.mat"


def _matlab_73(folder: Path) -> Path:
    """MATLAB stores its arrays with the axes in reverse order, and text as numbers."""
    with h5py.File(folder / "a.mat", "w", userblock_size=512) as file:
        for name, content, kind in (
            ("x", SERIES.T, "double"),
            ("t", TIMES[:, None], "double"),
            ("who", np.array([[109], [101]], dtype="u2"), "char"),
            ("ok", np.ones((STEPS, 1), dtype="u1"), "logical"),
        ):
            file[name] = content
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
    with (folder / "a.mat").open("r+b") as block:
        block.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    return folder / "a.mat"


def _hdf5(folder: Path) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file["x"], file["time"] = SERIES, TIMES
    return folder / "a.h5"


def _npz(folder: Path) -> Path:
    np.savez(folder / "a.npz", x=SERIES, time=TIMES)
    return folder / "a.npz"


def _netcdf4(folder: Path) -> Path:
    stored = xarray.DataArray(SERIES.T, dims=("station", "time"), coords={"time": TIMES}, name="x")
    stored.to_netcdf(folder / "a.nc", engine="h5netcdf")
    return folder / "a.nc"


@pytest.mark.parametrize(
    "write",
    [
        _matlab(),
        _matlab(do_compression=True),
        _matlab(format="4"),
        _matlab_lying,
        _matlab_structure,
        _matlab_73,
        _hdf5,
        _npz,
        _netcdf4,
    ],
)
def test_one_array_and_the_times_beside_it(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    data = _read(write(tmp_path))
    np.testing.assert_array_equal(_whole(data), SERIES)
    assert (data.variables, data.dt, data.time_unit) == (("x1", "x2", "x3"), 0.25, "time units")
    assert data.read.startswith("1200 rows of 'x1', 'x2', 'x3'; time from 't")


def test_vectors_are_one_series_where_columns_name_them(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {**COLUMNS, "t": TIMES})
    assert refusal(lambda: _read(path), path) == (
        "dataset.key: nothing was given; {path} holds: a, b, c, t; accepted: one of them, or "
        "dataset.columns=[a,b,c] for all in one series"
    )
    data = _read(path, columns=["c", "a"])
    np.testing.assert_array_equal(_whole(data), SERIES[:, [2, 0]])
    assert (data.variables, data.dt) == (("c", "a"), 0.25)
    assert data.preprocessing == ("left out of a.mat: b",)
    assert _read(path, key="b").variables == ("b",)


def _classic(path: Path, times: str, **attributes: Any) -> Path:
    """NetCDF-3 with `a`, packed, and `b`, along an axis of one station as well."""
    with scipy.io.netcdf_file(path, "w") as file:
        file.createDimension("hour", STEPS)
        file.createDimension("station", 1)
        hours = file.createVariable("hour", "d", ("hour",))
        hours[:], hours.units = 6.0 * np.arange(STEPS), times
        packed = file.createVariable("a", "h", ("hour",))
        packed[:] = np.round((SERIES[:, 0] - 5) / 0.001)
        packed.scale_factor, packed.add_offset = 0.001, 5.0
        for name, value in attributes.items():
            setattr(packed, name, value)
        file.createVariable("b", "f", ("hour", "station"))[:] = SERIES[:, 1:2]
    return path


@pytest.mark.parametrize(
    ("units", "given", "dt", "unit"),
    [
        ("hours since 1990-01-01 00:00:00", "auto", 6.0, "hours"),
        ("hours since 1990-01-01", "days", 0.25, "days"),
        ("days since 1990-01-01", "hours", 144.0, "hours"),
        ("milliseconds since 1970-01-01", "auto", 0.006, "seconds"),
        ("fortnights", "auto", 6.0, "time units"),
        ("fortnights", "weeks", 6.0, "weeks"),
    ],
)
def test_units_of_time(tmp_path: Path, units: str, given: str, dt: float, unit: str) -> None:
    data = _read(_classic(tmp_path / "a.nc", units), time_unit=given)
    assert (data.dt, data.time_unit) == (pytest.approx(dt), unit)
    for name in ("a", "b"):  # scipy stores them in an order of its own
        found = _whole(data)[:, data.variables.index(name)]
        np.testing.assert_allclose(found, COLUMNS[name], atol=0.0006)
    assert data.preprocessing[0] == "a: unpacked, 0.001 times the stored number plus 5"


def test_the_same_as_xarray_reads(tmp_path: Path) -> None:
    """Signs, fills and offsets of netCDF-4, which another library wrote."""
    stored = xarray.Dataset(
        {name: ("time", column) for name, column in COLUMNS.items()},
        coords={"time": np.datetime64("2001-01-01") + np.arange(STEPS) * np.timedelta64(15, "m")},
    )
    scale = {"scale_factor": 0.05, "add_offset": -1.0}
    encoding = {
        "a": {"dtype": "i2", "_FillValue": -32768, **scale},
        "b": {"dtype": "u1", "_FillValue": 255, **scale, "add_offset": -6.0},
        "c": {"dtype": "f4"},
    }
    path = tmp_path / "a.nc"
    stored.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    data = _read(path)
    with xarray.open_dataset(path, engine="h5netcdf") as opened:
        expected = np.column_stack([opened[name].values.astype(float) for name in COLUMNS])
    np.testing.assert_allclose(_whole(data), expected, rtol=1e-6)
    assert (data.variables, data.dt, data.time_unit) == (("a", "b", "c"), 15, "minutes")


@pytest.mark.parametrize(
    ("attributes", "raw"),
    [
        ({"_FillValue": np.int16(-999)}, -999),
        ({"missing_value": np.array([-7, -999], dtype=np.int16)}, -999),
        ({"valid_min": np.int16(-20_000)}, -30_000),
        ({"valid_range": np.array([-20_000, 20_000], dtype=np.int16)}, 30_000),
    ],
)
def test_missing_values_by_the_marks_of_the_file(
    tmp_path: Path, attributes: dict[str, Any], raw: int
) -> None:
    path = _classic(tmp_path / "a.nc", "hours since 1990-01-01", **attributes)
    with scipy.io.netcdf_file(path, "a", mmap=False) as file:
        file.variables["a"][700:702] = raw
    assert refusal(lambda: _read(path, key="a"), path) == (
        "dataset.path: {path} row 700, column 0 holds nan (counted from 0); accepted: finite "
        "numbers, or dataset.missing=interpolate"
    )
    data = _read(path, key="a", missing="interpolate")
    between = np.interp([700, 701], [699, 702], SERIES[[699, 702], 0])
    np.testing.assert_allclose(_whole(data)[700:702, 0], between, atol=0.001)
    assert "a: 2 values are missing by the file's own mark" in data.preprocessing
    assert any("2 missing samples interpolated in 1 gap" in note for note in data.preprocessing)


def test_packing_of_plain_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.round(SERIES / 0.01 + 1000).astype(np.int16).view(np.int16)
        file["x"].attrs.update(scale_factor=0.01, add_offset=-10.0, _Unsigned="true")
        file["time"] = TIMES
    np.testing.assert_allclose(_whole(_read(path)), SERIES, atol=0.006)
    with h5py.File(path, "a") as file:
        file["x"].attrs["scale_factor"] = "much"
    assert refusal(lambda: _read(path)) == (
        "dataset.path: x has scale_factor = much; accepted: a number"
    )


def test_a_field_on_a_grid_and_trajectories(tmp_path: Path) -> None:
    grid = np.random.default_rng(1).normal(size=(STEPS, 2, 3))
    coordinates = {"time": TIMES}
    for dims, values in (
        (("time", "lat", "lon"), grid),
        (("trajectory", "time", "variable"), np.stack([SERIES, SERIES + 1])),
    ):
        array = xarray.DataArray(values, dims=dims, coords=coordinates, name="x")
        array.to_netcdf(tmp_path / f"{dims[0]}.nc", engine="h5netcdf")
    data = _read(tmp_path / "time.nc")
    np.testing.assert_array_equal(_whole(data), grid.reshape(STEPS, 6))
    assert data.variables[:2] == ("x 0,0", "x 0,1")
    data = _read(tmp_path / "trajectory.nc", train_fraction=None)
    np.testing.assert_array_equal(data.train, SERIES)
    np.testing.assert_array_equal(data.test, SERIES + 1)
    assert data.dt == 0.25


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    from pyarrow import parquet

    start = np.datetime64("2020-02-28", "us")
    when = start + np.arange(STEPS) * np.timedelta64(250, "ms")
    gaps = [None if i in (500, 501) else float(x) for i, x in enumerate(SERIES[:, 2])]
    table = pyarrow.table({**COLUMNS, "when": when, "tag": ["s"] * STEPS})
    parquet.write_table(table, tmp_path / "a.parquet")
    parquet.write_table(table.set_column(2, "c", [gaps]), tmp_path / "gaps.pq")
    data = _read(tmp_path / "a.parquet")
    np.testing.assert_array_equal(_whole(data), SERIES)
    assert (data.variables, data.dt, data.time_unit) == (("a", "b", "c"), 0.25, "seconds")
    assert data.preprocessing == ("left out of a.parquet: tag",)
    assert _read(tmp_path / "a.parquet", columns=["c"]).variables == ("c",)
    assert "row 500, column 2 holds nan" in refusal(lambda: _read(tmp_path / "gaps.pq"))
    data = _read(tmp_path / "gaps.pq", missing="interpolate")
    between = np.interp([500, 501], [499, 502], SERIES[[499, 502], 2])
    np.testing.assert_allclose(_whole(data)[500:502, 2], between)


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    assert refusal(lambda: _read(path)).endswith("-m pip install 'sfbptt[parquet]'")


def test_claims_of_huge_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"x": np.zeros((300, 8))}, format="4")
    content = bytearray(path.read_bytes())
    content[4:12] = np.array([2**30, 2**3], dtype="<i4").tobytes()  # rows and columns
    path.write_bytes(content)
    assert "cannot be read: " in refusal(lambda: _read(path))
    scipy.io.savemat(path, {"x": np.zeros((6_000_000, 1))}, do_compression=True)  # 47 kB
    assert "would unfold" in refusal(lambda: _read(path))


@pytest.mark.parametrize(
    ("path", "choice"),
    [
        ("a.csv", "csv"),
        ("a.TXT.gz", "csv"),
        ("x/a.b.dat", "csv"),
        ("a.zip", "csv"),
        ("a.npy", "npy"),
        ("run*.MAT", "npy"),
        ("a.nc4", "npy"),
        ("~/a.pq", "npy"),
    ],
)
def test_the_suffix_chooses_the_reader(path: str, choice: str) -> None:
    assert reader_of(path) == choice


@pytest.mark.parametrize("path", ["a.xls", "a", "a.npy.gz", "a.mat.zip"])
def test_another_suffix_is_refused(path: str) -> None:
    message = refusal(lambda: reader_of(path))
    for part in (f"'{path}' has ", ".csv, ", ".parquet", "dataset=csv", "dataset=npy"):
        assert part in message


def test_a_pattern_without_a_suffix_is_that_of_its_files(tmp_path: Path) -> None:
    np.save(tmp_path / "run1.npy", SERIES)
    assert reader_of(str(tmp_path / "run*")) == "npy"
