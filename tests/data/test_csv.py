"""Text files as tables: how they are written, what is found and what is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from sfbptt_cli.common import files
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import CsvSettings
from sfbptt_cli.data.tables.numbers import Column
from sfbptt_cli.data.tables.reader import read_csv
from sfbptt_cli.data.tables.table import Table, read_table
from sfbptt_cli.data.tables.timestamps import parse_times

PLAIN = "time,T (degC),p\n0,1.5,-2\n1,2.5e1,1000\n2,-3.25,0.5\n"
TRUTH = np.array([[1.5, -2.0], [25.0, 1000.0], [-3.25, 0.5]])
# Without the time of compression, which would give every worker other data.
ZIPPED = gzip.compress(PLAIN.encode(), mtime=0)


def table(tmp_path: Path, content: str | bytes, **settings: Any) -> Table:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, CsvSettings("x", **settings))


def archive(*members: str, method: int = zipfile.ZIP_DEFLATED, text: str = PLAIN) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as written:
        for name in members:
            written.writestr(zipfile.ZipInfo(name), text, compress_type=method)
    return file.getvalue()


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
        bz2.compress(PLAIN.encode("utf-16")),
        lzma.compress(PLAIN.encode()),
        archive("a.csv"),
        archive("folder/", "folder/a.csv", method=zipfile.ZIP_STORED),
        PLAIN.encode("utf-16"),
        PLAIN.replace("p\n", "p,station\n").replace("2\n", "2,B01\n", 1).replace("00\n", "00,B 2\n")
        .replace("0.5\n", "0.5,\n"),
    ],
)  # fmt: skip
def test_ways_of_writing_the_same_table(tmp_path: Path, content: str | bytes) -> None:
    read = table(tmp_path, content, time_column="time")
    assert read.names == ("T (degC)", "p")
    assert [stamp.strip() for stamp in read.texts["time"]] == ["0", "1", "2"]
    np.testing.assert_array_equal(read.values, TRUTH)


NAN = np.nan


@pytest.mark.parametrize(
    ("content", "settings", "names", "values", "lines"),
    [
        # Lines are those of an editor, also where a field goes over several.
        ("\n" + PLAIN.replace("\n1,", "\n\n\n1,"), {"time_column": "time"}, ("T (degC)", "p"),
         TRUTH, [3, 6, 7]),
        ('t,p,note\n0,1,"two\r\nlines"\n1,2,""\n\n2,3,x\n', {}, ("p",), [[1], [2], [3]],
         [2, 4, 6]),
        ("T,p\n,NA\nnan, - \n-9999,-9999.0\n1,2\nbad,n.a.\n",
         {"missing_values": ["NA", "-", "-9999.00", "bad", "n.a."]}, ("T", "p"),
         [[NAN, NAN]] * 3 + [[1, 2], [NAN, NAN]], [2, 3, 4, 5, 6]),
        # Where there is one column, a blank row above the last value is a missing value.
        ("T\n1\n\n3\n\n\n", {}, ("T",), [[1], [NAN], [3]], [2, 3, 4]),
        ("T\n1\n" + "\n" * 3000 + "3\n" + "\n" * 3000, {}, ("T",), [[1], *[[NAN]] * 3000, [3]],
         list(range(2, 3004))),
        ("1.5;2\n2.5;3\n", {"header": False}, ("x1", "x2"), [[1.5, 2], [2.5, 3]], [1, 2]),
        ("NA;2\n2.5;3\n", {"header": False}, ("x1", "x2"), [[NAN, 2], [2.5, 3]], [1, 2]),
        ('Station "Jena, Saale\n\nT,p\n1.5,2\n', {"skip_rows": 2, "columns": ["p", "T"]},
         ("p", "T"), [[2, 1.5]], [4]),
        ("T (°C)\n1\n".encode("latin-1"), {"encoding": "latin-1"}, ("T (°C)",), [[1]], [2]),
        (PLAIN, {"columns": ["p"]}, ("p",), TRUTH[:, 1:], [2, 3, 4]),
    ],
)  # fmt: skip
def test_what_is_read(
    tmp_path: Path,
    content: str | bytes,
    settings: dict[str, Any],
    names: tuple[str, ...],
    values: Any,
    lines: list[int],
) -> None:
    read = table(tmp_path, content, **settings)
    assert read.names == names
    np.testing.assert_array_equal(read.values, values)
    assert read.lines.tolist() == lines
    assert ("time" in read.texts) == (
        content.startswith(("t", "\nt")) if isinstance(content, str) else False
    )


def test_columns_that_are_left_out_are_noted(tmp_path: Path) -> None:
    read = table(tmp_path, "time,T,station,\n0,1,B01,\n1,2,B02,\n", time_column="time")
    assert read.names == ("T",)
    assert read.notes == ["column 'station' left out: it holds text, 'B01'"]
    read = table(tmp_path, "time,T,p,q\n0,1,,8\n1,3,,5\n", time_column="time")
    assert read.notes == ["column 'p' left out: it is empty in the first 2 rows"]


def columns(*names: str) -> dict[str, Any]:
    return {"columns": list(names)}


@pytest.mark.parametrize(
    ("content", "settings", "message"),
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
        ('time,T\n0,"1,5"\n1,1.5\n', {}, "row 3, column 'T' holds '1.5'.*decimal comma"),
        ("time;T\n0;1,5\n1;1.5\n", {}, "row 3, column 'T' holds '1.5'"),
        ("time;T\n0;1.5\n1;1,5\n", {}, "row 3, column 'T' holds '1,5'"),
        ("time;T\n0;1.5\n1;1\n", {"decimal": "comma"}, "row 2, column 'T' holds '1.5'.*l comma"),
        ("time;T\n0;1,5\n1;1.34,5\n", {}, "row 3, column 'T' holds '1.34,5'"),
        ("time,T\n0,5 %\n1,6\n", {}, "row 2, column 'T' holds '5 %'"),
        ('time,T\n0,"1\n1,2\n', {}, "dataset.path: .* cannot be read up to row 3: unexpected end"),
        ('time,T\n0,"1"2\n', {}, "dataset.path: .* cannot be read up to row 2: ',' expected"),
        ("time,station\n0,B01\n", {}, "has no column of numbers among: station, time"),
        ("time,T,T\n0,1,2\n", {}, "dataset.columns: 'T' names the columns 2, 3; accepted: uniq"),
        ("0,1\n1.5,2\n", {}, "dataset.header: row 1 holds '0, 1', the names .*: dataset.header="),
        ('"ti\nme",T\n0,1\n', {}, "row 1 holds 'ti�me'; accepted: printable names"),
        ("Time,T\n0,1\n", {}, r"dataset.time_column: 'time' is not in .*did you mean 'Time'\?"),
        (PLAIN, columns("P"), "dataset.columns: 'P' is not in the file; accepted: T .degC., p, t"),
        (PLAIN, columns("p", "p"), "dataset.columns: 'p' stands twice"),
        (PLAIN, columns("time"), "dataset.columns: 'time' is the time column"),
        (PLAIN, columns(), "has no column of numbers"),
        (b"time,T\n0,\xff\n", {}, "dataset.encoding: .* as utf-8 .*accepted: utf-8"),
        (b"\xff\xfet\0i\0m", {}, "dataset.encoding: .* cannot be decoded as utf-16"),
        (ZIPPED[:-5], {}, "dataset.path: .* cannot be read: Compressed"),
        (b"\x1f\x8b\x08" + b"\0" * 30, {}, "dataset.path: .* cannot be read"),
        (bz2.compress(PLAIN.encode())[:-5], {}, "dataset.path: .* cannot be read: Compressed"),
        (lzma.compress(PLAIN.encode())[:-5], {}, "dataset.path: .* cannot be read: Compressed"),
        (archive("a", "b"), {}, "cannot be read: it does not hold exactly one file"),
        (archive(), {}, "cannot be read: it does not hold exactly one file"),
        (archive("a", method=zipfile.ZIP_LZMA), {}, "cannot be read: .*not compressed by deflate"),
        (archive("a")[:60], {}, "cannot be read: File is not a zip file"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(
    tmp_path: Path, content: str | bytes, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        table(tmp_path, content, time_column="time", **settings)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, archive])
def test_files_that_expand_without_bound_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[..., bytes]
) -> None:
    monkeypatch.setattr(files, "_ALWAYS_ALLOWED", 10_000)
    bomb = "time,T\n" + ("1," + " " * 100_000 + "2\n") * 100
    packed = archive("a", text=bomb) if pack is archive else pack(bomb.encode())
    with pytest.raises(RequestError, match=r"dataset\.path: .* would unfold .*at most 100 times"):
        table(tmp_path, packed)


def encrypted() -> bytes:
    content = bytearray(archive("a"))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def test_rows_without_bound_and_encrypted_files_are_refused(tmp_path: Path) -> None:
    for content, message in (
        ("1" * 2_000_000 + "\n1\n", r"has a row of more than 1048576 characters"),
        ("x,y\n" + '"a\n",' * 400_000 + "1\n", r"has a row of more than 1048576 characters"),
        (("x," * 70_000 + "x\n") * 2, r"row 1 has 70001 fields; accepted: at most 10000"),
        (encrypted(), r"cannot be read: its file is encrypted"),
    ):
        with pytest.raises(RequestError, match=message):
            table(tmp_path, content)


def instructions(call: Callable[[], object]) -> int:
    """Count the instructions of Python in a call, which are the same on every machine."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(former)
    return count


