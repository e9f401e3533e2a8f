"""Files that are computed once, by the first of the processes that need them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def cache_folder() -> Path:
    """$SFBPTT_CACHE, or `sfbptt` in the user's cache folder."""
    if folder := os.environ.get("SFBPTT_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sfbptt"


def cached(
    name: str,
    settings: dict[str, Any],
    suffix: str,
    compute: Callable[[], T],
    write: Callable[[Path, T], None],
    read: Callable[[Path], T],
) -> T:
    """What was computed with these settings before, or is now and is kept for the next time.

    The file is named by `name` and a digest of `settings` (JSON), which hold everything that
    decides the result.
    """
    from sfbptt_cli.common.atomic import replacing

    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / f"{name}-{key}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Runs of a sweep that start together wait here for the first one's result.
    digest = path.with_suffix(".lock")
    with _locked(digest):
        if _is_whole(path, digest):
            # A file of an older version, which may raise anything, is made again and replaced.
            with suppress(Exception):
                return read(path)
        result = compute()
        with replacing(path) as temporary:
            write(temporary, result)
        digest.write_text(_digest(path), encoding="ascii")
    return result


def _is_whole(path: Path, digest: Path) -> bool:
    """Whether the file is there and every byte of it is as it was written."""
    known = digest.read_text(encoding="ascii", errors="replace")
    # Earlier versions wrote no digest.
    return path.is_file() and known in ("", _digest(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The kernel drops the lock when its process ends, however it ends.
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
