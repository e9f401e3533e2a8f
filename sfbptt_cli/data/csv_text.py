"""Text files, plain or gzip, as rows of fields."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain, islice
from pathlib import Path

from sfbptt_cli.errors import RequestError, lookup

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
# A byte-order mark is no part of the first name.
ENCODINGS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1", "cp1252": "cp1252"}
# Rows read before the delimiter is decided.
_SAMPLE = 50
_BREAK = re.compile(r"\r\n|\r|\n")


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The text of a file, unzipped where it is gzip; whatever cannot be read is a RequestError.

    `encoding='auto'` follows a byte-order mark and is UTF-8 without one.
    """
    if not path.is_file():
        raise RequestError(f"dataset.path: '{path}' is not a file; accepted: .csv or .csv.gz")
    try:
        with path.open("rb") as stored, _unzipped(stored) as file:
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
    return io.BufferedReader(gzip.GzipFile(fileobj=stored))  # pyright: ignore[reportArgumentType]


class Rows:
    """The rows of a text as lists of fields, with their places in the file.

    Rows are counted from 1, as an editor counts them. Strict: a quote that is never closed would
    otherwise swallow rows.
    """

    def __init__(self, text: Iterator[str], delimiter: str, skip_rows: int, path: Path) -> None:
        self._skipped = sum(1 for _ in islice(text, skip_rows))
        self._path = path
        sample = list(islice(text, _SAMPLE))
        if delimiter == "auto":
            self.delimiter = _find_delimiter(sample)
        else:
            self.delimiter = lookup(DELIMITERS, delimiter, "dataset.delimiter")
        self._reader = csv.reader(
            chain(sample, text), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )

    def take(self, count: int) -> tuple[list[list[str]], list[int]]:
        """The next rows, at most `count`, and the line of the file on which each begins."""
        first = self._skipped + self._reader.line_num + 1
        try:
            rows = list(islice(self._reader, count))
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
        rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
        width = len(rows[0]) if rows else 0
        equal = sum(len(row) == width for row in rows[1:])
        divided = sum(len(row) > 1 for row in rows[1:])
        scores[delimiter] = 2 * equal + divided if width > 1 else 0
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] else ";"
