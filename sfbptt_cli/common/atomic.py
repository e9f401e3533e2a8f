"""Files appear whole or not at all: written under a temporary name, synced, renamed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The names of temporary files: .metrics-x1y2z3a4.csv becomes metrics.csv.
_TEMPORARY = re.compile(r"\.(?P<stem>.+)-[a-z0-9_]{8}(?P<suffix>(\.[^.]+)?)")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success sync it and rename it to `path`.

    A reader sees the old file or the new one, also after a crash. On an error the temporary
    file is removed and `path` is untouched. An OSError of the temporary file names `path`.
    """
    temporary = None
    try:
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files private to their owner
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        other = temporary is not None and error.filename not in (None, str(temporary))
        if error.errno is None or other:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # the first error is the one to report
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically; NaN and infinity, which JSON lacks, are refused by ValueError."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def link(source: Path, target: Path) -> None:
    """Make `target` a second name of the file `source`, atomically; copy without hard links."""
    with replacing(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def leftovers(folder: Path) -> Iterator[tuple[Path, str]]:
    """List the temporary files in `folder` with their intended names.

    While no writer is at work, they are left from writers that were killed.
    """
    if folder.is_dir():
        for path in folder.iterdir():
            if found := _TEMPORARY.fullmatch(path.name):
                yield path, found["stem"] + found["suffix"]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
