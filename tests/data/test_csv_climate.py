"""The sea-surface series that is shipped, and files in the format of the Jena weather station."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import TemperatureSettings
from sfbptt_cli.data.tables.reader import SHIPPED, read_temperature

CLIMATE = TemperatureSettings(
    "temperature",
    path=str(SHIPPED),
    time_column="time (UTC)",
    missing_values=["NA", "N/A", "NaN", "NULL", "null", "-", "-9999"],
    order="sort",
    duplicates="mean",
    missing="interpolate",
    yearly_cycle=2,
    daily_cycle=2,
    smoothing=8.0,
)
RAW = replace(CLIMATE, yearly_cycle=0, daily_cycle=0, smoothing=0.0, dimension=1)
JENA: dict[str, str] = {"time_column": "Date Time", "column": "T (degC)"}

JENA_HEADER = (
    '"Date Time","p (mbar)","T (degC)","Tpot (K)","Tdew (degC)","rh (%)","VPmax (mbar)",'
    '"VPact (mbar)","VPdef (mbar)","sh (g/kg)","H2OC (mmol/mol)","rho (g/m**3)","wv (m/s)",'
    '"max. wv (m/s)","wd (deg)"'
)


def jena(path: Path, rows: int) -> NDArray[Any]:
    """Write a file in the format of jena_climate_2009_2016.csv; return the temperatures.

    They are those of a full grid. In the file a month stands twice, 17.5 hours and three days are
    missing, and a wind gauge reports -9999.00.
    """
    grid = np.arange(rows + 545)
    days = grid / 144
    temperature = 9 - 9 * np.cos(2 * np.pi * days / 365.2425) - 3 * np.cos(2 * np.pi * days)
    temperature = np.round(temperature + np.random.default_rng(0).normal(size=len(grid)), 2)
    kept = np.delete(grid, [*range(30_000, 30_105), *range(40_000, 40_440)])
    kept = np.concatenate([kept[:10_000], kept[5_536:10_000], kept[10_000:-4464]])
    first = datetime(2009, 1, 1, 0, 10)
    lines = [
        f"{first + timedelta(minutes=10 * k):%d.%m.%Y %H:%M:%S},{990 + k % 7},"
        f"{temperature[k]:.2f},265.40,"
        f"-8.90,93.30,3.33,3.11,0.22,1.94,3.12,1307.75,{-9999 if i < 50 else 1.03:.2f},1.75,152.30"
        for i, k in enumerate(kept.tolist())
    ]
    path.write_text("\n".join([JENA_HEADER, *lines, ""]))
    return temperature


def test_the_shipped_series_needs_no_argument() -> None:
    shipped = replace(CLIMATE, path=None, time_column=None)
    dataset = read_temperature(shipped)
    assert dataset.variables == ("temperature (celsius)",)
    np.testing.assert_array_equal(dataset.train, read_temperature(CLIMATE).train)
    dataset = read_temperature(replace(CLIMATE, lag="auto", dimension="auto"))
    notes = dataset.preprocessing
    assert dataset.variables[0] == "temperature (celsius) t-0"
    assert 3 <= dataset.obs_dim <= 5
    assert dataset.dt == pytest.approx(1 / 48, rel=1e-14)
    assert dataset.time_unit == "days"
    # 401 days of half hours, 80% to train; each part loses the span of a delay vector.
    span = int(dataset.variables[-1].split("t-")[1])
    assert len(dataset.train) == 15_399 - span
    assert len(dataset.test) == 3_850 - span
    # The cycles of the training part fit the test part, which lies in another year.
    assert np.abs(dataset.test.mean(axis=0)).max() < 0.5 * dataset.train.std()
    assert dataset.test.std() < 1.5 * dataset.train.std()
    assert list(notes[:2]) == [
        "1 rows repeat a time, first row 19212: their mean was taken",
        "column 'temperature (celsius)': 24 missing samples interpolated in 2 gaps, the longest of "
        "23, the first after row 5788",
    ]


def test_the_shipped_file_is_unchanged_and_has_its_terms_beside_it() -> None:
    digest = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert digest == "529155ac773634b0dca439781a839487640db92e2bdb597e372a2b0ba0ffbff0"
    terms = (SHIPPED.parent / "sea_surface_temperature.LICENSE.txt").read_text()
    assert "The data may be used and redistributed for free" in terms
    assert "makes any warranty, express or implied" in terms
    dataset = read_temperature(RAW)
    with gzip.open(SHIPPED, "rt") as file:
        values = [float(line.split(",")[1]) for line in list(file)[1:5001]]
    np.testing.assert_array_equal(dataset.train[:5000, 0], values)


def test_the_jena_file_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "jena.csv"
    rows = 50_000
    truth = jena(path, rows)
    source = replace(RAW, path=str(path), **JENA)
    dataset = read_temperature(source)
    notes = dataset.preprocessing
    series = np.concatenate([dataset.train, dataset.test])[:, 0]
    assert dataset.dt == pytest.approx(1 / 144, rel=1e-14)
    # A part of the file stands twice, so that as many rows are missing at its end.
    truth = truth[: len(series)]
    assert len(series) == rows + 545 - 4464
    missing = np.zeros(len(truth), dtype=bool)
    missing[30_000:30_105] = missing[40_000:40_440] = True
    np.testing.assert_array_equal(series[~missing], truth[~missing])
    assert np.ptp(np.diff(series[29_999:30_106])) < 1e-9
    assert list(notes) == [
        "sorted by time: 1 rows were earlier than the row before, first 10002",
        "4464 rows repeat a time, first row 10002: their mean was taken",
        "column 'T (degC)': 545 missing samples interpolated in 2 gaps, the longest of 440, the "
        f"first after row {30_001 + 4464}",
    ]
    # Without the sentinel the wind gauge is constant, which no model can learn.
    with pytest.raises(RequestError, match=r"column 'wv \(m/s\)' is constant"):
        read_temperature(replace(source, column="wv (m/s)"))
    for changes, message in (
        ({"column": None}, r"dataset\.column: nothing was given; accepted: p \(mb"),
        ({"column": "T"}, r"dataset\.column: 'T' is not in the file; accepted: Da"),
        ({"column": None, "time_column": "Date"}, r"dataset\.time_column: 'Date' is not in the"),
    ):
        with pytest.raises(RequestError, match=message):
            read_temperature(replace(source, **changes))
