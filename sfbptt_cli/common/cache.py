"""Files that are computed once, by the first of the processes that need them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sfbptt_cli.common.atomic import replacing

T = TypeVar("T")

log = logging.getLogger("sfbptt")

_problems: list[str] = []


def cache_folder() -> Path:
    """Return $SFBPTT_CACHE, or `sfbptt` in the user's cache folder; OSError without a home."""
    try:
        if folder := os.environ.get("SFBPTT_CACHE"):
            return Path(folder).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sfbptt"
    except RuntimeError as error:
        raise OSError(str(error)) from error


def cached(
    name: str,
    settings: dict[str, Any],
    suffix: str,
    compute: Callable[[], T],
    write: Callable[[Path, T], None],
    read: Callable[[Path], T],
) -> T:
    """Return the result of `compute`, and keep it for the next call with the same settings.

    `settings` (JSON) hold everything that decides the result; the file is named by `name` and
    their digest. A cache that cannot be written costs time and a warning, nothing else.
    """
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    with ExitStack() as stack:
        try:
            path = cache_folder() / f"{name}-{key}{suffix}"
        except OSError as error:
            _warn(str(error))
            return compute()
        # Runs of a sweep that start together wait here for the first one's result.
        digest = path.with_suffix(".lock")
        problem = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(digest))
        except OSError as error:  # of another user, or read-only: it can still be read
            problem = str(error)
        if _is_whole(path, digest):
            # A file of an older version, which may raise anything, is made again and replaced.
            with suppress(Exception):
                return read(path)
        result = compute()
        if problem:
            _warn(problem)
        else:
            _store(path, digest, result, write)
    return result


def write_json(path: Path, content: Any) -> None:
    """Write plain values; ValueError for NaN and infinity."""
    path.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def _store(path: Path, digest: Path, result: T, write: Callable[[Path, T], None]) -> None:
    try:
        with replacing(path) as temporary:
            write(temporary, result)
        digest.write_text(_digest(path), encoding="ascii")
    except OSError as error:
        _warn(str(error))


def _warn(problem: str) -> None:
    """Log the first problem of this process."""
    if not _problems:
        log.warning("the cache is not used, which costs time only: %s", problem)
    _problems.append(problem)


def _is_whole(path: Path, digest: Path) -> bool:
    """Return whether the file exists and every byte is as it was written."""
    try:
        known = digest.read_text(encoding="ascii", errors="replace")
        # Earlier versions wrote no digest.
        return path.is_file() and known in ("", _digest(path))
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The kernel drops the lock when its process ends, however it ends.
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
