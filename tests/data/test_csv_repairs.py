"""Readings that are no regular series: repaired as asked, refused with the row otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.sampling import Readings, regularise
from sfbptt_cli.data.settings import CsvSettings
from sfbptt_cli.data.settings import RepairSettings as Repairs
from sfbptt_cli.data.tables.reader import read_csv

Array = NDArray[Any]

DT = 0.25
ALL = Repairs(order="sort", duplicates="first", missing="interpolate", max_gap=20)


def line(times: Array) -> Array:
    """Return two straight lines (T, 2)."""
    return np.column_stack([3 - 2 * times, 0.5 * times])


def readings(times: Array, values: Array | None = None) -> Readings:
    values = line(times) if values is None else values
    return Readings(times, values, np.arange(len(times)) + 2, ("T", "p"), "hours")


def refusal(given: Readings, repairs: Repairs) -> str:
    with pytest.raises(RequestError) as refused:
        regularise(given, repairs)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_regular_series_is_left_alone() -> None:
    times = 10 + DT * np.arange(50)
    values = np.random.default_rng(0).normal(size=(50, 2))
    for repairs in (Repairs(), ALL):
        series, notes = regularise(readings(times, values), repairs)
        np.testing.assert_array_equal(series.values, values)
        assert series.dt == DT
        assert notes == []
        np.testing.assert_array_equal(series.reaches, np.arange(50))


def test_unsorted_rows() -> None:
    times = DT * np.arange(50)
    shuffled = np.random.default_rng(0).permutation(50)
    shuffled[[0, 1, 2]] = sorted(shuffled[[0, 1, 2]])
    given = readings(times[shuffled])
    back = int(np.argmax(np.diff(shuffled) < 0)) + 3
    assert refusal(given, Repairs()).startswith(f"dataset.order: row {back} is earlier than the")
    series, notes = regularise(given, Repairs(order="sort"))
    np.testing.assert_array_equal(series.values, line(times))
    count = (np.diff(shuffled) < 0).sum()
    assert notes == [f"sorted by time: {count} rows were earlier than the row before, first {back}"]


def test_repeated_times() -> None:
    times = DT * np.array([0, 1, 1, 2, 3, 3, 3, 4])
    values = line(times)
    values[2] += 1
    values[5] = np.nan
    values[6, 0] += 3
    given = readings(times, values)
    message = refusal(given, Repairs())
    assert message.startswith("dataset.duplicates: row 4 has the time of row 3, and 2 more rows ")
    series, notes = regularise(given, Repairs(duplicates="first"))
    np.testing.assert_array_equal(series.values, line(DT * np.arange(5)))
    assert notes == ["3 rows repeat a time, first row 4: the first row was kept"]
    series, notes = regularise(given, Repairs(duplicates="mean"))
    expected = line(DT * np.arange(5))
    expected[1] += 0.5
    expected[3, 0] += 1.5
    np.testing.assert_allclose(series.values, expected, rtol=1e-15)
    assert notes == ["3 rows repeat a time, first row 4: their mean was taken"]


def test_missing_rows_and_values_lie_on_a_straight_line() -> None:
    times = DT * np.delete(np.arange(50), [7, 20, 21, 22])
    values = line(times)
    values[[10, 30, 31], [0, 1, 1]] = np.nan
    given = readings(times, values)
    message = refusal(given, Repairs())
    assert message.startswith("dataset.missing: row 12, column 'T' has no value, nor have 2 other")
    message = refusal(readings(times), Repairs())
    assert message.startswith("dataset.missing: 1 samples are missing between rows 8 and 9, and 3 ")
    series, notes = regularise(given, Repairs(missing="interpolate", max_gap=3))
    np.testing.assert_allclose(series.values, line(DT * np.arange(50)), rtol=1e-14)
    assert series.dt == DT
    ahead = np.flatnonzero(series.reaches > np.arange(50))
    np.testing.assert_array_equal(ahead, [7, 11, 20, 21, 22, 34, 35])
    np.testing.assert_array_equal(series.reaches[ahead], [8, 12, 23, 23, 23, 36, 36])
    assert notes == [
        "column 'T': 5 missing samples interpolated in 3 gaps, the longest of 3, the first after "
        "row 8",
        "column 'p': 6 missing samples interpolated in 3 gaps, the longest of 3, the first after "
        "row 8",
    ]
    message = refusal(given, Repairs(missing="interpolate", max_gap=2))
    assert message.startswith(
        "dataset.max_gap: 3 samples of column 'T' are missing between rows 20 and 21; accepted: "
        "dataset.max_gap=3 or more"
    )


def test_the_longest_part_between_long_gaps() -> None:
    times = DT * np.delete(np.arange(100), [*range(20, 30), 40, *range(85, 90)])
    series, notes = regularise(
        readings(times), Repairs(missing="interpolate", max_gap=2, long_gaps="longest")
    )
    np.testing.assert_allclose(series.values, line(DT * np.arange(30, 85)), rtol=1e-14)
    expected = np.arange(55)
    expected[10] = 11
    np.testing.assert_array_equal(series.reaches, expected)
    assert notes[-1] == "kept samples 31 to 85 of 100, without long gaps"


def test_values_missing_at_the_ends_are_cut_off() -> None:
    times = DT * np.arange(50)
    values = line(times)
    values[:3, 0] = values[-2:, 1] = np.nan
    series, notes = regularise(readings(times, values), ALL)
    np.testing.assert_array_equal(series.values, line(times)[3:-2])
    assert notes == ["kept samples 4 to 48 of 50, without long gaps"]


@pytest.mark.parametrize("changed", [0.4, 2.0, 3.0])
def test_another_sampling_interval(changed: float) -> None:
    times = DT * np.concatenate([np.arange(60), 60 + changed * np.arange(30)])
    message = refusal(readings(times), ALL)
    assert message.startswith(f"dataset.resample: {changed * DT:g} hours lie between the rows ")
    assert "accepted: dataset.resample=… in hours" in message
    series, notes = regularise(readings(times), replace(ALL, resample=4 * DT))
    # Bins of four readings; the first one stands at the mean of its times, 1.5 · DT.
    expected = line(1.5 * DT + 4 * DT * np.arange(len(series.values)))
    np.testing.assert_allclose(series.values, expected, rtol=1e-13, atol=1e-13)
    assert series.dt == 4 * DT
    assert notes[0] == "resampled every 1 hours by the means of the readings between"


def test_resampling_takes_means() -> None:
    values = np.random.default_rng(0).normal(size=(60, 2))
    series, _ = regularise(readings(DT * np.arange(60), values), Repairs(resample=3 * DT))
    np.testing.assert_allclose(series.values, values.reshape(20, 3, 2).mean(axis=1), rtol=1e-13)
    # At its own interval a series stays what it is.
    series, _ = regularise(readings(DT * np.arange(60), values), Repairs(resample=DT))
    np.testing.assert_array_equal(series.values, values)
    # A finer interval needs values between the readings.
    assert refusal(readings(DT * np.arange(60)), Repairs(resample=DT / 2)).startswith(
        "dataset.missing: 1 samples are missing between rows 2 and 3, and 58 elsewhere"
    )
    series, _ = regularise(readings(DT * np.arange(60)), replace(ALL, resample=DT / 2))
    np.testing.assert_allclose(series.values, line(DT / 2 * np.arange(119)), rtol=1e-13)


def test_resampling_of_irregular_times_with_gaps() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.5, size=400))
    times[200:] += 11
    given = readings(times)
    assert "dataset.max_gap: 4 samples of column 'T'" in refusal(
        given, replace(ALL, resample=2.0, max_gap=3)
    ).replace("5 samples", "4 samples")
    series, notes = regularise(given, replace(ALL, resample=2.0, max_gap=5))
    steps = np.diff(series.values, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to([-4, 1], steps.shape), rtol=1e-9)
    assert (series.reaches - np.arange(len(series.reaches))).max() in (5, 6)
    assert "missing samples interpolated in 1 gap" in notes[1]


@pytest.mark.parametrize(
    ("times", "repairs", "message"),
    [
        ([0.0, 1.0, 2.0, 1e9], ALL, "dataset.time_column: 4 rows span 1e+09 hours, more than 1"),
        ([0.0, 1.0, 2.0, 1e9], replace(ALL, resample=1.0), "dataset.time_column: 4 rows span 1e+0"),
        ([0.0, 1.0, 2.0], replace(ALL, resample=1e-300), "dataset.time_column: 3 rows span 2 hour"),
        ([0.0, 1e-300, 2e100], ALL, "dataset.resample: 1e-300 hours lie between the rows 2 and 3"),
        ([0.0], ALL, "dataset.path: the file has fewer than 2 rows"),
    ],
)  # fmt: skip
def test_other_refusals(times: list[float], repairs: Repairs, message: str) -> None:
    assert refusal(readings(np.array(times)), repairs).startswith(message)


def test_a_column_without_values_is_refused() -> None:
    times = DT * np.arange(20)
    values = line(times)
    values[:, 1] = np.nan
    assert refusal(readings(times, values), ALL).startswith("dataset.missing: column 'p' has no")


@pytest.mark.parametrize("resample", [None, 3.0])
def test_no_training_value_looks_into_the_test_part(tmp_path: Path, resample: float | None) -> None:
    """Other numbers in the test part leave every number of the training part as it is."""
    rng = np.random.default_rng(0)
    hours = np.arange(6000)
    x = 10 + np.cos(2 * np.pi * hours / 24) + np.cumsum(rng.normal(size=6000)) / 50
    gap = (hours > 2980) & (hours < 3010)
    source = CsvSettings(
        "x",
        path=str(tmp_path / "x.csv"),
        time_column="t",
        time_unit="hours",
        train_fraction=0.5,
        lag="auto",
        dimension="auto",
        missing="interpolate",
        max_gap=30,
        resample=resample,
        trend="linear",
        daily_cycle=2,
        smoothing=5.0,
    )
    trained, notes = [], []
    for change in (0.0, 100.0):
        y = x + change * (hours >= 3010) * rng.normal(size=6000)
        rows = [f"{t},{v!r}" for t, v, lost in zip(hours, y.tolist(), gap, strict=True) if not lost]
        Path(str(source.path)).write_text("\n".join(["t,T", *rows]))
        dataset = read_csv(source)
        trained.append(dataset.train)
        notes.append(dataset.preprocessing)
    assert any("samples between training and test part left out" in note for note in notes[0])
    assert notes[0] == notes[1]
    np.testing.assert_array_equal(trained[0], trained[1])
