"""The chosen columns of a text file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.data.tables.numbers import (
    BadField,
    NumberReader,
    bad_field,
    looks_like_number,
    shortened,
)
from sfbptt_cli.data.tables.text import Rows, open_text
from sfbptt_cli.data.tables.timestamps import looks_like_time

# Rows converted at once; also those that decide which columns hold numbers.
_CHUNK = 1_024
_MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class TableFormat:
    """How the text is written; `auto` is decided from the file."""

    delimiter: str = "auto"  # auto, comma, semicolon, tab
    decimal: str = "auto"  # auto, point, comma
    encoding: str = "auto"  # auto (byte-order mark, else UTF-8), utf-8, utf-16, latin-1, cp1252
    header: bool = True  # the first row names the columns
    skip_rows: int = 0  # rows above the header
    # Besides empty fields; a number, such as -9999, in any spelling.
    missing_values: tuple[str, ...] = ("NA", "N/A", "NaN", "NULL", "null", "-")


@dataclass(frozen=True)
class Table:
    """The chosen columns of R rows."""

    names: tuple[str, ...]  # N
    values: NDArray[np.float64]  # (R, N), NaN where the file has no value
    lines: NDArray[np.int64]  # (R,), rows of the file, from 1
    stamps: list[str] | None  # (R,), text of the time column
    labels: list[str] | None  # (R,), text of the trajectory column
    notes: list[str]  # what was left out


def split_table(table: Table) -> list[tuple[str, Table]]:
    """The rows of each label, in the order in which labels first appear."""
    assert table.labels is not None
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(table.labels):
        rows.setdefault(label.strip(), []).append(row)
    return [
        (
            label,
            replace(
                table,
                values=table.values[chosen],
                lines=table.lines[chosen],
                stamps=None if table.stamps is None else [table.stamps[i] for i in chosen],
                labels=None,
                notes=[],
            ),
        )
        for label, chosen in rows.items()
    ]


class _Chunk(NamedTuple):
    """Rows of equal width, their places in the file, and how many at the end are blank."""

    rows: list[list[str]]
    lines: list[int]
    ending_blanks: int


def read_table(
    path: Path,
    columns: Sequence[str] | None,
    time_column: str | None,
    form: TableFormat,
    columns_field: str = "dataset.columns",
    trajectory_column: str | None = None,
) -> Table:
    """The named columns, or every column of numbers, and the text of time and trajectory column.

    Rows without any text are left out, except in a file of one column: there such a row, above
    the last value, is a missing value. `columns_field` is what the user knows `columns` as.
    Raises RequestError with the row, counted from 1 as an editor does, and the column.
    """
    with open_text(path, form.encoding) as text:
        rows = Rows(text, form.delimiter, form.skip_rows, path)
        reader = NumberReader(form.decimal, form.missing_values, rows.delimiter == ",")
        header, chunks = _header(rows, form.header, path)
        first = next(chunks, None)
        if first is None:
            raise RequestError(
                f"dataset.path: '{path}' holds no rows; accepted: a table of numbers"
            )
        texts = {
            kind: _index(header, name, f"dataset.{kind}_column")
            for kind, name in (("time", time_column), ("trajectory", trajectory_column))
            if name is not None
        }
        if len(set(texts.values())) < len(texts):
            raise RequestError(
                f"dataset.trajectory_column: '{trajectory_column}' is the time column; "
                "accepted: another column"
            )
        notes: list[str] = []
        if columns is None:
            chosen, notes = _number_columns(header, first.rows, texts, reader)
        else:
            chosen = [_index(header, name, columns_field) for name in columns]
        if len(set(chosen)) < len(chosen):
            raise RequestError(f"{columns_field}: a name stands twice; accepted: different columns")
        for kind, index in texts.items():
            if index in chosen:
                raise RequestError(
                    f"{columns_field}: '{header[index]}' is the {kind} column; "
                    "accepted: other columns"
                )
        if not chosen:
            raise RequestError(
                f"dataset.path: '{path}' has no column of numbers among: {choices(header)}"
            )
        return _collect(chain([first], chunks), header, chosen, texts, reader, notes)


def _collect(
    chunks: Iterator[_Chunk],
    header: Sequence[str],
    chosen: Sequence[int],
    texts: Mapping[str, int],
    reader: NumberReader,
    notes: list[str],
) -> Table:
    lines: list[int] = []
    taken: dict[str, list[str]] = {kind: [] for kind in texts}
    parts: list[NDArray[np.float64]] = []
    ending = 0
    for chunk in chunks:
        columns = ([fields[i] for fields in chunk.rows] for i in chosen)
        numbers = [
            _convert(reader, column, chunk.lines, header[i])
            for i, column in zip(chosen, columns, strict=True)
        ]
        parts.append(np.column_stack(numbers))
        lines += chunk.lines
        for kind, index in texts.items():
            taken[kind] += [fields[index] for fields in chunk.rows]
        ending = chunk.ending_blanks + (ending if chunk.ending_blanks == len(chunk.rows) else 0)
    kept = len(lines) - ending
    return Table(
        names=tuple(header[i] for i in chosen),
        values=np.concatenate(parts)[:kept],
        lines=np.array(lines[:kept], dtype=np.int64),
        stamps=taken["time"][:kept] if "time" in taken else None,
        labels=taken["trajectory"][:kept] if "trajectory" in taken else None,
        notes=notes,
    )


def _convert(
    reader: NumberReader, fields: Sequence[str], lines: Sequence[int], name: str
) -> NDArray[np.float64]:
    try:
        return reader.read(fields)
    except BadField as bad:
        raise bad_field(lines[bad.index], name, fields[bad.index], bad.accepted) from None


def _header(rows: Rows, present: bool, path: Path) -> tuple[list[str], Iterator[_Chunk]]:
    """The names of the columns, and the rows below them."""
    fields: list[str] = []
    lines = [0]
    while lines and _is_blank(fields):
        taken, lines = rows.take(1)
        fields = taken[0] if taken else []
    if not lines:
        raise RequestError(f"dataset.path: '{path}' is empty; accepted: a table of numbers")
    if len(fields) > _MOST_COLUMNS:
        raise RequestError(
            f"dataset.path: row {lines[0]} has {len(fields)} fields; accepted: at most "
            f"{_MOST_COLUMNS}"
        )
    names = [field.strip() or f"column {i + 1}" for i, field in enumerate(fields)]
    if not present:
        first = [_Chunk([fields], lines, 0)]
        return [f"x{i + 1}" for i in range(len(fields))], chain(first, _chunks(rows, len(fields)))
    if all(looks_like_number(field) or looks_like_time(field) for field in fields):
        raise RequestError(
            f"dataset.header: row {lines[0]} holds '{shortened(fields[0])}' where the names of the "
            "columns are expected; accepted: dataset.header=false for a file without names"
        )
    if odd := next((name for name in names if not name.isprintable()), None):
        raise RequestError(
            f"dataset.path: row {lines[0]} holds '{shortened(odd)}'; accepted: printable names"
        )
    return names, _chunks(rows, len(fields))


def _chunks(rows: Rows, width: int) -> Iterator[_Chunk]:
    """The rows, all as wide as the first one; blank ones left out, or kept if `width` is 1."""
    while True:
        taken, lines = rows.take(_CHUNK)
        if not taken:
            return
        blanks = 0
        if set(map(len, taken)) != {width} or width == 1:
            blank = [_is_blank(fields) for fields in taken]
            if width == 1:
                taken = [[""] if empty else row for row, empty in zip(taken, blank, strict=True)]
                blanks = blank[::-1].index(False) if False in blank else len(blank)
            else:
                taken = [row for row, empty in zip(taken, blank, strict=True) if not empty]
                lines = [line for line, empty in zip(lines, blank, strict=True) if not empty]
            _check_width(taken, lines, width)
        if taken:
            yield _Chunk(taken, lines, blanks)


def _is_blank(fields: Sequence[str]) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _check_width(rows: Sequence[Sequence[str]], lines: Sequence[int], width: int) -> None:
    for fields, line in zip(rows, lines, strict=True):
        if len(fields) != width:
            raise RequestError(
                f"dataset.path: row {line} has {len(fields)} fields; "
                f"accepted: {width}, as many as the first row"
            )


def _index(header: Sequence[str], name: str, field: str) -> int:
    found = [i for i, other in enumerate(header) if other == name.strip()]
    if not found:
        hint = nearest(name, header)
        raise RequestError(
            f"{field}: '{name}' is not in the file; accepted: {choices(header)}{hint}"
        )
    if len(found) > 1:
        places = ", ".join(str(i + 1) for i in found)
        raise RequestError(f"{field}: '{name}' names the columns {places}; accepted: unique names")
    return found[0]


def _number_columns(
    header: Sequence[str],
    first: Sequence[Sequence[str]],
    texts: Mapping[str, int],
    reader: NumberReader,
) -> tuple[list[int], list[str]]:
    """The columns in which a number stands among the first rows, and notes on the others."""
    chosen, notes = [], []
    counts = Counter(header)
    for i, name in enumerate(header):
        if i in texts.values():
            continue
        fields = [row[i] for row in first if not reader.is_missing(row[i])]
        if any(looks_like_number(field) for field in fields):
            if counts[name] > 1:
                _index(header, name, "dataset.columns")  # refuses it
            chosen.append(i)
        elif not fields:
            notes.append(f"column '{name}' left out: it is empty in the first {len(first)} rows")
        elif "time" not in texts and looks_like_time(fields[0]):
            raise RequestError(
                f"dataset.time_column: nothing was given, but column '{name}' holds time stamps; "
                f"accepted: dataset.time_column='{name}', or the names of the columns to read"
            )
        else:
            notes.append(f"column '{name}' left out: it holds text, '{shortened(fields[0])}'")
    return chosen, notes