@pytest.mark.parametrize("named", [False, True])
def test_the_work_is_proportional_to_the_number_of_columns(tmp_path: Path, named: bool) -> None:
    def work(count: int) -> int:
        names = [f"x{i}" for i in range(count)]
        content = ",".join(names) + "\n" + ",".join("1" * count) + "\n"
        return instructions(lambda: table(tmp_path, content, columns=names if named else None))

    few, many = work(300), work(1200)
    assert many < 5 * few


START = datetime(2009, 12, 31, 23, 50)
LATER = [START + timedelta(minutes=10 * i) for i in range(5)]


def times(
    stamps: list[str], time_format: str = "auto", time_unit: str = "auto"
) -> tuple[np.ndarray, str]:
    return parse_times(Column("t", stamps, range(2, 2 + len(stamps))), time_format, time_unit)


@pytest.mark.parametrize(
    ("written", "time_format"),
    [
        ("%d.%m.%Y %H:%M:%S", "auto"),
        ("%d.%m.%Y %H:%M", "auto"),
        ("%Y-%m-%d %H:%M:%S", "auto"),
        ("%Y-%m-%dT%H:%M:%SZ", "auto"),
        ("%Y-%m-%d %H:%M:%S.250000000", "auto"),
        ("%Y-%m-%d %H:%M:%S+01:00", "auto"),
        ("%Y-%m-%dT%H:%M-0530", "auto"),
        ("%Y-%m-%d %H:%M UTC", "auto"),
        ("%Y/%m/%d %H:%M", "auto"),
        ("%d/%m/%Y %H:%M", "auto"),
        ("%m/%d/%Y %H:%M", "auto"),
        ("%m-%d-%Y %H:%M", "auto"),
        (" %Y-%m-%d  %H:%M ", "auto"),
        ("%m/%d/%y %I:%M %p", "%m/%d/%y %I:%M %p"),
        ("%Y%m%d%H%M", "%Y%m%d%H%M"),
        ("%d %b %Y %H:%M", "%d %b %Y %H:%M"),
        ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M"),
        ("%H:%M %d.%m.%Y", "%H:%M %d.%m.%Y"),
        ("%Y-%m-%d %H:%M +0100", "%Y-%m-%d %H:%M %z"),
    ],
)
def test_dates_and_times(written: str, time_format: str) -> None:
    stamps = [moment.strftime(written) for moment in LATER]
    days, unit = times(stamps, time_format)
    assert unit == "days"
    np.testing.assert_array_equal(days, np.arange(5) * 600 / 86400)
    np.testing.assert_array_equal(times(stamps, time_format, "minutes")[0], np.arange(5) * 10)


