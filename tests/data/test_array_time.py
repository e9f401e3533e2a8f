"""Columns of arrays that count time, several files, a test file, and data out of all scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from strangers import refusal

from sfbptt_cli.common import patterns
from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import ArraySettings, CsvSettings
from sfbptt_cli.data.tables.reader import read_csv

Array = npt.NDArray[Any]
STEPS = 1200
ROWS = np.arange(STEPS)
SERIES = np.random.default_rng(0).normal(size=(STEPS, 2))


def _saved(folder: Path, *columns: Array) -> Path:
    np.save(folder / "a.npy", np.column_stack([*columns, SERIES]))
    return folder / "a.npy"


def _read(path: Path | str, **changes: Any) -> Dataset:
    return read_array_dataset(ArraySettings("recorded", path=str(path), **changes))


def _whole(data: Dataset) -> Array:
    return np.concatenate([data.train, data.test])


@pytest.mark.parametrize(
    ("time", "settings", "dt", "unit"),
    [
        (0.01 * ROWS, {}, 0.01, "time units"),
        (5 + np.round(ROWS / 3, 3), {}, 1 / 3, "time units"),
        (1.6e12 + 500 * ROWS, {}, 500.0, "time units"),
        (1880 + np.round(ROWS / 12, 3), {"time_unit": "years"}, 1 / 12, "years"),
        (ROWS, {}, 1.0, "steps"),
        (ROWS + 1, {"dt": 0.01}, 0.01, "time units"),
        (0.01 * ROWS, {"dt": 0.01, "time_unit": "s"}, 0.01, "s"),
        (10 * ROWS, {"time_column": "x1"}, 10.0, "time units"),
        (10 * ROWS, {"columns": ["x2", "x3"]}, 10.0, "time units"),
    ],
)
def test_a_column_that_rises_in_equal_steps_is_the_time(
    tmp_path: Path, time: Array, settings: dict[str, Any], dt: float, unit: str
) -> None:
    data = _read(_saved(tmp_path, time), **settings)
    np.testing.assert_array_equal(_whole(data), SERIES)
    assert data.variables == ("x2", "x3")
    assert (data.dt, data.time_unit) == (pytest.approx(dt, rel=1e-4), unit)
    assert data.read.startswith("1200 rows of 'x2', 'x3'; time from 'x1'; dt = ")


def test_an_index_beside_the_time_is_left_out(tmp_path: Path) -> None:
    data = _read(_saved(tmp_path, ROWS, 0.5 * ROWS))
    assert (data.variables, data.dt) == (("x3", "x4"), 0.5)
    assert data.preprocessing == ("left out, as it counts time: column 'x1'",)


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ([np.cumsum(np.random.default_rng(1).random(STEPS))], "x1' of {path} only rises"),
        ([-0.1 * ROWS], "only rises or only falls"),
        ([ROWS // 365 + 1990, ROWS % 365], "x1' of {path} counts, and repeats"),
        ([ROWS % 24], "x1' of {path} counts, and repeats values or starts again, as dates, hours"),
        ([ROWS // 4 % 24], "counts, and repeats"),
        ([0.3 * ROWS % (2 * np.pi)], "counts, and repeats"),
        ([ROWS // 400], "as dates, hours and labels do"),
    ],
)
def test_columns_that_may_count_time_are_refused(
    tmp_path: Path, columns: list[Array], what: str
) -> None:
    path = _saved(tmp_path, *columns)
    others = f"x{len(columns) + 1},x{len(columns) + 2}"
    message = refusal(lambda: _read(path), path)
    assert message.startswith("dataset.columns: column 'x1' of {path} ")
    assert what in message
    assert f"accepted: dataset.columns=[{others}] without it, or with it" in message
    assert "dataset.time_column=x1 if it is time" in message
    np.testing.assert_array_equal(_whole(_read(path, columns=others.split(","))), SERIES)
    named = _read(path, columns=["x1", *others.split(",")])
    np.testing.assert_array_equal(_whole(named)[:, 0], columns[0])
    assert "x1" in _read(path, time_column=None).variables


@pytest.mark.parametrize(
    "column",
    [
        (ROWS // 7 % 2).astype(float),  # a flag
        np.abs(ROWS % 24 - 12.0),
        np.sin(ROWS / 9),
        ROWS % 24 + 1e-2 * SERIES[:, 0],
    ],
)
def test_columns_that_do_not_count_are_kept(tmp_path: Path, column: Array) -> None:
    assert _read(_saved(tmp_path, column)).variables == ("x1", "x2", "x3")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"dt": 0.1},
            "dataset.dt: 0.1 was given, and the times of {path} are 0.5 time units apart",
        ),
        (
            {"time_column": "x9"},
            "dataset.time_column: 'x9' is not in {path}; accepted: auto, null,",
        ),
        ({"columns": ["x9"]}, "dataset.columns: 'x9' is not in {path}; accepted: x1, x2, x3"),
        ({"columns": ["x1"], "time_column": "x1"}, "dataset.columns: 'x1' is the time column"),
    ],
)
def test_settings_of_time_that_are_refused(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    path = _saved(tmp_path, 0.5 * ROWS)
    assert refusal(lambda: _read(path, **settings), path).startswith(message)


def test_uneven_times_are_repaired_where_that_is_asked_for(tmp_path: Path) -> None:
    kept = np.delete(ROWS, [500, 501])
    times, smooth = 0.5 * kept, np.sin(kept / 50)
    np.save(tmp_path / "a.npy", np.column_stack([times, smooth]))
    assert "only rises" in refusal(lambda: _read(tmp_path / "a.npy"))
    named = {"time_column": "x1"}
    message = refusal(lambda: _read(tmp_path / "a.npy", **named))
    assert message.startswith("dataset.missing: 2 samples are missing between rows 499 and 500")
    data = _read(tmp_path / "a.npy", **named, missing="interpolate")
    np.testing.assert_allclose(_whole(data)[:, 0], np.sin(ROWS / 50), atol=1e-3)
    assert data.dt == 0.5


def test_undeclared_codes_are_refused(tmp_path: Path) -> None:
    series = SERIES.copy()
    series[[9, 90], 1] = -999
    np.save(tmp_path / "a.npy", series)
    message = refusal(lambda: _read(tmp_path / "a.npy"))
    assert message.startswith("dataset.missing_values: column 'x2' holds -999 in 2 rows")
    data = _read(tmp_path / "a.npy", missing_values=["-999"], missing="interpolate")
    np.testing.assert_allclose(_whole(data)[9, 1], SERIES[[8, 10], 1].mean())
    assert _read(tmp_path / "a.npy", missing_codes="keep").train[9, 1] == -999


def test_rows_and_columns_are_told_apart(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SERIES.T)
    data = _read(tmp_path / "a.npy", dt=0.01)
    np.testing.assert_array_equal(_whole(data), SERIES)
    assert (data.dt, data.time_unit) == (0.01, "time units")
    assert data.preprocessing == ("shape (2, 1200) is read as (variables, time)",)


@pytest.mark.parametrize(
    ("series", "what"),
    [
        (1e300 * SERIES, "accepted: sizes from 1e-100 to 1e+100"),
        (1e-310 * SERIES, "accepted: sizes from 1e-100 to 1e+100"),
        (np.concatenate([SERIES[:1100], 1e200 * SERIES[1100:]]), "accepted: sizes from"),
        (1e-9 * SERIES + 1e6, "within the rounding of 64-bit numbers"),
    ],
)
def test_numbers_out_of_all_scale_are_refused(tmp_path: Path, series: Array, what: str) -> None:
    np.save(tmp_path / "a.npy", series)
    settings = {"missing_codes": "keep"}
    message = refusal(lambda: _read(tmp_path / "a.npy", **settings), tmp_path / "a.npy")
    assert message.startswith("dataset.path: column 'x1' of {path} ")
    assert what in message


def test_files_are_in_natural_order(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        np.save(tmp_path / f"run{number}.npy", SERIES + number)
    data = _read(tmp_path / "run*.npy", train_fraction=None)
    np.testing.assert_array_equal(data.train, np.concatenate([SERIES + 1, SERIES + 2]))
    np.testing.assert_array_equal(data.test, SERIES + 10)
    assert data.preprocessing[0] == "2 trajectories train, run10.npy tests"


def test_a_pattern_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in "abc":
        for inner in "abc":
            (tmp_path / folder / inner).mkdir(parents=True)
    np.save(tmp_path / "a" / "b" / "[1].npy", SERIES)
    monkeypatch.setattr(patterns, "_MOST", 13)
    pattern = str(tmp_path / "*" / "*" / "*.npy")
    assert _read(pattern).train.shape == (960, 2)
    monkeypatch.setattr(patterns, "_MOST", 12)
    message = refusal(lambda: _read(pattern))
    assert message.endswith("looks at more than 12 files; accepted: * in fewer and smaller folders")


def _npy(path: Path, series: Array, dt: float) -> Path:
    np.save(path.with_suffix(".npy"), np.column_stack([dt * np.arange(len(series)), series]))
    return path.with_suffix(".npy")


def _csv(path: Path, series: Array, dt: float) -> Path:
    names = ",".join(["t", *(f"x{i + 2}" for i in range(series.shape[1]))])
    table = np.column_stack([dt * np.arange(len(series)), series])
    np.savetxt(path.with_suffix(".csv"), table, "%.17g", ",", header=names, comments="")
    return path.with_suffix(".csv")


@pytest.mark.parametrize("write", [_npy, _csv])
def test_a_test_file_of_its_own(tmp_path: Path, write: Any) -> None:
    def read(test: Path) -> Dataset:
        path = str(write(tmp_path / "train", SERIES, 0.5))
        if write is _npy:
            return _read(path, test_path=str(test))
        return read_csv(CsvSettings("x", path=path, test_path=str(test)))

    data = read(write(tmp_path / "test", SERIES[:300] + 1, 0.5))
    np.testing.assert_allclose(data.train, SERIES, rtol=1e-15)
    np.testing.assert_allclose(data.test, SERIES[:300] + 1, rtol=1e-15)
    assert (data.variables, data.train_lengths, data.dt) == (("x2", "x3"), (), 0.5)
    for other, dt, what in (
        (np.column_stack([SERIES, SERIES[::-1, 0]]), 0.5, "has test data of other variables: "),
        (SERIES, 0.1, "is sampled every 0.1, dataset.path every 0.5; accepted: one interval"),
    ):
        message = refusal(lambda o=other, d=dt: read(write(tmp_path / "test", o, d)))
        assert message.startswith("dataset.test_path: ")
        assert what in message


def test_several_files_train_and_another_tests(tmp_path: Path) -> None:
    for name in ("run1", "run2", "test"):
        _npy(tmp_path / name, SERIES, 0.5)
    data = _read(tmp_path / "run*.npy", test_path=str(tmp_path / "test.npy"))
    assert (data.train_lengths, len(data.test)) == ((STEPS, STEPS), STEPS)


def test_refusals_of_a_test_file_name_its_setting(tmp_path: Path) -> None:
    path = _npy(tmp_path / "train", SERIES, 0.5)
    message = refusal(lambda: _read(path, test_path=str(tmp_path / "none.npy")))
    assert message.startswith(f"dataset.test_path: '{tmp_path}/none.npy' is not a file")
    path = _csv(tmp_path / "train", SERIES, 0.5)
    settings = CsvSettings("x", path=str(path), test_path=str(tmp_path / "none.csv"))
    assert refusal(lambda: read_csv(settings)).startswith("dataset.test_path: '")
