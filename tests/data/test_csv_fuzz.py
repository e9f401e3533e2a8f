"""Random tables come back equal; damaged files are refused or read as any other reader would."""

from __future__ import annotations

import csv
import gzip
import io
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.tables.reader import CsvSource, read_csv_dataset
from sfbptt_cli.data.tables.table import TableFormat, read_table
from sfbptt_cli.data.tables.text import DELIMITERS

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NUMBERS = st.one_of(
    st.floats(-1e100, 1e100), st.floats(-100, 100), st.integers(-1000, 1000), st.none()
)
PRINTABLE = st.text(min_size=1, max_size=8).filter(str.isprintable).map(str.strip).filter(bool)
PLAIN = st.text("abc ()%/°µ_", min_size=1, max_size=8).map(str.strip).filter(bool)


@st.composite
def tables(
    draw: st.DrawFn, names: st.SearchStrategy[str]
) -> tuple[list[str], list[list[float | None]]]:
    """Names that differ, and at least one row of numbers and missing values."""
    header = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    rows = draw(
        st.lists(
            st.lists(NUMBERS, min_size=len(header), max_size=len(header)), min_size=1, max_size=12
        )
    )
    return header, rows


def written(
    header: list[str],
    rows: list[list[float | None]],
    delimiter: str,
    decimal: str,
    quoting: int,
    end: str,
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)  # pyright: ignore[reportArgumentType]
    writer.writerow(header)
    for row in rows:
        writer.writerow(["" if x is None else str(x).replace(".", decimal) for x in row])
    return text.getvalue()


STYLES = st.tuples(
    st.sampled_from(sorted(DELIMITERS)),
    st.sampled_from(["point", "comma"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
Style = tuple[str, str, int, str, str, bool]


def round_trip(
    path: Path, table: tuple[list[str], list[list[float | None]]], style: Style, form: TableFormat
) -> None:
    header, rows = table
    delimiter, decimal, quoting, end, encoding, zipped = style
    text = written(
        header, rows, DELIMITERS[delimiter], "," if decimal == "comma" else ".", quoting, end
    )
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content, 1, mtime=0) if zipped else content)
    read = read_table(path, header, None, form)
    assert read.names == tuple(header)
    expected = [[np.nan if x is None else float(str(x)) for x in row] for row in rows]
    np.testing.assert_array_equal(read.values, expected)
    assert read.lines.tolist() == list(range(2, len(rows) + 2))


def like_numbers(header: list[str]) -> bool:
    return all(re.fullmatch(r"[\d.,+\-/einfaEINFA]+", name) for name in header)


@FEW
@given(table=tables(PRINTABLE), style=STYLES)
def test_a_table_written_as_told_comes_back(
    tmp_path: Path, table: tuple[list[str], list[list[float | None]]], style: Style
) -> None:
    assume(not like_numbers(table[0]))
    form = TableFormat(delimiter=style[0], decimal=style[1], missing_values=())
    round_trip(tmp_path / "table.csv", table, style, form)


@FEW
@given(table=tables(PLAIN), style=STYLES)
def test_delimiter_and_decimal_sign_are_found(
    tmp_path: Path, table: tuple[list[str], list[list[float | None]]], style: Style
) -> None:
    # A comma that divides and one in a number are told apart by dataset.decimal alone.
    assume(style[0] != "comma" or style[1] == "point")
    round_trip(tmp_path / "table.csv", table, style, TableFormat(missing_values=()))


ROWS = 460
BASE = (
    "time,T (degC),p\n"
    + "".join(
        f"{1 + i // 96:02d}.03.2010 {i % 96 // 4:02d}:{i % 4 * 15:02d},{i % 37 / 8},{i * 7 % 101}\n"
        for i in range(ROWS)
    )
).encode()


def replaced(data: bytearray, rng: random.Random) -> bytearray:
    data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def exchanged(data: bytearray, rng: random.Random) -> bytearray:
    data[rng.randrange(len(data))] = rng.choice(b',;\t\n\r".-:0123456789eE_ ')
    return data


def deleted(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    del data[start : start + rng.choice([1, 1, 2, 20, 3000])]
    return data


def inserted(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    data[start:start] = rng.choice(
        [
            b"\0",
            b"\xff",
            b'"',
            b"\n\n",
            b",",
            b";",
            b"nan",
            b"-inf",
            b"1e400",
            b"\xef\xbb\xbf",
            b" ",
        ]
    )
    return data


def repeated(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    length = rng.choice([1, 5, 25, 500])
    data[start:start] = data[start : start + length]
    return data


def simply_read(content: bytes) -> np.ndarray:
    """What stands in a file without quotes, read in the plainest way."""
    lines = [line for line in re.split(r"\r\n|\r|\n", content.decode("utf-8-sig")) if line.strip()]
    fields = [re.split(r"[,;\t]", line) for line in lines[1:]]
    return np.array([[float(number) for number in row[1:3]] for row in fields])


def read_or_refused(source: CsvSource) -> Dataset | None:
    """The dataset, or None after a refusal of one line that begins with a setting."""
    message = ""
    try:
        return read_csv_dataset(source, window=20)
    except RequestError as refused:
        message = str(refused)
    assert re.fullmatch(r"dataset\.\w+: .+", message)
    return None


@pytest.mark.parametrize("damage", [replaced, exchanged, deleted, inserted, repeated])
@pytest.mark.parametrize("seed", range(10))
def test_damaged_files(
    tmp_path: Path, damage: Callable[[bytearray, random.Random], bytearray], seed: int
) -> None:
    rng = random.Random(f"{damage.__name__}-{seed}")
    path = tmp_path / "x.csv"
    source = CsvSource(path=str(path), time_column="time", train_fraction=0.5)
    for _ in range(8):
        data = bytearray(BASE)
        for _ in range(rng.choice([1, 1, 1, 3])):
            data = damage(data, rng)
        path.write_bytes(data)
        dataset = read_or_refused(source)
        if dataset is None:
            continue
        series = np.concatenate([dataset.train, dataset.test])
        assert np.isfinite(series).all()
        if b'"' not in data:
            np.testing.assert_array_equal(series, simply_read(bytes(data)))


def test_damaged_gzip_files(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    source = CsvSource(path=str(path), time_column="time", train_fraction=0.5)
    zipped = gzip.compress(BASE, mtime=0)
    path.write_bytes(zipped)
    whole = read_csv_dataset(source, window=20)
    rng = random.Random(0)
    for _ in range(100):
        path.write_bytes(rng.choice([replaced, deleted, inserted])(bytearray(zipped), rng))
        dataset = read_or_refused(source)
        if dataset is not None:
            np.testing.assert_array_equal(dataset.train, whole.train)
            np.testing.assert_array_equal(dataset.test, whole.test)
