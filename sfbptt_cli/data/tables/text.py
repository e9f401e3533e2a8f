"""Text files, plain or compressed, as rows of fields."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import open_regular, require_proportionate
from sfbptt_cli.data.settings import TextSettings

_LARGEST_FILE = 2**40  # bytes
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
# A byte-order mark is no part of the first name.
ENCODINGS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1", "cp1252": "cp1252"}
# Lines read before the delimiter is decided.
_SAMPLE = 50
_LONGEST_ROW = 2**20  # characters: some ten thousand numbers
_ENCRYPTED_OR_PATCHED = 0x01 | 0x20 | 0x40


def _only_member(stored: io.BufferedReader) -> IO[bytes]:
    archive = zipfile.ZipFile(stored)
    try:
        (member,) = (member for member in archive.infolist() if not member.is_dir())
    except ValueError:
        raise zipfile.BadZipFile("it does not hold exactly one file") from None
    # Other methods unpack without a bound.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("its file is not compressed by deflate")
    if member.flag_bits & _ENCRYPTED_OR_PATCHED:
        raise zipfile.BadZipFile("its file is encrypted")
    return archive.open(member)


# By the first bytes of a file.
_DECOMPRESSORS: dict[bytes, Callable[[io.BufferedReader], Any]] = {
    b"\x1f\x8b": lambda stored: gzip.GzipFile(fileobj=stored),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"PK\x03\x04": _only_member,
    b"PK\x05\x06": _only_member,  # an empty one
}
# MemoryError: an .xz file that claims a dictionary of gigabytes.
_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, MemoryError)


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Open the text of a file, decompressed if it is gzip, bzip2, xz or zip.

    `encoding='auto'` follows a byte-order mark and is UTF-8 without one. Raises RequestError for
    whatever cannot be read.
    """
    if not path.is_file():
        raise RequestError(f"dataset.path: '{path}' is not a file; accepted: a text table")
    try:
        with open_regular(path, "dataset.path", _LARGEST_FILE) as stored, _unpacked(stored) as file:
            if encoding == "auto":
                marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
                encoding = "utf-16" if file.peek(2)[:2] in marks else "utf-8"
            with io.TextIOWrapper(file, encoding=ENCODINGS[encoding], newline="") as text:
                yield text
    except UnicodeError as error:
        raise RequestError(
            f"dataset.encoding: '{path}' cannot be decoded as {encoding} "
            f"({getattr(error, 'reason', error)}); accepted: {', '.join(ENCODINGS)}"
        ) from error
    except _UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise RequestError(f"dataset.path: '{path}' cannot be read: {reason}") from error


def _unpacked(stored: io.BufferedReader) -> Any:
    begin = stored.peek(8)
    for mark, decompress in _DECOMPRESSORS.items():
        if begin.startswith(mark):
            return decompress(stored)
    return stored


class Rows:
    """The rows of a text: for each, the line of the file on which it begins, and its fields.

    Lines are counted from 1, as an editor counts them. Strict: a quote that is never closed would
    otherwise swallow rows.
    """

    def __init__(self, text: io.TextIOBase, form: TextSettings, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._pending = 0  # characters of the row that is being read
        self.characters = 0  # of all that was read
        lines = self._bounded(text)
        self._skipped = len(self._take(lines, form.skip_rows))
        sample = self._take(lines, _SAMPLE)
        self.delimiter = DELIMITERS.get(form.delimiter) or _find_delimiter(sample)
        self._reader = csv.reader(
            chain(sample, lines), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )

    def _bounded(self, text: io.TextIOBase) -> Iterator[str]:
        """Yield the lines, unless a row is too long or all are far more than the file holds."""
        while line := text.readline(_LONGEST_ROW + 1):
            self._pending += len(line)
            self.characters += len(line)
            if self._pending > _LONGEST_ROW:
                raise RequestError(
                    f"dataset.path: '{self._path}' has a row of more than {_LONGEST_ROW} "
                    "characters; accepted: a table of numbers"
                )
            require_proportionate(self.characters, self._size, "dataset.path", self._path)
            yield line

    def _take(self, lines: Iterator[str], count: int) -> list[str]:
        """Return the next lines, each at most as long as a row may be."""
        taken = []
        for line in islice(lines, count):
            self._pending = 0
            taken.append(line)
        return taken

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        line = self._skipped + self._reader.line_num + 1
        try:
            for fields in self._reader:
                self._pending = 0
                yield line, fields
                line = self._skipped + self._reader.line_num + 1
        except csv.Error as error:
            line = self._skipped + self._reader.line_num
            raise RequestError(
                f"dataset.path: '{self._path}' cannot be read up to row {line}: {error}"
            ) from error


def _find_delimiter(sample: Sequence[str]) -> str:
    """Find the delimiter at which most rows have as many fields as the first one.

    Of equally good ones, tab is preferred to semicolon, and semicolon to comma, which may be a
    decimal comma. If none divides the rows, the file has one column, and it is the semicolon.
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