@pytest.mark.parametrize(
    ("stamps", "options", "expected", "unit"),
    [
        # The clock is put back.
        (["2009-10-25 02:30+02:00", "2009-10-25 02:00+01:00", "2009-10-25 01:30Z"],
         ("auto", "minutes"), [0, 30, 60], "minutes"),
        (["9.1.2009 24:00", "10.1.2009 0:10"], ("auto", "minutes"), [0, 10], "minutes"),
        (["2009-02-28", "2009-03-01"], ("auto", "auto"), [0, 1], "days"),
        (["0850-02-28", "0850-03-01 00:00:00.5"], ("auto", "seconds"), [0, 86400.5], "seconds"),
        (["1.5", "2", "2,5"], ("auto", "ms"), [0, 0.5, 1], "ms"),
        (["1.5", "2"], ("auto", "auto"), [0, 0.5], "time units"),
        (["200901010010", "200901010020"], ("number", "auto"), [0, 10], "time units"),
    ],
)  # fmt: skip
def test_other_times(
    stamps: list[str], options: tuple[str, str], expected: list[float], unit: str
) -> None:
    read, found = times(stamps, *options)
    np.testing.assert_array_equal(read, expected)
    assert found == unit


@pytest.mark.parametrize(
    ("stamps", "options", "message"),
    [
        (["01/02/2009", "02/02/2009"], (), "^dataset.time_format: .*'01/02/2009', and no row"),
        (["200901010010", "200901010020"], (), "^dataset.time_format: .* a date or a number"),
        (["13/02/2009", "02/13/2009"], (), "row 3, .*'02/13/2009'; accepted: a day of"),
        (["01.01.2009", "30.02.2009"], (), "row 3, .*'30.02.2009'; accepted: a day of"),
        (["01.01.2009", "2009-01-02"], (), "row 3, .*accepted: a date that is written"),
        (["2009-01-01", "2009/01/02"], (), "row 3, .*accepted: a date that is written"),
        (["2009-01-01", " "], (), "row 3, column 't' holds ''; accepted: a time stamp"),
        (["2009-01-01 00:00", "2009-01-01 25:00"], (), "row 3, .*time of day from 00:00"),
        (["2009-01-01 00:00", "2009-01-01 00:60"], (), "row 3, .*time of day from 00:00"),
        (["2009-01-01 00:00", "2009-01-01 1pm"], (), "row 3, .*accepted: a date that is"),
        (["2009-01-01 00:00Z", "2009-01-01 01:00"], (), "row 3, .*an offset from UTC in"),
        (["1 of Jan 2009", "2 of Jan 2009"], (), "row 2, .*or dataset.time_format$"),
        (["1", "2x"], (), "row 3, column 't' holds '2x'; accepted: a number, as in"),
        (["1", "nan"], (), "row 3, column 't' holds 'nan'; accepted: a number, as in"),
        (["1", "inf"], (), "row 3, column 't' holds 'inf'; accepted: a number betw"),
        (["1", "1e300"], (), "row 3, column 't' holds '1e300'"),
        (["2009-01-01", "2009-01-02"], ("%d.%m.%Y",), "row 2, .*of dataset.time_format=%d.%m.%Y$"),
        (["2009-01-01", "2009-01-02"], ("%Q",), "^dataset.time_format: '%Q' was given; acc"),
        (["2009-01-01", "2009-01-02"], ("%",), "^dataset.time_format: '%' was given; accept"),
        (["2009-01-01", "2009-01-02"], ("%Y%Y",), "^dataset.time_format: '%Y%Y' was given"),
        (["2009-01-01", "2009-01-02"], ("auto", "weeks"), "^dataset.time_unit: 'weeks' is unk"),
    ],
)
def test_time_stamps_that_are_refused(
    stamps: list[str], options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        times(stamps, *options)
    assert "\n" not in str(refused.value)


def test_a_file_without_times(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(1000, 2))
    path = tmp_path / "x.csv"
    np.savetxt(path, x, delimiter=",", header="a,b", comments="", fmt="%.17g")
    dataset = read_csv(CsvSettings("mine", path=str(path)))
    assert dataset.preprocessing == ()
    np.testing.assert_array_equal(dataset.train, x[:800])
    np.testing.assert_array_equal(dataset.test, x[800:])
    assert (dataset.dt, dataset.time_unit, dataset.variables) == (1, "steps", ("a", "b"))
    assert dataset.independent is None
    assert (dataset.name, dataset.lambda_max, dataset.lambda_source) == ("mine", None, "not given")
    given = CsvSettings("mine", path=str(path), dt=0.25, time_unit="ms", lambda_max=0.1)
    dataset = read_csv(given)
    assert (dataset.dt, dataset.time_unit, dataset.lambda_max) == (0.25, "ms", 0.1)
    assert dataset.lambda_source == "dataset.lambda_max"
    assert dataset.lambda_step == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": None}, "dataset.path: nothing was given"),
        ({"path": "."}, "is not a file"),
        ({"dt": 2.0}, "dataset.dt: 2 was given, but .*'when' are 0.000694444 days apart"),
        (columns("a", "b"), "480 training and 120 test"),
        ({**columns("a", "b"), "train_fraction": 0.5}, "'b' is constant"),
        ({**columns("a"), "train_fraction": 0.9}, "540 training and 60"),
    ],
)
def test_files_that_make_no_dataset(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.csv"
    rows = [f"2009-01-01 {i // 60:02d}:{i % 60:02d},{i % 7},1" for i in range(600)]
    path.write_text("\n".join(["when,a,b", *rows]))
    with pytest.raises(RequestError, match=message):
        read_csv(CsvSettings("x", **{"path": str(path), **settings}))
    times = CsvSettings("x", path=str(path), time_column="when", columns=["a"], train_fraction=0.6)
    dataset = read_csv(times)
    assert (dataset.dt, dataset.time_unit) == (pytest.approx(1 / 1440, rel=1e-15), "days")
