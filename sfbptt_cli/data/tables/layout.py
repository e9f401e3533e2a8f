"""Where the names of the columns stand in a text table, and where its numbers begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import TextSettings
from sfbptt_cli.data.tables.numbers import shortened, words
from sfbptt_cli.data.tables.rows import SPACE, Rows, is_value, split

# A row of the file, from 1, and its fields.
Row = tuple[int, list[str]]

# Rows with text that show the layout, and characters after which no more are looked at.
_SAMPLE = 200
_SAMPLE_CHARACTERS = 2**22
# The last of them, which lie below any header.
_BODY = 20
_MOST_COLUMNS = 10_000
_MOST_HEADER_ROWS = 4
# What a line of units below a line of names may hold.
_UNITS = words(
    "s sec ms us min mn h hr d dy day mo yr nm m/s m hpa mb degc deg degt c k v mv uv a "
    "ma hz pa mm cm km ft % °c degf w w/m2 mg/m3 ug/m3 ppm ppb [s] [ms] (s) (ms) [v] [mv]"
)


class Layout(NamedTuple):
    """What stands above the rows of a table."""

    names: list[str]  # of the columns
    named: bool  # whether the file names them
    units: list[str]  # below the names, as many, or none
    line: int  # of the first row below, from 1
    notes: list[str]  # what was left out above


def find_layout(rows: Rows, form: TextSettings, path: Path) -> tuple[Layout, Iterator[Row]]:
    """Return the layout, and the rows below the header.

    A row belongs to the header if it has text in a column of numbers or times. The first one names
    the columns, the next ones hold units; if the names of the first one are not unique, they are
    joined with those below. Comments above the table are a header if it has no other and they are
    as wide. Raises RequestError where a row may be names or numbers.
    """
    body = iter(rows)
    begun = rows.characters
    sample: list[Row] = []
    written: list[Row] = []
    for row in body:
        if len(row[1]) > _MOST_COLUMNS:
            raise RequestError(
                f"dataset.path: row {row[0]} has {len(row[1])} fields; accepted: at most "
                f"{_MOST_COLUMNS}"
            )
        if any(field.strip() for field in row[1]):
            written.append(row)
        if written:
            sample.append(row)
        if len(written) == _SAMPLE or rows.characters - begun > _SAMPLE_CHARACTERS:
            break
    if not written:
        raise RequestError(f"dataset.path: '{path}' is empty; accepted: a table of numbers")
    blank = {row[0] for row in sample} - {row[0] for row in written}
    found = _Finder(rows, form, written, blank).layout()
    below = (row for row in sample if row[0] >= found.line)
    return found, chain(below, body)


class _Finder:
    def __init__(self, rows: Rows, form: TextSettings, written: list[Row], blank: set[int]) -> None:
        self._rows, self._form, self._written, self._blank = rows, form, written, blank
        self._words = {"", *map(str.strip, form.missing_values)}
        data = [row for row in written if any(map(is_value, row[1]))] or written
        if form.header is False:
            data = written
        widths = Counter(len(fields) for _, fields in data)
        (most, _), *_ = widths.most_common(1)
        typical = [row for row in written if len(row[1]) == most]
        # Columns that are empty throughout are no columns.
        self.width = max(_filled(fields) for _, fields in typical) or 1
        self._body = [fields for _, fields in typical[1:][-_BODY:] or typical]
        self._numeric = [i for i in range(self.width) if self._is_numeric(i)]

    def _is_numeric(self, place: int) -> bool:
        fields = [row[place] for row in self._body if row[place].strip() not in self._words]
        return 2 * sum(map(is_value, fields)) > len(fields)

    def _fits(self, fields: Sequence[str]) -> bool:
        return len(fields) >= self.width and _filled(fields) <= self.width

    def _is_header(self, fields: Sequence[str]) -> bool:
        """Return whether there is text in a column of numbers or times."""
        texts = (fields[i].strip() for i in self._numeric if i < len(fields))
        return any(text not in self._words and not is_value(text) for text in texts)

    def layout(self) -> Layout:
        """Find the header among the rows or the comments above them."""
        written, form = self._written, self._form
        if form.header is False:
            return self._without_names(0)
        header: list[Row] = []
        start, parted = 0, False
        for start, (_, fields) in enumerate(written):
            if not self._fits(fields):
                if any(map(is_value, fields)) and header:
                    break
                parted = True
                continue
            if not self._is_header(fields) or (header and any(map(is_value, fields))):
                break
            # Prose may be as wide as the table: the last rows without others between them.
            between = range(header[-1][0], written[start][0]) if header else ()
            parted = parted or not self._blank.isdisjoint(between)
            header = [written[start]] if parted else [*header, written[start]]
            parted = False
        else:
            start = len(written)
        if form.header is True and not header:
            start = next(i for i, (_, fields) in enumerate(written) if self._fits(fields))
            header = [written[start]]
            start += 1
        if header:
            return self._with_names(header, start)
        if start == len(written) or not self._numeric:  # nothing but text
            return self._with_names(written[:1], 1)
        return self._above(start)

    def _with_names(self, header: list[Row], start: int) -> Layout:
        above = [row for row in self._written[:start] if row not in header]
        if self.width > 1:  # a title or a list of versions, in a row as wide as the table
            valued = not _are_units([field for field in header[-1][1] if field.strip()])
            titles = [
                row
                for row in header[:-1]
                if _filled(row[1]) == 1 or (valued and any(map(is_value, row[1])))
            ]
            above, header = above + titles, [row for row in header if row not in titles]
        if len(header) > _MOST_HEADER_ROWS:
            line, fields = header[_MOST_HEADER_ROWS]
            text = next(field for field in fields if field.strip())
            raise RequestError(
                f"dataset.path: row {line} holds '{shortened(text.strip())}' where numbers are "
                "expected; accepted: numbers, words of dataset.missing_values, or dataset.skip_rows"
            )
        names, units = _names([fields[: self.width] for _, fields in header])
        notes = [*_left_out(above), *self._units_note(header[1][0] if units else 0, units)]
        line, _ = header[-1]
        return self._checked(Layout(names, True, units, line + 1, notes), header[0][0])

    def _units_note(self, line: int, units: list[str]) -> list[str]:
        return [f"row {line} read as units: {_shown(units)}"] if units else []

    def _checked(self, found: Layout, line: int) -> Layout:
        if odd := next((name for name in found.names if not name.isprintable()), None):
            raise RequestError(
                f"dataset.path: row {line} holds '{shortened(odd)}'; accepted: printable names"
            )
        return found

    def _without_names(self, start: int) -> Layout:
        names = [f"x{i + 1}" for i in range(self.width)]
        above = _left_out(self._written[:start])
        return Layout(names, False, [], self._written[start][0], above)

    def _above(self, start: int) -> Layout:
        """Find names above a first row of numbers: in comments, or one less than there are columns.

        Raises RequestError for other rows above it that cannot be told from a part of the table.
        """
        above, (line, first) = self._written[:start], self._written[start]
        if above and (named := self._row_names(above[-1])):
            return named
        for row, fields in above:
            if any(map(is_value, fields)) or (_filled(fields) > 1 and row == above[-1][0]):
                raise RequestError(
                    f"dataset.path: row {row} has {len(fields)} fields, and row {line} has "
                    f"{self.width}; accepted: a table, dataset.skip_rows={row} for what is above it"
                )
        if named := self._commented(line):
            return named._replace(notes=[*_left_out(above), *named.notes])
        self._refuse_numbered(line, first)
        return self._without_names(start)

    def _row_names(self, row: Row) -> Layout | None:
        """Return a header without a name for the first column, as R writes it."""
        line, fields = row
        count = _filled(fields)
        labels = [row[0].strip() for row in self._body]
        counted = len(labels) > 1 and all(map(str.isdecimal, labels))
        if count != self.width - 1 or any(map(is_value, fields)) or (0 in self._numeric) > counted:
            return None
        above = [other for other in self._written if other[0] < line]
        names, _ = _names([["", *fields[:count]]])
        return self._checked(Layout(names, True, [], line + 1, _left_out(above)), line)

    def _commented(self, line: int) -> Layout | None:
        """Return a header in the last comments above the table."""
        comments = [(number, text) for number, text in self._rows.comments if number < line]
        found = [self._divided(text) for _, text in comments]
        if not found or found[-1] is None:
            return None
        header = [found[-1]]
        if len(found) > 1 and found[0] is not None and _are_units(found[-1]):
            header = [found[0], found[-1]]
        names, units = _names(header)
        notes = self._units_note(comments[-1][0], units)
        return self._checked(Layout(names, True, units, line, notes), comments[-len(header)][0])

    def _divided(self, text: str) -> list[str] | None:
        """Divide a comment into as many names as there are columns."""
        for delimiter in (",", ";", "\t", self._rows.delimiter, SPACE):
            fields = [field.strip() for field in split(text, delimiter)]
            if len(fields) == self.width and all(fields) and self._is_header(fields):
                return fields
        return None

    def _refuse_numbered(self, line: int, first: Sequence[str]) -> None:
        """Raise RequestError for a first row 0, 1, 2, which may be names."""
        fields = [field.strip() for field in first[: self.width]]
        if not fields[0] and len(fields) > 1:
            del fields[0]
        counted = [[str(i + k) for i in range(len(fields))] for k in (0, 1)]
        if self._form.header == "auto" and fields in counted:
            whole = all(
                row[i].strip().lstrip("+-").isdecimal() for row in self._body for i in self._numeric
            )
            if not whole or len(fields) > 3:
                shown = shortened(", ".join(fields))
                raise RequestError(
                    f"dataset.header: row {line} holds '{shown}', the names of the columns or "
                    "numbers; accepted: dataset.header=true for names, dataset.header=false for "
                    "numbers"
                )


def _filled(fields: Sequence[str]) -> int:
    """Return the number of fields up to the last one that is not empty."""
    return max((i for i, field in enumerate(fields, 1) if field.strip()), default=0)


def _names(header: list[list[str]]) -> tuple[list[str], list[str]]:
    """Return the names of the columns, and their units."""
    first, *others = [[field.strip() for field in fields] for fields in header]
    if others and (len(set(first)) < len(first) or "" in first):
        for i in range(1, len(first)):  # a name may stand above several columns
            first[i] = first[i] or first[i - 1]
        joined = [f"{a} {b}".strip() for a, b in zip(first, others[0], strict=True)]
        if len(set(joined)) == len(joined):
            return joined, others[1] if len(others) > 1 else []
    return [name or f"column {i + 1}" for i, name in enumerate(first)], others[0] if others else []


def _are_units(fields: Sequence[str]) -> bool:
    return 2 * sum(field.strip().lower() in _UNITS for field in fields) >= len(fields)


def _left_out(above: Sequence[Row]) -> list[str]:
    if not above:
        return []
    text = next(field.strip() for field in above[0][1] if field.strip())
    rows = f"row {above[0][0]}" if len(above) == 1 else f"rows {above[0][0]} to {above[-1][0]}"
    return [f"{rows} above the table left out: '{shortened(text)}'"]


def _shown(fields: Sequence[str]) -> str:
    return shortened(", ".join(field for field in fields if field))
