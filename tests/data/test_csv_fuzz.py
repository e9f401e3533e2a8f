"""Random tables come back equal; damaged files are refused or read as any other reader would."""

from __future__ import annotations

import csv
import gzip
import io
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mutated_files import mutate

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import CsvSettings
from sfbptt_cli.data.tables.reader import read_csv
from sfbptt_cli.data.tables.rows import DELIMITERS
from sfbptt_cli.data.tables.table import read_table

NUMBERS = st.one_of(
    st.floats(-1e100, 1e100), st.floats(-100, 100), st.integers(-1000, 1000), st.none()
)
SIGNS = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
# A line that begins with # or % is a comment.
PRINTABLE = st.text(SIGNS, min_size=1, max_size=8).map(lambda name: name.strip(" #%")).filter(bool)
PLAIN = st.text("abc ()%/°µ_", min_size=1, max_size=8).map(lambda x: x.strip(" %")).filter(bool)
LIKE_NUMBERS = re.compile(r"[\d.,+\-/einfaEINFA]+")


@pytest.mark.parametrize("found", [False, True])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_table_comes_back(tmp_path: Path, found: bool, data: st.DataObject) -> None:
    """Its form is given by the settings, or, with plain names, `found` from the file."""
    names = PLAIN if found else PRINTABLE
    header = data.draw(st.lists(names, min_size=2, max_size=4, unique=True))
    assume(not all(map(LIKE_NUMBERS.fullmatch, header)))
    row = st.lists(NUMBERS, min_size=len(header), max_size=len(header))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    # Only dataset.decimal distinguishes a comma that divides from one in a number.
    delimiter = data.draw(st.sampled_from(sorted(DELIMITERS.keys() - {"space"})))
    assume(any(x is not None for x in rows[-1]))  # below the last value are no rows
    both = ["point"] if found and delimiter == "comma" else ["point", "comma"]
    decimal = data.draw(st.sampled_from(both))
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=DELIMITERS[delimiter],
        quoting=csv.QUOTE_ALL if data.draw(st.booleans()) else csv.QUOTE_MINIMAL,
        lineterminator=data.draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    sign = {"point": ".", "comma": ","}[decimal]
    writer.writerow(header)
    for numbers in rows:
        writer.writerow(["" if x is None else str(x).replace(".", sign) for x in numbers])
    content = text.getvalue().encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(content, 1, mtime=0) if data.draw(st.booleans()) else content)
    form: dict[str, Any] = {} if found else {"delimiter": delimiter, "decimal": decimal}
    form |= {"columns": header, "header": True, "time_column": None}
    try:
        read = read_table(path, CsvSettings("x", missing_values=[], **form))
    except RequestError as refused:
        if not found or "a fraction or thousands" not in str(refused):
            raise
        assume(False)
    assert read.names == tuple(header)
    expected = [[np.nan if x is None else float(str(x)) for x in numbers] for numbers in rows]
    np.testing.assert_array_equal(read.values, expected)
    assert read.lines.tolist() == list(range(2, len(rows) + 2))


BASE = (
    "time,T (degC),p\n"
    + "".join(
        f"{1 + i // 96:02d}.03.2010 {i % 96 // 4:02d}:{i % 4 * 15:02d},{i % 37 / 8},{i * 7 % 101}\n"
        for i in range(460)
    )
).encode()
_INSERTED = [
    *(bytes([sign]) for sign in b',;\t\n\r".-:0123456789eE_ \0\xff'),
    *(b"\n\n", b"nan", b"-inf", b"1e400", b"\xef\xbb\xbf"),
]


def changed(rng: random.Random) -> bytes:
    """Insert a sign of tables into BASE or replace one by it, or damage BASE in other ways."""
    if rng.random() < 0.5:
        return mutate(BASE, rng)
    data, at, sign = bytearray(BASE), rng.randrange(len(BASE)), rng.choice(_INSERTED)
    data[at : at + rng.choice([0, 1])] = sign
    return bytes(data)


def simply_read(content: bytes) -> np.ndarray:
    """Read a file without quotes in the plainest way."""
    lines = [line for line in re.split(r"\r\n|\r|\n", content.decode("utf-8-sig")) if line.strip()]
    fields = [re.split(r"[,;\t]", line) for line in lines[1:]]
    return np.array([[float(number) for number in row[1:3]] for row in fields])


def read_or_refused(path: Path) -> Dataset | None:
    """Return the dataset, or None after a refusal of one line that begins with a setting."""
    message = ""
    try:
        source = CsvSettings("x", path=str(path), time_column="time", train_fraction=0.5)
        return read_csv(source)
    except RequestError as refused:
        message = str(refused)
    assert re.fullmatch(r"dataset\.\w+: .+", message)
    return None


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    read = 0
    for seed in range(400):
        content = changed(random.Random(seed))
        path.write_bytes(content)
        dataset = read_or_refused(path)
        if dataset is None:
            continue
        read += 1
        series = np.concatenate([dataset.train, dataset.test])
        assert np.isfinite(series).all()
        if b'"' not in content:
            np.testing.assert_array_equal(series, simply_read(content))
    assert 20 < read < 380


def test_damaged_gzip_files(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    zipped = gzip.compress(BASE, mtime=0)
    for seed in range(100):
        path.write_bytes(mutate(zipped, random.Random(seed)))
        dataset = read_or_refused(path)
        if dataset is not None:
            whole = np.concatenate([dataset.train, dataset.test])
            np.testing.assert_array_equal(whole, simply_read(BASE))
