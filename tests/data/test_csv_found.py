"""Tables as people have them: names, time and units are found, what may be either is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import CsvSettings
from sfbptt_cli.data.tables.reader import read_csv

N = 1_300
I = np.arange(N)  # noqa: E741
X = np.sin(I / 9).round(3)
Y = (3 + 5 * np.cos(I / 23)).round(2)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HOUR = timedelta(hours=1)


def table(head: str, row: Callable[[int], str], foot: str = "") -> str:
    return head + "".join(f"{row(i)}\n" for i in range(N)) + foot


def at(i: int, form: str, step: timedelta = HOUR) -> str:
    return (datetime(2009, 1, 1, 0, 10) + i * step).strftime(form)


def month(i: int, sign: str = "-") -> str:
    return f"{1900 + i // 12}{sign}{i % 12 + 1:02d}"


def comma(text: str) -> str:
    return text.replace(".", ",")


def read(tmp_path: Path, text: str, **settings: Any) -> Dataset:
    path = tmp_path / "table.txt"
    path.write_text(text)
    return read_csv(CsvSettings("x", path=str(path), **settings))


def day_of_year(i: int) -> str:
    day = datetime(1999, 1, 1) + timedelta(days=i)
    length = 366 if day.year % 4 == 0 else 365
    return f"{day.year + (day.timetuple().tm_yday - 0.5) / length:.3f}"


def elapsed(i: int, rate: int) -> str:
    milliseconds = round(1000 * i / rate)
    return f"{milliseconds // 60_000}:{milliseconds / 1000 % 60:06.3f}"


HOURS = (1 / 24, "days")
TEN_MINUTES = (1 / 144, "days")


@pytest.mark.parametrize(
    ("text", "names", "dt", "unit"),
    [
        # A column of times, or that counts the rows.
        (table("t,x,y\n", lambda i: f"{i / 100:.2f},{X[i]},{Y[i]}"), "x y", 0.01, "time units"),
        (table("x,y,time_ms\n", lambda i: f"{X[i]},{Y[i]},{4 * i}"), "x y", 4, "milliseconds"),
        (table("T (s),x\n", lambda i: f"{Y[i]},{X[i]}"), "T (s),x", 1, "steps"),
        (table("Time [s],x\n", lambda i: f"{i / 4},{X[i]}"), "x", 0.25, "seconds"),
        (table("time,x\ns,mV\n", lambda i: f"{i / 4},{X[i]}"), "x", 0.25, "seconds"),
        (table("t,x\n", lambda i: f"{i / 30:.2f},{X[i]}"), "x", 1 / 30, "time units"),
        (table(",x,y\n", lambda i: f"{i},{X[i]},{Y[i]}"), "x y", 1, "steps"),
        (table("index,x\n", lambda i: f"{i + 7},{X[i]}"), "x", 1, "steps"),
        (table("x,when\n", lambda i: f"{X[i]},{1609459200000 + 250 * i}"), "x", 0.25, "seconds"),
        (table("x,when\n", lambda i: f"{X[i]},{1609459200 + 3600 * i}"), "x", *HOURS),
        # Dates and times of day.
        (table("date,x\n", lambda i: f"{at(i, '%d-%b-%Y %H:%M')},{X[i]}"), "x", *HOURS),
        (table("date,x\n", lambda i: f"{at(i, '%m/%d/%Y %I:%M %p')},{X[i]}"), "x", *HOURS),
        (table("date,x\n", lambda i: f"{at(i, '%Y-%m-%dT%H:%M:%S.000000Z')},{X[i]}"), "x", *HOURS),
        (table("x;D;U\n", lambda i: f"{comma(str(X[i]))};{at(i, '%d/%m/%Y;%H:%M:%S')}"), "x",
         *HOURS),
        (table("D;U;x\n", lambda i: f"{at(i, '%d/%m/%Y;%H.%M.%S')};{X[i]};;"), "x", *HOURS),
        (table("date,hour,x\n", lambda i: f"{at(i, '%Y%m%d,%H')},{X[i]}"), "x", *HOURS),
        (table("day x\n", lambda i: f"{at(i, '%Y-%m-%d', 24 * HOUR)} {X[i]}"), "x", 1, "days"),
        (table("clock,x\n", lambda i: f"{at(i, '%H:%M:%S')},{X[i]}"), "x", *HOURS),
        (table(",time,x\n", lambda i: f"{i},0 days 00:{i // 60:02d}:{i % 60:02d},{X[i]}"), "x", 1,
         "seconds"),
        (table("'Elapsed time','ECG'\n'hh:mm:ss.mmm','mV'\n",
               lambda i: f"'{elapsed(i, 250)}',{X[i]}"), "ECG", 0.004, "seconds"),
        (table("'Elapsed time','ECG'\n'hh:mm:ss.mmm','mV'\n",
               lambda i: f"{elapsed(i, 360)},{X[i]}"), "ECG", 1 / 360, "seconds"),
        # Parts of a date, months, years.
        (table("year,month,day,hour,x\n", lambda i: f"{at(i, '%Y,%m,%d,%H')},{X[i]}"), "x", *HOURS),
        (table("#YY MM DD hh mm x y\n#yr mo dy hr mn degT m/s\n",
               lambda i: f"{at(i, '%Y %m %d %H %M', HOUR / 6)} {X[i]:6} {Y[i]:6}"), "x y",
         *TEN_MINUTES),
        (table("YEAR,MO,DY,HHMM,x\n", lambda i: f"{at(i, '%Y,%m,%d,%H%M')},{X[i]}"), "x", *HOURS),
        (table("year doy hour x\n", lambda i: f"{at(i, '%Y %j %H')} {X[i]}"), "x", *HOURS),
        (table("MESS_DATUM;x\n", lambda i: f"{at(i, '%Y%m%d%H')};{X[i]}"), "x", *HOURS),
        (table("year week x\n", lambda i: f"{at(i, '%G %V', 168 * HOUR)} {X[i]}"), "x", 7, "days"),
        (table("w,x\n", lambda i: f"{at(i, '%G-W%V', 168 * HOUR)},{X[i]}"), "x", 7, "days"),
        (table("year,quarter,x\n", lambda i: f"{1600 + i // 4},{i % 4 + 1},{X[i]}"), "x", 3,
         "months"),
        (table("Date,x\n", lambda i: f"{month(i, '')},{X[i]}"), "x", 1, "months"),
        (table("month,Dec year,x\n", lambda i: f"{i % 12 + 1},{1900 + i / 12:.2f},{X[i]}"), "x", 1,
         "months"),
        (table("year,month,x\n", lambda i: f"{1900 + i // 12},{MONTHS[i % 12]},{X[i]}"), "x", 1,
         "months"),
        (table("", lambda i: f"{month(i, ';')};{1900 + (i + 0.5) / 12:.3f};{X[i]};{Y[i]}"),
         "x4 x5", 1, "months"),
        (table("decimal_year x\n", lambda i: f"{1900 + (i + 0.5) / 12:.3f} {X[i]}"), "x", 1,
         "months"),
        (table("decimal_year x\n", lambda i: f"{day_of_year(i)} {X[i]}"), "x", 1, "days"),
        (table("date,x\n", lambda i: f"{month(i)}-01,{X[i]}"), "x", 1, "months"),
        (table("date,x\n", lambda i: f"{month(i)},{X[i]}"), "x", 1, "months"),
        (table("q,x\n", lambda i: f"{1600 + i // 4}-Q{i % 4 + 1},{X[i]}"), "x", 3, "months"),
        (table("year,x\n", lambda i: f"{500 + i},{X[i]}"), "x", 1, "years"),
        (table('"","time","x"\n', lambda i: f'"{i + 1}",{1849 + i / 12:.12g},{X[i]}'), "x", 1,
         "months"),
        # Text of numpy, Matlab, R, Excel, data loggers.
        (table("", lambda i: f"{X[i]:.18e} {Y[i]:.18e}"), "x1 x2", 1, "steps"),
        (table("", lambda i: f"{i / 4:.18e} {X[i]:.18e}"), "x2", 0.25, "time units"),
        (table("", lambda i: f"  {i / 4:.8E}  {X[i]:.8E}".replace("E", "D")), "x2", 0.25,
         "time units"),
        (table("# t x y\n", lambda i: f"{i / 4:.18e} {X[i]:.18e} {Y[i]:.18e}"), "x y", 0.25,
         "time units"),
        (table("# by me\n# x, y\n#\n", lambda i: f"{X[i]} {Y[i]}"), "x y", 1, "steps"),
        (table("% made on 1.1.2009\n", lambda i: f"   {X[i]:7.3f}   {Y[i]:7.3f}  "), "x1 x2", 1,
         "steps"),
        (table('"x" "y"\n', lambda i: f'"{i + 1}" {X[i]} {Y[i]}'), "x y", 1, "steps"),
        (table("sep=;\nx;y\n", lambda i: comma(f"{X[i]};{Y[i]}")), "x y", 1, "steps"),
        (table("x;y;;\n", lambda i: f"{X[i]};{Y[i]};;", ";;;\n" * 5), "x y", 1, "steps"),
        (table("x|y\n", lambda i: f"{X[i]}|{Y[i]}"), "x y", 1, "steps"),
        (table("t,0,10\ns,m,m\n", lambda i: f"{i / 4},{X[i]},{Y[i]}"), "0 10", 0.25, "seconds"),
        (table("A,A,B,B\nx,y,x,y\n", lambda i: f"{X[i]},{Y[i]},{Y[i]},{X[i]}"),
         "A x,A y,B x,B y", 1, "steps"),
        (table("Station: 7\nHeight: 50,5\n\nDatum;x\n",
               lambda i: f"{at(i, '%d.%m.%Y %H:%M')};{comma(str(X[i]))}"), "x", *HOURS),
        (table('"TOA5","CR1000","12"\n"TIMESTAMP","RECORD","x"\n"TS","RN","C"\n"","","Avg"\n',
               lambda i: f'"{at(i, "%Y-%m-%d %H:%M:%S", HOUR / 6)}",{i},{X[i]}'), "x",
         *TEN_MINUTES),
        (table("made by us, yesterday, at home\n\nsome,words\n ID,   DATE,   x\n",
               lambda i: f" 7, {at(i, '%Y%m%d', 24 * HOUR)}, {X[i]:7}"), "x", 1, "days"),
        (table("cite,the,paper\nof,many,words\n,,\nAge (ka),x,y\n",
               lambda i: f"{2 * i},{X[i]},{Y[i]}"), "x y", 2, "time units"),
        (table("# USGS\na\tdatetime\tz\tx\n5s\t20d\t6s\t14n\n",
               lambda i: f"USGS\t{at(i, '%Y-%m-%d %H:%M')}\tEST\t{X[i]}"), "x", *HOURS),
        # Decimal commas and thousands.
        (table("x\n", lambda i: comma(f"{X[i]}")), "x", 1, "steps"),
        (table("", lambda i: comma(f"{X[i]} {Y[i]}")), "x1 x2", 1, "steps"),
        (table("x,y\n", lambda i: f'{X[i]},"{1000 * Y[i]:,.1f}"'), "x y", 1, "steps"),
    ],
)  # fmt: skip
def test_what_is_found(tmp_path: Path, text: str, names: str, dt: float, unit: str) -> None:
    dataset = read(tmp_path, text)
    expected = names.split(",") if "," in names else names.split(" ")
    assert list(dataset.variables) == expected
    assert dataset.dt == pytest.approx(dt, rel=1e-6)
    assert dataset.time_unit == unit
    series = np.concatenate([dataset.train, dataset.test])
    np.testing.assert_allclose(series[:, int(expected[0] == "T (s)")], X, atol=1e-12)
    lines = dataset.account()
    assert len(lines) <= 2
    assert all(f"'{name}'" in lines[0] for name in expected)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (table("x,pos\n", lambda i: f"{X[i]},{i / 2}"), {},
         "dataset.time_column: column 'pos' rises evenly.*'pos', or dataset.time_column=null"),
        (table("t,x\n", lambda i: f"{Y[i]},{X[i]}"), {}, "dataset.time_column: column 't' is nam"),
        (table("t\n", lambda i: f"{i / 100:.2f}"), {}, "dataset.time_column: column 't' rises"),
        (table("index,x\n", lambda i: f"{7 * i % N},{X[i]}"), {},
         "dataset.time_column: column 'index' numbers the rows, which are not in its order"),
        (table("t,x\n", lambda i: f"{i / 4},{X[i]}"), {"columns": ["t", "x"]},
         "dataset.columns: 't' is the time column; accepted: .*dataset.time_column=null"),
        (table("t,x\n", lambda i: f"{i / 4},{X[i]}"), {"dt": 0.1},
         "dataset.dt: 0.1 was given, but the times in column 't' are 0.25 time units apart"),
        (table("phase,x\n", lambda i: f"{i % 30 + 1},{X[i]}"), {},
         "dataset.time_column: column 'phase' counts again and again"),
        (table("depth,x\n", lambda i: f"{i * i},{X[i]}"), {},
         "dataset.time_column: column 'depth' goes in one direction"),
        (table("run,x\n", lambda i: f"{i // 500},{X[i]}"), {},
         "dataset.trajectory_column: .*column 'run' seems to number trajectories"),
        (table("date,x\n", lambda i: f"{at(i, '%Y-%m-%d')},{X[i]}"), {"duplicates": "mean"},
         "dataset.time_column: 1245 of 1300 rows repeat the time in 'date'; .*date \\+ time"),
        (table("date,x\n", lambda i: f"{at(i, '%d/%m/%y %H:%M')},{X[i]}"), {},
         "dataset.time_format: column 'date' holds '01/01/09'"),
        (table("time,x\n", lambda i: f"{at(i, '%Y%m%d%H%M')},{X[i]}"), {},
         "dataset.time_format: .*'200901010010', a date or a number"),
        (table("x,y\n", lambda i: f"{at(i, '%Y%m%d%H')},{X[i]}"), {},
         "dataset.time_format: .*'2009010100', a date or a number"),
        (table("time,x\n", lambda i: f"{at(i, '%Y%m%dT%H%M')},{X[i]}"), {},
         "row 2, column 'time' holds '20090101T0010'; .*dataset.time_format"),
        (table("hour,x\n", lambda i: f"{i % 24},{X[i]}"), {},
         "dataset.time_column: column 'hour' is named as a part of a date is"),
        (table("time,name,x\n", lambda i: f"{i // 2},{i % 2},{X[i]}"), {},
         "dataset.time_column: 650 of 1300 rows repeat the time in 'time'"),
        (table("year," + ",".join(MONTHS) + "\n",
               lambda i: f"{500 + i}," + ",".join(f"{X[i - k]}" for k in range(12))), {},
         "dataset.columns: the twelve months of a year"),
        (table("", lambda i: f"{900 + i} " + " ".join(f"{X[i - k]}" for k in range(12))),
         {"skip_rows": 700}, "dataset.columns: the twelve months of a year"),
        (table("", lambda i: comma(f"{35 + X[i]:.2f}")), {},
         "dataset.delimiter: '35,00' .*delimiter=comma for 2 numbers, dataset.decimal=comma"),
        (table("", lambda i: comma(f"{35 + X[i]:.2f},{Y[i]:.2f}")), {},
         "dataset.delimiter: '35,00,8,00' has decimal commas or is 4 numbers"),
        (table("n,x\n", lambda i: f"{int(2000 + 1900 * X[i]):_},{X[i]}".replace("_", ".")), {},
         "dataset.decimal: row 2, column 'n' holds '2.000', .*point for 2.000, comma for 2000"),
        (table("n\n", lambda i: f'"{int(20000 + 9000 * X[i]):,}"'), {},
         "dataset.decimal: row 2, column 'n' holds '20,000', .*comma for 20.000, point for 20000"),
        (table("0,1\n", lambda i: f"{X[i]},{Y[i]}"), {},
         "dataset.header: row 1 holds '0, 1', .*header=true for names, dataset.header=false for"),
        (table("x,y,z\n", lambda i: f"{X[i]},{Y[i]}"), {}, "row 1 has 3 fields, and row 2 has 2"),
        (table("x\n" + "no\n" * 5, lambda i: f"{X[i]}"), {}, "dataset.path: row 5 holds 'no' w"),
        (table("x,y\n", lambda i: f"{X[i] if i % 97 else -999},{Y[i]}"), {},
         "dataset.missing_values: column 'x' holds -999 in 14 rows, the first is row 2"),
    ],
)  # fmt: skip
def test_what_may_be_either_is_refused(
    tmp_path: Path, text: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        read(tmp_path, text, **settings)
    assert "\n" not in str(refused.value)


def test_the_choices_that_refusals_name(tmp_path: Path) -> None:
    def series(text: str, **settings: Any) -> Any:
        dataset = read(tmp_path, text, **settings)
        return np.concatenate([dataset.train, dataset.test])

    counts = np.trunc(2000 + 1900 * X)
    thousands = table("n\n", lambda i: f"{int(counts[i]):_}".replace("_", "."))
    np.testing.assert_array_equal(series(thousands, decimal="comma")[:, 0], counts)
    np.testing.assert_array_equal(
        series(thousands, decimal="point")[:, 0], np.where(counts < 1e3, counts, counts / 1e3)
    )
    pairs = table("", lambda i: comma(f"{35 + X[i]:.2f}"))
    np.testing.assert_allclose(series(pairs, decimal="comma")[:, 0], 35 + X, atol=0.0051)
    assert series(pairs, delimiter="comma").shape == (N, 2)
    ramp = table("x,pos\n", lambda i: f"{X[i]},{i / 2}")
    assert series(ramp, time_column=None).shape == (N, 2)
    assert read(tmp_path, ramp, time_column="pos").dt == 0.5
    numbered = table("0,1\n", lambda i: f"{X[i]},{Y[i]}")
    assert read(tmp_path, numbered, header=True).variables == ("0", "1")
    assert len(series(numbered, header=False)) == N + 1
    codes = table("x,y\n", lambda i: f"{X[i] if i % 97 else -999},{Y[i]}")
    assert series(codes, missing_codes="keep").min() == -999
    repaired = series(codes, missing_values=["-999"], missing="interpolate")
    assert np.abs(repaired[:, 0] - X[1:]).max() < 0.01
    shuffled = table("index,x\n", lambda i: f"{7 * i % N},{X[7 * i % N]}")
    np.testing.assert_array_equal(series(shuffled, time_column="index", order="sort")[:, 0], X)
    parts = table("day,at,x\n", lambda i: f"{at(i, '%d.%m.%y,%H.%M')},{X[i]}")
    form = {"time_column": "day + at", "time_format": "%d.%m.%y %H.%M"}
    assert read(tmp_path, parts, columns=["x"], **form).dt == pytest.approx(1 / 24)


def test_the_interval_of_counted_rows_makes_steps_time_units(tmp_path: Path) -> None:
    text = table("x,y\n", lambda i: f"{X[i]},{Y[i]}")
    given = read(tmp_path, text, dt=0.02)
    assert (given.dt, given.time_unit) == (0.02, "time units")
    named = read(tmp_path, text, dt=0.02, time_unit="ms")
    assert (named.dt, named.time_unit) == (0.02, "ms")
    numbered = read(tmp_path, table(",x\n", lambda i: f"{i},{X[i]}"), dt=0.02)
    assert (numbered.dt, numbered.time_unit) == (0.02, "time units")


def test_what_was_read_is_told_in_two_lines(tmp_path: Path) -> None:
    rows = "".join(
        f"{at(i, '%Y-%m-%d %H:%M', HOUR / 6)},{i % 7},{at(i, '%m', HOUR / 6)},{i},1,B01,{X[i]}\n"
        f"{'# a remark' if i == 50 else ''}\n"
        for i in range(N)
        if i != 8
    )
    head = "measured in Jena\nstamp,weekday,month,id,flag,station,x\n,,,,,,mV\n"
    dataset = read(tmp_path, head + rows, missing="interpolate")
    assert dataset.account() == [
        "x: 1299 rows of 'x'; time from 'stamp'; dt = 0.00694444 days (10 minutes)",
        "row 1 above the table left out: 'measured in Jena'; row 3 read as units: mV; "
        "column 'weekday' left out: it is a part of the date; "
        "column 'month' left out: it is a part of the date; "
        "column 'id' left out: it only counts up; "
        "column 'station' left out: it holds text, 'B01'; 4 more notes in run.json",
    ]
    assert dataset.preprocessing[-4:] == (
        "1 lines left out below the first row: of comment",
        "1297 lines left out below the first row: blank",
        "column 'flag' left out: it is 1 in every row",
        "column 'x': 1 missing sample interpolated in 1 gap, the longest of 1, the first after "
        "row 18",
    )
    assert not re.search("[^ -~]", " ".join(dataset.account()))
