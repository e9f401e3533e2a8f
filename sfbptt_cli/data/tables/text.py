"""The text of files, plain or compressed."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import open_regular
from sfbptt_cli.data.kinds import BEGIN, require_table

_LARGEST_FILE = 2**40  # bytes
# A byte-order mark is no part of the first name.
ENCODINGS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1", "cp1252": "cp1252"}
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
        with (
            open_regular(path, "dataset.path", _LARGEST_FILE) as stored,
            _unpacked(stored, path) as file,
        ):
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


def _unpacked(stored: io.BufferedReader, path: Path) -> Any:
    begin = stored.peek(BEGIN)
    require_table(path, begin)
    for mark, decompress in _DECOMPRESSORS.items():
        if begin.startswith(mark):
            return decompress(stored)
    return stored
