"""Text files, plain or gzip, as rows of fields."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import TypeVar

from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.common.files import open_regular, require_proportionate

Row = TypeVar("Row")

_LARGEST_FILE = 2**40  # bytes
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
# A byte-order mark is no part of the first name.
ENCODINGS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1", "cp1252": "cp1252"}
# Rows read before the delimiter is decided.
_SAMPLE = 50
_LONGEST_ROW = 2**20  # characters: some ten thousand numbers
_MOST_TAKEN = 2**23  # characters of the rows that are taken at once
_BREAK = re.compile(r"\r\n|\r|\n")


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The text of a file, unzipped where it is gzip; whatever cannot be read is a RequestError.

    `encoding='auto'` follows a byte-order mark and is UTF-8 without one.
    """
    if not path.is_file():
        raise RequestError(f"dataset.path: '{path}' is not a file; accepted: .csv or .csv.gz")
    try:
        with open_regular(path, "dataset.path", _LARGEST_FILE) as stored, _unzipped(stored) as file:
            if encoding == "auto":
                marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
                encoding = "utf-16" if file.peek(2)[:2] in marks else "utf-8"
            codec = lookup(ENCODINGS, encoding, "dataset.encoding")
            with io.TextIOWrapper(file, encoding=codec, newline="") as text:
                yield text
    except UnicodeError as error:
        raise RequestError(
            f"dataset.encoding: '{path}' cannot be decoded as {encoding} "
            f"({getattr(error, 'reason', error)}); accepted: {', '.join(ENCODINGS)}"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise RequestError(f"dataset.path: '{path}' cannot be read: {error}") from error


def _unzipped(stored: io.BufferedReader) -> io.BufferedReader:
    if stored.peek(2)[:2] != b"\x1f\x8b":
        return stored
    return io.BufferedReader(_Unzipped(stored))


class _Unzipped(io.RawIOBase):
    """What a gzip file unfolds to, as long as that is not far more than the file."""

    def __init__(self, stored: io.BufferedReader) -> None:
        self._file = gzip.GzipFile(fileobj=stored)
        self._path = Path(str(stored.name))
        self._size = os.fstat(stored.fileno()).st_size
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        count = self._file.readinto(buffer)
        self._read += count
        require_proportionate(self._read, self._size, "dataset.path", self._path)
        return count


class Rows:
    """The rows of a text as lists of fields, with their places in the file.

    Rows are counted from 1, as an editor counts them. Strict: a quote that is never closed would
    otherwise swallow rows.
    """

    def __init__(self, text: io.TextIOBase, delimiter: str, skip_rows: int, path: Path) -> None:
        self._path = path
        self._pending = 0  # characters of the row that is being read
        self._taken = 0  # and of all rows since `take` began
        lines = self._counted(text)
        self._skipped = sum(1 for _ in self._each(islice(lines, skip_rows)))
        sample = list(self._each(islice(lines, _SAMPLE)))
        if delimiter == "auto":
            self.delimiter = _find_delimiter(sample)
        else:
            self.delimiter = lookup(DELIMITERS, delimiter, "dataset.delimiter")
        self._reader = csv.reader(
            chain(sample, lines), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )

    def _counted(self, text: io.TextIOBase) -> Iterator[str]:
        """The lines, no more of them than a row may have characters."""
        while line := text.readline(_LONGEST_ROW + 1):
            self._pending += len(line)
            self._taken += len(line)
            if self._pending > _LONGEST_ROW:
                raise RequestError(
                    f"dataset.path: '{self._path}' has a row of more than {_LONGEST_ROW} "
                    "characters; accepted: a table of numbers"
                )
            yield line

    def _each(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows, or lines, each of which begins to be counted when the one before is there."""
        for row in rows:
            self._pending = 0
            yield row

    def take(self, count: int) -> tuple[list[list[str]], list[int]]:
        """The next rows, at most `count`, and the line of the file on which each begins.

        Fewer of rows so wide that they would not fit into memory.
        """
        first = self._skipped + self._reader.line_num + 1
        rows: list[list[str]] = []
        self._taken = 0
        try:
            for row in self._each(islice(self._reader, count)):
                rows.append(row)
                if self._taken > _MOST_TAKEN:
                    break
        except csv.Error as error:
            line = self._skipped + self._reader.line_num
            raise RequestError(
                f"dataset.path: '{self._path}' cannot be read up to row {line}: {error}"
            ) from error
        after = self._skipped + self._reader.line_num + 1
        if after - first == len(rows):
            return rows, list(range(first, after))
        # Fields in quotes may go over several lines.
        heights = [1 + sum(len(_BREAK.findall(field)) for field in row) for row in rows]
        return rows, [first + before for before in accumulate(heights[:-1], initial=0)]


def _find_delimiter(sample: Sequence[str]) -> str:
    """The delimiter at which most rows are as long as the first one.

    Where several are equally good: tab before semicolon before comma, which may be a decimal
    comma. Where none divides the rows, the file has one column, and the semicolon serves.
    """
    scores = {}
    for delimiter in ("\t", ";", ","):
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:  # undivided, a wide row is longer than a field may be
            widths = []
        width = widths[0] if widths else 0
        equal = widths[1:].count(width)
        divided = sum(other > 1 for other in widths[1:])
        scores[delimiter] = 2 * equal + divided if width > 1 else 0
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] else ";"
