"""The chosen columns of a text file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.data.settings import TableSettings
from sfbptt_cli.data.tables.numbers import Column, NumberReader, looks_like_number, shortened
from sfbptt_cli.data.tables.text import Rows, open_text
from sfbptt_cli.data.tables.timestamps import looks_like_time

# Rows converted at once, fewer where they are long; also those that decide which columns hold
# numbers.
_CHUNK = 1_024
_CHUNK_CHARACTERS = 2**23
_MOST_COLUMNS = 10_000

# A row of the file, from 1, and its fields.
Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Table:
    """The chosen columns of R rows."""

    names: tuple[str, ...]  # N
    values: NDArray[np.float64]  # (R, N), NaN where the file has no value
    lines: NDArray[np.int64]  # (R,), rows of the file, from 1
    texts: dict[str, list[str]]  # (R,) each, of the columns of `time` and `trajectory`
    notes: list[str]  # what was left out

    def trajectories(self) -> dict[str, Table]:
        """Return the rows of each trajectory, in the order in which their labels first appear."""
        rows: dict[str, list[int]] = {}
        for row, label in enumerate(self.texts["trajectory"]):
            rows.setdefault(label.strip(), []).append(row)
        found = {}
        for label, chosen in rows.items():
            texts = {kind: [text[i] for i in chosen] for kind, text in self.texts.items()}
            found[label] = Table(self.names, self.values[chosen], self.lines[chosen], texts, [])
        return found


def read_table(path: Path, settings: TableSettings) -> Table:
    """Read the chosen columns, or all of numbers, and the text of time and trajectory column.

    Rows without any text are left out, except in a file of one column: there such a row, above
    the last value, is a missing value. Raises RequestError with the row, counted from 1 as an
    editor does, and the column.
    """
    with open_text(path, settings.encoding) as text:
        rows = Rows(text, settings, path)
        reader = NumberReader(settings, rows.delimiter == ",")
        header, body = _header(rows, settings.header, path)
        chunks = _chunks(rows, body, len(header))
        first = next(chunks, None)
        if first is None:
            raise RequestError(
                f"dataset.path: '{path}' holds no rows; accepted: a table of numbers"
            )
        places: dict[str, list[int]] = {}
        for i, name in enumerate(header):
            places.setdefault(name, []).append(i)
        numbers, texts = _named_columns(places, settings)
        notes: list[str] = []
        if settings.chosen[1] is None:
            numbers, notes = _number_columns(places, first, texts, reader)
        if not numbers:
            raise RequestError(
                f"dataset.path: '{path}' has no column of numbers among: {choices(header)}"
            )
        lines: list[NDArray[np.int64]] = []
        values: list[NDArray[np.float64]] = []
        taken: dict[str, list[str]] = {kind: [] for kind in texts}
        for chunk in chain([first], chunks):
            lines.append(np.array([line for line, _ in chunk], dtype=np.int64))
            columns = list(zip(*(fields for _, fields in chunk), strict=True))
            read = [reader.read(Column(header[i], columns[i], lines[-1])) for i in numbers]
            values.append(np.column_stack(read))
            for kind, place in texts.items():
                taken[kind] += columns[place]
    names = tuple(header[i] for i in numbers)
    return Table(names, np.concatenate(values), np.concatenate(lines), taken, notes)


def _header(rows: Rows, present: bool, path: Path) -> tuple[list[str], Iterator[Row]]:
    """Return the names of the columns, and the rows below them."""
    body = iter(rows)
    line, fields = next((row for row in body if not _is_blank(row[1])), (0, []))
    if not fields:
        raise RequestError(f"dataset.path: '{path}' is empty; accepted: a table of numbers")
    if len(fields) > _MOST_COLUMNS:
        raise RequestError(
            f"dataset.path: row {line} has {len(fields)} fields; accepted: at most {_MOST_COLUMNS}"
        )
    if not present:
        names = [f"x{i + 1}" for i in range(len(fields))]
        return names, chain([(line, fields)], body)
    if all(looks_like_number(field) or looks_like_time(field) for field in fields):
        raise RequestError(
            f"dataset.header: row {line} holds '{shortened(fields[0])}' where the names of the "
            "columns are expected; accepted: dataset.header=false for a file without names"
        )
    names = [field.strip() or f"column {i + 1}" for i, field in enumerate(fields)]
    if odd := next((name for name in names if not name.isprintable()), None):
        raise RequestError(
            f"dataset.path: row {line} holds '{shortened(odd)}'; accepted: printable names"
        )
    return names, body


def _is_blank(fields: Sequence[str]) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _chunks(rows: Rows, body: Iterator[Row], width: int) -> Iterator[list[Row]]:
    """Yield some rows at a time, all as wide as the first one.

    Blank rows are left out or, above another row of a single column, are missing values.
    """
    blank: list[Row] = []
    chunk: list[Row] = []
    begun = rows.characters
    for line, fields in body:
        if _is_blank(fields):
            blank += [(line, [""])] * (width == 1)
            continue
        if len(fields) != width:
            raise RequestError(
                f"dataset.path: row {line} has {len(fields)} fields; "
                f"accepted: {width}, as many as the first row"
            )
        chunk += [*blank, (line, fields)]
        blank.clear()
        if len(chunk) >= _CHUNK or rows.characters - begun > _CHUNK_CHARACTERS:
            yield chunk
            chunk, begun = [], rows.characters
    if chunk:
        yield chunk


def _named_columns(
    places: Mapping[str, list[int]], settings: TableSettings
) -> tuple[list[int], dict[str, int]]:
    """Return the places of the columns that settings name: of numbers; time and trajectory."""
    field, names = settings.chosen
    named = [
        ("time", "dataset.time_column", settings.time_column),
        ("trajectory", "dataset.trajectory_column", settings.trajectory_column),
        *(("number", field, name) for name in names or []),
    ]
    found: dict[int, str] = {}
    for kind, field, name in named:
        if name is None:
            continue
        place = _only_place(places, name.strip(), field)
        if place in found:
            role = found[place]
            why = "stands twice" if role == "number" else f"is the {role} column"
            raise RequestError(f"{field}: '{name}' {why}; accepted: another column")
        found[place] = kind
    texts = {kind: place for place, kind in found.items() if kind != "number"}
    return [place for place, kind in found.items() if kind == "number"], texts


def _only_place(places: Mapping[str, list[int]], name: str, field: str) -> int:
    """Return the place of the column; RequestError unless there is exactly one of that name."""
    if name not in places:
        hint = nearest(name, places)
        raise RequestError(
            f"{field}: '{name}' is not in the file; accepted: {choices(places)}{hint}"
        )
    if len(places[name]) > 1:
        listed = ", ".join(str(i + 1) for i in places[name])
        raise RequestError(f"{field}: '{name}' names the columns {listed}; accepted: unique names")
    return places[name][0]


def _number_columns(
    places: Mapping[str, list[int]],
    first: Sequence[Row],
    texts: Mapping[str, int],
    reader: NumberReader,
) -> tuple[list[int], list[str]]:
    """Find the columns with a number among the first rows, and return notes on the others."""
    chosen, notes = [], []
    for i, name in sorted((i, name) for name, found in places.items() for i in found):
        if i in texts.values():
            continue
        fields = [row[i] for _, row in first if not reader.is_missing(row[i])]
        if any(looks_like_number(field) for field in fields):
            chosen.append(_only_place(places, name, "dataset.columns"))
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
