"""The chosen columns of a text file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.data.settings import TableSettings
from sfbptt_cli.data.tables.clock import Clock, clock_of, find_clock, further_clocks
from sfbptt_cli.data.tables.head import Head
from sfbptt_cli.data.tables.layout import Layout, Row, find_layout
from sfbptt_cli.data.tables.numbers import Column, NumberReader, looks_like_number, shortened
from sfbptt_cli.data.tables.rows import Rows
from sfbptt_cli.data.tables.text import open_text

# Rows converted at once, fewer where they are long; also those that decide which columns hold
# numbers and times.
_CHUNK = 1_024
_CHUNK_CHARACTERS = 2**23
# Rows in which a column with one value is a constant.
_ENOUGH = 20


@dataclass(frozen=True)
class Table:
    """The chosen columns of R rows."""

    names: tuple[str, ...]  # N
    values: NDArray[np.float64]  # (R, N), NaN where the file has no value
    lines: NDArray[np.int64]  # (R,), rows of the file, from 1
    texts: dict[str, list[str]]  # (R,) each: stamps of `time`, labels of `trajectory`
    clock: Clock | None  # the columns that the stamps are from
    notes: list[str]  # what was left out

    def trajectories(self) -> dict[str, Table]:
        """Return the rows of each trajectory, in the order in which their labels first appear."""
        rows: dict[str, list[int]] = {}
        for row, label in enumerate(self.texts["trajectory"]):
            rows.setdefault(label.strip(), []).append(row)
        found = {}
        for label, chosen in rows.items():
            texts = {kind: [text[i] for i in chosen] for kind, text in self.texts.items()}
            values, lines = self.values[chosen], self.lines[chosen]
            found[label] = replace(self, values=values, lines=lines, texts=texts, notes=[])
        return found


@dataclass(frozen=True)
class _Choice:
    """Which columns are read, by their places."""

    numbers: list[int]
    clock: Clock | None
    trajectory: int | None
    notes: list[str]


def read_table(path: Path, settings: TableSettings) -> Table:
    """Read the chosen columns, or all of numbers, and the text of time and trajectory column.

    Rows without any text are left out, except in a file of one column: there such a row, above
    the last value, is a missing value. Raises RequestError with the row, counted from 1 as an
    editor does, and the column.
    """
    with open_text(path, settings.encoding) as text:
        rows = Rows(text, settings, path)
        layout, body = find_layout(rows, settings, path)
        chunks = _chunks(rows, body, len(layout.names))
        first = next(chunks, None)
        if first is None:
            raise RequestError(
                f"dataset.path: '{path}' holds no rows; accepted: a table of numbers"
            )
        reader = NumberReader(settings, rows.delimiter == "," or len(layout.names) == 1)
        chosen = _choose(layout, first, settings, reader)
        if not chosen.numbers:
            raise RequestError(
                f"dataset.path: '{path}' has no column of numbers among: "
                f"{choices(layout.names)}; accepted: a table with one (dataset.decimal, .delimiter "
                "and .skip_rows say how it is written)"
            )
        table = _read(chain([first], chunks), layout, chosen, reader)
        for count, kind in ((rows.comments_between, "of comment"), (rows.blank_between, "blank")):
            if count:
                table.notes.append(f"{count} lines left out below the first row: {kind}")
    return table if settings.chosen[1] else _without_constants(table, settings.inputs or [])


def _read(
    chunks: Iterable[Sequence[Row]], layout: Layout, chosen: _Choice, reader: NumberReader
) -> Table:
    """Convert the fields of the chosen columns."""
    lines: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    texts: dict[str, list[str]] = {}
    for chunk in chunks:
        lines.append(np.array([line for line, _ in chunk], dtype=np.int64))
        fields = list(zip(*(fields for _, fields in chunk), strict=True))
        columns = [Column(layout.names[i], fields[i], lines[-1]) for i in chosen.numbers]
        reader.decide(columns)
        values.append(np.column_stack([reader.read(column) for column in columns]))
        if chosen.clock is not None:
            parts = zip(*(fields[i] for i in chosen.clock.places), strict=True)
            texts.setdefault("time", []).extend(map(chosen.clock.join, parts))
        if chosen.trajectory is not None:
            texts.setdefault("trajectory", []).extend(fields[chosen.trajectory])
    names = tuple(layout.names[i] for i in chosen.numbers)
    notes = [*layout.notes, *chosen.notes]
    return Table(names, np.concatenate(values), np.concatenate(lines), texts, chosen.clock, notes)


def _without_constants(table: Table, needed: Sequence[str]) -> Table:
    """Leave out the columns with one value, unless there are no others."""
    low, high = np.fmin.reduce(table.values), np.fmax.reduce(table.values)
    constant = (low == high) & ~np.isin(table.names, needed)
    if len(table.lines) < _ENOUGH or constant.all() or not constant.any():
        return table
    left_out = [
        f"column '{table.names[i]}' left out: it is {low[i]:g} in every row"
        for i in np.flatnonzero(constant)
    ]
    names = tuple(name for name, alike in zip(table.names, constant, strict=True) if not alike)
    values = table.values[:, ~constant]
    return replace(table, names=names, values=values, notes=[*table.notes, *left_out])


def _chunks(rows: Rows, body: Iterator[Row], width: int) -> Iterator[list[Row]]:
    """Yield some rows at a time, as wide as the table; what is empty behind it is cut off.

    Rows without text below the last value are left out. Those above it are missing values where
    they have delimiters or the table has a single column, and are left out otherwise.
    """
    blank: list[Row] = []
    chunk: list[Row] = []
    begun = rows.characters
    empty, begun_rows = 0, False
    for line, fields in body:
        if not any(map(str.strip, fields)):
            if width == 1 or len(fields) > 1:
                blank.append((line, [""] * width))
            empty += begun_rows and not blank
            continue
        if len(fields) != width:
            if len(fields) < width or any(map(str.strip, fields[width:])):
                raise RequestError(
                    f"dataset.path: row {line} has {len(fields)} fields; "
                    f"accepted: {width}, as many as the first row"
                )
            fields = fields[:width]
        chunk += [*blank, (line, fields)]
        blank.clear()
        rows.blank_between += empty
        empty, begun_rows = 0, True
        if len(chunk) >= _CHUNK or rows.characters - begun > _CHUNK_CHARACTERS:
            yield chunk
            chunk, begun = [], rows.characters
    if chunk:
        yield chunk


def _choose(
    layout: Layout, first: Sequence[Row], settings: TableSettings, reader: NumberReader
) -> _Choice:
    """Choose the columns to read from their names and the first rows."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(layout.names):
        places.setdefault(name, []).append(i)
    field, names = settings.chosen
    trajectory = None
    if settings.trajectory_column is not None:
        name = settings.trajectory_column.strip()
        trajectory = _only_place(places, name, "dataset.trajectory_column")
    named = [_only_place(places, name.strip(), field) for name in names or []]
    head = _head(layout, first, trajectory, reader)
    head = replace(head, formatted=settings.time_format != "auto")
    clock = _clock(head, places, settings, trajectory, named)
    _require_different(layout.names, field, named, trajectory, clock)
    if names is not None:
        return _Choice(named, clock, trajectory, [])
    taken = {trajectory, *(clock.places if clock else ())}
    times = further_clocks(head, clock) if clock else {}
    for name in settings.inputs or []:
        times = {place: why for place, why in times.items() if layout.names[place] != name}
    chosen, notes = [], []
    for i, name in enumerate(layout.names):
        if i in taken:
            continue
        fields = [row[i] for _, row in first if not reader.is_missing(row[i])]
        if not fields:
            notes.append(f"column '{name}' left out: it is empty in the first {len(first)} rows")
        elif i in times:
            notes.append(f"column '{name}' left out: {times[i]}")
        elif any(map(looks_like_number, fields)):
            chosen.append(_only_place(places, name, "dataset.columns"))
        else:
            notes.append(
                f"column '{name}' left out: it holds text, '{shortened(fields[0].strip())}'"
            )
    return _Choice(chosen, clock, trajectory, notes)


