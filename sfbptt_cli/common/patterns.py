"""Names of files with *: found within bounds, in the order in which people count."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path

from sfbptt_cli.common.errors import RequestError

# Entries of folders that are looked at: a pattern may come from anybody, and without end.
_MOST = 100_000


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key to sort by that counts: run2 comes before run10."""
    parts = re.split(r"([0-9]+)", name)  # every second one is a number
    parts[1::2] = [part.lstrip("0") for part in parts[1::2]]
    return [(len(part) * (i % 2), part) for i, part in enumerate(parts)]


def expand(pattern: str, field: str) -> list[Path]:
    """List the files whose path is `pattern`, each * any characters within one name.

    They come in natural order. A name that begins with a dot is found by one that does. Raises
    RequestError, whose message begins with `field`, where there is none, or too much to look at.
    """
    if "*" not in pattern or Path(pattern).exists():
        return [Path(pattern)]
    path = Path(pattern).expanduser().absolute()
    found, looked = [Path(path.anchor)], 0
    for part in path.parts[1:]:
        if "*" not in part:
            found = [place / part for place in found]
            continue
        # Only * is special. (fnmatch makes an expression that never takes long.)
        wanted = re.compile(fnmatch.translate(re.sub(r"([?[])", r"[\1]", part)))
        places, found = found, []
        for place in places:
            try:
                with os.scandir(place) as entries:
                    for entry in entries:
                        looked += 1
                        if looked > _MOST:
                            raise RequestError(
                                f"{field}: '{pattern}' looks at more than {_MOST:,} files; "
                                "accepted: * in fewer and smaller folders"
                            )
                        hidden = entry.name.startswith(".") and not part.startswith(".")
                        if wanted.match(entry.name) and not hidden:
                            found.append(place / entry.name)
            except OSError:  # no folder, or one that nobody may read
                continue
    files = sorted((p for p in found if p.is_file()), key=lambda p: natural(str(p)))
    if not files:
        raise RequestError(f"{field}: no file is named like '{pattern}'; accepted: a file")
    return files
