"""The checkpoint from which a run is continued; the last one may be damaged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sfbptt_cli.common.atomic import link
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.storage.checkpoint import DamagedCheckpoint, refuse_earlier_format
from sfbptt_cli.storage.run_folder import RunFolder

log = logging.getLogger("sfbptt")


def keep_previous(folder: RunFolder) -> None:
    """Make `previous` a copy of `last`, before `last` is replaced."""
    if folder.last.exists():
        link(folder.last, folder.previous)


def latest_checkpoint(
    folder: RunFolder, load: Callable[[Path], dict[str, Any]]
) -> dict[str, Any] | None:
    """Return `load` of the latest whole checkpoint; None where the run has none yet.

    It is `last`, `previous` or `best`, which holds as much. Damaged ones are named on standard
    error, and the whole one replaces `last`: damage must not become the previous checkpoint.
    Raises RequestError where all are damaged, and where `load` refuses a whole one.
    """
    damaged: list[str] = []
    for path in (folder.last, folder.previous, folder.best):
        if not path.is_file():
            refuse_earlier_format(path)
            continue
        try:
            content = load(path)
        except DamagedCheckpoint as error:
            damaged.append(f"'{path}' ({error.reason})")
            continue
        if damaged:
            log.warning("damaged: %s; continuing from '%s'", ", ".join(damaged), path)
        if path != folder.last:
            link(path, folder.last)
        return content
    if damaged:
        raise RequestError(
            f"checkpoint: damaged, and there is no other: {', '.join(damaged)}; "
            "overwrite=true trains the run again"
        )
    return None