def _head(
    layout: Layout, first: Sequence[Row], trajectory: int | None, reader: NumberReader
) -> Head:
    """Return the first rows, of the first trajectory, in which the time is looked for."""
    rows = [fields for _, fields in first]
    if trajectory is not None:
        rows = [row for row in rows if row[trajectory].strip() == rows[0][trajectory].strip()]
    fields = {
        i: ["" if reader.is_missing(row[i]) else row[i].strip() for row in rows]
        for i in range(len(layout.names))
        if i != trajectory
    }
    return Head(layout.names, layout.units, layout.named, fields)


def _clock(
    head: Head,
    places: Mapping[str, list[int]],
    settings: TableSettings,
    trajectory: int | None,
    named: list[int],
) -> Clock | None:
    """Return the columns of the time that the settings name, or that are found."""
    name = settings.time_column
    if name is None:
        return None
    if name == "auto" and name not in places:
        return find_clock(head, [] if named else list(head.fields))
    given = [name.strip()]
    if given[0] not in places and "+" in name:
        given = [part.strip() for part in name.split("+")]
    found = [_only_place(places, part, "dataset.time_column") for part in given]
    if trajectory in found:
        raise RequestError(
            f"dataset.trajectory_column: '{settings.trajectory_column}' is the time column; "
            "accepted: another column"
        )
    return clock_of(head, found[0]) if len(found) == 1 else Clock(tuple(found), ", ".join(given))


def _require_different(
    names: Sequence[str], field: str, named: list[int], trajectory: int | None, clock: Clock | None
) -> None:
    """Raise RequestError for a column that is to be read in two ways."""
    for i, place in enumerate(named):
        why = "stands twice" if place in named[:i] else ""
        why = "is the trajectory column" if place == trajectory else why
        if clock is not None and place in clock.places:
            why = "is the time column"
        if why:
            or_none = ", or dataset.time_column=null" if why == "is the time column" else ""
            raise RequestError(
                f"{field}: '{names[place]}' {why}; accepted: another column{or_none}"
            )


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
