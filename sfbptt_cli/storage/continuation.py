"""The checkpoint that a run is continued from, when the last one may be damaged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sfbptt_cli.common.atomic import link
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.storage.checkpoint import damage
from sfbptt_cli.storage.run_folder import RunFolder

log = logging.getLogger("sfbptt")


def keep_previous(folder: RunFolder) -> None:
    """Before last.pt is replaced: let previous.pt be it, so that there is always one of them."""
    if folder.last.exists():
        link(folder.last, folder.previous)


def latest_checkpoint(
    folder: RunFolder, load: Callable[[Path], dict[str, Any]]
) -> dict[str, Any] | None:
    """What `load` makes of the latest whole checkpoint; None where the run has none yet.

    last.pt, or the one before it, or best.pt, which holds as much. Those that are damaged are named
    on standard error, and the whole one takes the place of last.pt: damage must not become the
    previous checkpoint. Where all are damaged RequestError names them; a whole one that `load`
    refuses, as it is of another model, stands in for no other.
    """
    damaged = []
    for path in (p for p in (folder.last, folder.previous, folder.best) if p.is_file()):
        if (reason := damage(path)) is not None:
            damaged.append(f"'{path}' ({reason})")
            continue
        content = load(path)
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
