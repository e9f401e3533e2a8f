"""Open files from anybody: regular ones of bounded size."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from sfbptt_cli.common.errors import RequestError

MIB = 2**20
# The largest ratio of bytes in memory to bytes on the disk (holes, compression, fill values).
# Recorded series compress by 2 to 20; a bomb by 1,000 and more.
LARGEST_RATIO = 100
_ALWAYS_ALLOWED = 64 * MIB


def open_regular(path: Path, field: str, limit: int) -> io.BufferedReader:
    """Open a regular file of at most `limit` bytes for reading.

    A pipe or a device, which might never end, is refused without waiting.
    Raises RequestError, whose message begins with `field`, and OSError where nothing can be opened.
    """
    file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115  the caller closes it
    try:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise RequestError(f"{field}: '{path}' is no regular file; accepted: a file")
        if found.st_size > limit:
            raise RequestError(
                f"{field}: '{path}' has {found.st_size} bytes; accepted: at most {limit}"
            )
        # Some file systems do not count blocks.
        require_proportionate(found.st_size, found.st_blocks * 512 or found.st_size, field, path)
    except RequestError:
        file.close()
        raise
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read_text(path: Path, field: str, limit: int) -> str:
    """Read the text of a regular UTF-8 file of at most `limit` bytes.

    Raises RequestError, OSError, UnicodeDecodeError.
    """
    with open_regular(path, field, limit) as file:
        return file.read(limit + 1).decode("utf-8")


def require_proportionate(unfolded: int, stored: int, field: str, path: Path) -> None:
    """Raise RequestError where `stored` bytes on the disk would become far more in memory."""
    if unfolded > max(LARGEST_RATIO * stored, _ALWAYS_ALLOWED):
        raise RequestError(
            f"{field}: '{path}' would unfold {stored} bytes to {unfolded}; "
            f"accepted: at most {LARGEST_RATIO} times as many"
        )
