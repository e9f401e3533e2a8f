"""Text files as tables: how they are written, what is found and what is refused."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.tables.reader import CsvSource, read_csv_dataset
from sfbptt_cli.data.tables.table import Table, TableFormat, read_table
from sfbptt_cli.data.tables.timestamps import parse_times

PLAIN = "time,T (degC),p\n0,1.5,-2\n1,2.5e1,1000\n2,-3.25,0.5\n"
TRUTH = np.array([[1.5, -2.0], [25.0, 1000.0], [-3.25, 0.5]])
# Without the time of compression, which would give every worker other data.
ZIPPED = gzip.compress(PLAIN.encode(), mtime=0)


def table(tmp_path: Path, content: str | bytes, **form: object) -> Table:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, None, "time", TableFormat(**form))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t").replace(".", ","),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", "\n\n"),
        "\n\n" + PLAIN + "\n  \n\n",
        PLAIN.rstrip("\n"),
        PLAIN.replace("T (degC)", '"T (degC)"'),
        PLAIN.replace(",", " , "),
        '"time";"T (degC)";"p"\n"0";"1,5";"-2"\n"1";"2,5e1";"1000"\n"2";"-3,25";"0,5"',
        "\ufeff" + PLAIN,
        ZIPPED,
        gzip.compress(("\ufeff" + PLAIN).encode(), mtime=0),
        PLAIN.encode("utf-16"),
        PLAIN.replace("p\n", "p,station\n").replace("2\n", "2,B01\n", 1).replace("00\n", "00,B 2\n")
        .replace("0.5\n", "0.5,\n"),
    ],
)  # fmt: skip
def test_ways_of_writing_the_same_table(tmp_path: Path, content: str | bytes) -> None:
    read = table(tmp_path, content)
    assert read.names == ("T (degC)", "p")
    assert read.stamps is not None
    assert [stamp.strip() for stamp in read.stamps] == ["0", "1", "2"]
    np.testing.assert_array_equal(read.values, TRUTH)


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    read = table(tmp_path, "\n" + PLAIN.replace("\n1,", "\n\n\n1,"))
    np.testing.assert_array_equal(read.lines, [3, 6, 7])
    tall = '"ti\nme",p,note\n0,1,"two\r\nlines"\n1,2,""\n\n2,3,x\n'
    path = tmp_path / "tall.csv"
    path.write_bytes(tall.encode())
    with pytest.raises(RequestError, match="row 1 holds 'ti�me'; accepted: printable names"):
        read_table(path, None, None, TableFormat())
    path.write_bytes(tall.replace("ti\nme", "time").encode())
    np.testing.assert_array_equal(read_table(path, None, None, TableFormat()).lines, [2, 4, 6])


def test_missing_values_are_nan(tmp_path: Path) -> None:
    content = "time,T,p\n0,,NA\n1,nan, - \n2,-9999,-9999.0\n3,1,2\n4,bad,n.a.\n"
    read = table(tmp_path, content, missing_values=("NA", "-", "-9999.00", "bad", "n.a."))
    np.testing.assert_array_equal(read.values[3], [1, 2])
    assert np.isnan(np.delete(read.values, 3, axis=0)).all()


def test_a_blank_row_is_a_missing_value_where_there_is_one_column(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("T\n1\n\n3\n\n\n")
    read = read_table(path, None, None, TableFormat())
    np.testing.assert_array_equal(read.values[:, 0], [1, np.nan, 3])
    np.testing.assert_array_equal(read.lines, [2, 3, 4])
    path.write_text("T\n1\n" + "\n" * 3000 + "3\n" + "\n" * 3000)
    assert len(read_table(path, None, None, TableFormat()).values) == 3002


def test_no_header_skipped_rows_and_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("1.5;2\n2.5;3\n")
    read = read_table(path, None, None, TableFormat(header=False))
    assert read.names == ("x1", "x2")
    np.testing.assert_array_equal(read.values, [[1.5, 2], [2.5, 3]])
    np.testing.assert_array_equal(read.lines, [1, 2])
    path.write_text('Station "Jena, Saale\n\nT,p\n1.5,2\n')
    read = read_table(path, ["p", "T"], None, TableFormat(skip_rows=2))
    np.testing.assert_array_equal(read.values, [[2, 1.5]])
    np.testing.assert_array_equal(read.lines, [4])
    path.write_bytes("T (°C)\n1\n2\n".encode("latin-1"))
    assert read_table(path, None, None, TableFormat(encoding="latin-1")).names == ("T (°C)",)
    with pytest.raises(RequestError, match=r"^dataset\.encoding: .* as utf-8 .*accepted: utf-8"):
        read_table(path, None, None, TableFormat())


def test_columns_that_are_left_out_are_told(tmp_path: Path) -> None:
    read = table(tmp_path, "time,T,station,\n0,1,B01,\n1,2,B02,\n")
    assert read.names == ("T",)
    assert read.notes == [
        "column 'station' left out: it holds text, 'B01'",
        "column 'column 4' left out: it is empty in the first 2 rows",
    ]


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("", {}, "dataset.path: .* is empty"),
        ("\n\n", {}, "dataset.path: .* is empty"),
        ("time,T\n", {}, "dataset.path: .* holds no rows"),
        ("time,T\n0,1\n1\n", {}, "row 3 has 1 fields; accepted: 2,"),
        ("time,T\n0,1\n1,2,3\n", {}, "row 3 has 3 fields; accepted: 2,"),
        ("time,T\n0,1\n1,err\n", {}, "row 3, column 'T' holds 'err'; accepted: a number with a de"),
        ("time,T\n0,1\n\n1,1_0\n", {}, "row 4, column 'T' holds '1_0'"),
        ("time,T\n0,1\n1,٣\n", {}, "row 3, column 'T' holds '٣'"),
        ("time,T\n0,1\n1,1\0\n", {}, "row 3, column 'T' holds '1�'"),
        ("time,T\n0,1\n1,inf\n", {}, "row 3, column 'T' holds 'inf'; accepted: a number between"),
        ("time,T\n0,1\n1,1e999\n", {}, "row 3, column 'T' holds '1e999'; accepted: a number bet"),
        ('time,T\n0,"1,5"\n', {}, "row 2, column 'T' holds '1,5'; accepted: dataset.decimal=comma"),
        ("time;T\n0;1,5\n1;1.5\n", {}, "row 3, column 'T' holds '1.5'"),
        ("time;T\n0;1.5\n1;1,5\n", {}, "row 3, column 'T' holds '1,5'"),
        ("time;T\n0;1.5\n1;1\n", {"decimal": "comma"}, "row 2, column 'T' holds '1.5'.*l comma"),
        ("time;T\n0;1,5\n1;1.234,5\n", {}, "row 3, column 'T' holds '1.234,5'"),
        ("time,T\n0,5 %\n1,6\n", {}, "row 2, column 'T' holds '5 %'"),
        ('time,T\n0,"1\n1,2\n', {}, "dataset.path: .* cannot be read up to row 3: unexpected end"),
        ('time,T\n0,"1"2\n', {}, "dataset.path: .* cannot be read up to row 2: ',' expected"),
        ("time,station\n0,B01\n", {}, "has no column of numbers among: station, time"),
        ("time,T,T\n0,1,2\n", {}, "dataset.columns: 'T' names the columns 2, 3; accepted: uniq"),
        ("0,1\n1,2\n", {}, "dataset.header: row 1 holds '0' where .*: dataset.header=false"),
        ("Time,T\n0,1\n", {}, r"dataset.time_column: 'time' is not in .*did you mean 'Time'\?"),
        ("time,T\n0,1\n", {"delimiter": "pipe"}, "dataset.delimiter: 'pipe' is unknown"),
        ("time,T\n0,1\n", {"decimal": "dot"}, "dataset.decimal: 'dot' is unknown"),
        ("time,T\n0,1\n", {"encoding": "rot13"}, "dataset.encoding: 'rot13' is unknown"),
        (b"time,T\n0,\xff\n", {}, "dataset.encoding: .* cannot be decoded"),
        (b"\xff\xfet\0i\0m", {}, "dataset.encoding: .* cannot be decoded as utf-16"),
        (ZIPPED[:-5], {}, "dataset.path: .* cannot be read: Compressed"),
        (b"\x1f\x8b\x08" + b"\0" * 30, {}, "dataset.path: .* cannot be read"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(
    tmp_path: Path, content: str | bytes, form: dict[str, str], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        table(tmp_path, content, **form)
    assert "\n" not in str(refused.value)


def test_chosen_columns(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(PLAIN)
    read = read_table(path, ["p"], None, TableFormat())
    assert (read.names, read.stamps) == (("p",), None)
    for columns, message in (
        (["P"], "dataset.column: 'P' is not in the file; accepted: T .degC., p, time"),
        (["p", "p"], "dataset.column: a name stands twice"),
        (["time"], "dataset.column: 'time' is the time column"),
        ([], "has no column of numbers"),
    ):
        with pytest.raises(RequestError, match=message):
            read_table(path, columns, "time", TableFormat(), "dataset.column")
    with pytest.raises(RequestError, match="is not a file"):
        read_table(tmp_path, None, None, TableFormat())


START = datetime(2009, 12, 31, 23, 50)
LATER = [START + timedelta(minutes=10 * i) for i in range(5)]


@pytest.mark.parametrize(
    ("written", "time_format"),
    [
        ("%d.%m.%Y %H:%M:%S", None),
        ("%d.%m.%Y %H:%M", None),
        ("%Y-%m-%d %H:%M:%S", None),
        ("%Y-%m-%dT%H:%M:%SZ", None),
        ("%Y-%m-%d %H:%M:%S.250000000", None),
        ("%Y-%m-%d %H:%M:%S+01:00", None),
        ("%Y-%m-%dT%H:%M-0530", None),
        ("%Y-%m-%d %H:%M UTC", None),
        ("%Y/%m/%d %H:%M", None),
        ("%d/%m/%Y %H:%M", None),
        ("%m/%d/%Y %H:%M", None),
        ("%m-%d-%Y %H:%M", None),
        (" %Y-%m-%d  %H:%M ", None),
        ("%m/%d/%y %I:%M %p", "%m/%d/%y %I:%M %p"),
        ("%Y%m%d%H%M", "%Y%m%d%H%M"),
        ("%d %b %Y %H:%M", "%d %b %Y %H:%M"),
        ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M"),
        ("%H:%M %d.%m.%Y", "%H:%M %d.%m.%Y"),
        ("%Y-%m-%d %H:%M +0100", "%Y-%m-%d %H:%M %z"),
    ],
)
def test_dates_and_times(written: str, time_format: str | None) -> None:
    stamps = [moment.strftime(written) for moment in LATER]
    lines = np.arange(2, 7)
    times, unit = parse_times(stamps, lines, "t", time_format, None)
    assert unit == "days"
    np.testing.assert_array_equal(times, np.arange(5) * 600 / 86400)
    times, unit = parse_times(stamps, lines, "t", time_format, "minutes")
    np.testing.assert_array_equal(times, np.arange(5) * 10)


def test_changes_of_the_clock_the_end_of_a_day_and_short_dates() -> None:
    stamps = ["2009-10-25 02:30+02:00", "2009-10-25 02:00+01:00", "2009-10-25T01:30Z"]
    with pytest.raises(RequestError, match=r"row 4, column 't' holds '2009-10-25T01:30Z'"):
        parse_times(stamps, np.arange(2, 5), "t", None, None)
    stamps[2] = "2009-10-25 01:30Z"
    times, _ = parse_times(stamps, np.arange(2, 5), "t", None, "minutes")
    np.testing.assert_array_equal(times, [0, 30, 60])
    times, _ = parse_times(["9.1.2009 24:00", "10.1.2009 0:10"], np.arange(2), "t", None, "hours")
    np.testing.assert_allclose(times, [0, 1 / 6], rtol=1e-15)
    times, _ = parse_times(["2009-02-28", "2009-03-01"], np.arange(2), "t", None, None)
    np.testing.assert_array_equal(times, [0, 1])


def test_numbers_are_times_in_the_given_unit() -> None:
    times, unit = parse_times(["1.5", "2", "2,5"], np.arange(3), "t", None, "ms")
    assert unit == "ms"
    np.testing.assert_array_equal(times, [0, 0.5, 1])
    compact = ["200901010010", "200901010020"]
    with pytest.raises(RequestError, match=r"dataset\.time_format: .* a date or a number"):
        parse_times(compact, np.arange(2), "t", None, None)
    np.testing.assert_array_equal(
        parse_times(compact, np.arange(2), "t", "number", None)[0], [0, 10]
    )


@pytest.mark.parametrize(
    ("stamps", "options", "message"),
    [
        (["01/02/2009", "02/02/2009"], (None, None), "^dataset.time_format: .*'01/02/2009', and"),
        (["13/02/2009", "02/13/2009"], (None, None), "row 3, .*'02/13/2009'; accepted: a day of"),
        (["01.01.2009", "30.02.2009"], (None, None), "row 3, .*'30.02.2009'; accepted: a day of"),
        (["01.01.2009", "2009-01-02"], (None, None), "row 3, .*accepted: a date that is written"),
        (["2009-01-01", "2009/01/02"], (None, None), "row 3, .*accepted: a date that is written"),
        (["2009-01-01", " "], (None, None), "row 3, column 't' holds ''; accepted: a time stamp"),
        (["2009-01-01 00:00", "2009-01-01 25:00"], (None, None), "row 3, .*time of day from 00:00"),
        (["2009-01-01 00:00", "2009-01-01 00:60"], (None, None), "row 3, .*time of day from 00:00"),
        (["2009-01-01 00:00", "2009-01-01 1pm"], (None, None), "row 3, .*accepted: numbers, yyyy-"),
        (["2009-01-01 00:00Z", "2009-01-01 01:00"], (None, None), "row 3, .*an offset from UTC in"),
        (["1. Jan 2009", "2. Jan 2009"], (None, None), "row 2, .*or dataset.time_format$"),
        (["1", "2x"], (None, None), "row 3, column 't' holds '2x'; accepted: a number up to 1e"),
        (["1", "inf"], (None, None), "row 3, column 't' holds 'inf'; accepted: a number up to 1e"),
        (["1", "1e300"], (None, None), "row 3, column 't' holds '1e300'"),
        (["2009-01-01", "2009-01-02"], ("%d.%m.%Y", None), "row 2, .*time_format=%d.%m.%Y says"),
        (["2009-01-01", "2009-01-02"], ("%Q", None), "^dataset.time_format: '%Q' was given; acc"),
        (["2009-01-01", "2009-01-02"], ("%", None), "^dataset.time_format: '%' was given; accept"),
        (["2009-01-01", "2009-01-02"], ("%Y%Y", None), "^dataset.time_format: '%Y%Y' was given"),
        (["2009-01-01", "2009-01-02"], (None, "weeks"), "^dataset.time_unit: 'weeks' is unknown"),
    ],
)  # fmt: skip
def test_time_stamps_that_are_refused(
    stamps: list[str], options: tuple[str | None, str | None], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        parse_times(stamps, np.array([2, 3]), "t", *options)
    assert "\n" not in str(refused.value)


def test_a_file_without_times(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(1000, 2))
    path = tmp_path / "x.csv"
    np.savetxt(path, x, delimiter=",", header="a,b", comments="", fmt="%.17g")
    dataset = read_csv_dataset(CsvSource(name="mine", path=str(path)), window=100)
    notes = dataset.preprocessing
    assert list(notes) == []
    np.testing.assert_array_equal(dataset.train, x[:800])
    np.testing.assert_array_equal(dataset.test, x[800:])
    assert (dataset.dt, dataset.time_unit, dataset.variables) == (1, "steps", ("a", "b"))
    assert dataset.independent is None
    assert (dataset.name, dataset.lambda_max, dataset.lambda_source) == ("mine", None, "not given")
    dataset = read_csv_dataset(
        CsvSource(path=str(path), dt=0.25, time_unit="ms", lambda_max=0.1), window=100
    )
    assert (dataset.dt, dataset.time_unit, dataset.lambda_max) == (0.25, "ms", 0.1)
    assert dataset.lambda_source == "dataset.lambda_max"


def test_files_that_make_no_dataset(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"2009-01-01 {i // 60:02d}:{i % 60:02d},{i % 7},1" for i in range(600)]
    path.write_text("\n".join(["when,a,b", *rows]))
    times = CsvSource(path=str(path), time_column="when", columns=("a",), train_fraction=0.6)
    dataset = read_csv_dataset(times, window=100)
    assert (dataset.dt, dataset.time_unit) == (pytest.approx(1 / 1440, rel=1e-15), "days")
    for source, window, message in (
        (CsvSource(), 10, "dataset.path: nothing was given"),
        (CsvSource(path=str(path)), 10, "dataset.time_column: .*accepted: .*='when', or the names"),
        (CsvSource(path=str(path), columns=("a", "b")), 10, "480 training and 120 test"),
        (CsvSource(path=str(path), columns=("a", "b"), train_fraction=0.5), 10, "'b' is constant"),
        (CsvSource(path=str(path), columns=("a",)), 480, "480 training and 120 test steps; "),
        (CsvSource(path=str(path), columns=("a",), train_fraction=0.9), 9, "540 training and 60"),
        (CsvSource(path=str(path), columns=("a",), time_column="when", dt=1), 9, "dataset.dt: 1"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=message):
            read_csv_dataset(source, window)
