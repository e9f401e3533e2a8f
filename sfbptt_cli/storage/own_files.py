"""The names of a run's files, and whether they are files of its own folder."""

from __future__ import annotations

import stat
from pathlib import Path

from sfbptt_cli.common.errors import RequestError

# Every name that a run writes, but for the lock and config.yaml.
RUN_FILES = (
    "run.json",
    "metrics.csv",
    "trajectories.h5",
    "generated.h5",
    "evaluation.json",
    "lyapunov.json",
    "gradients.json",
)
RUN_FOLDERS = ("checkpoints", "figures", "tensorboard")
_CHECKPOINTS = tuple(f"checkpoints/{name}.safetensors" for name in ("last", "previous", "best"))


def require_own_files(folder: Path) -> None:
    """Raise RequestError where a file of a run is not a file of its own folder.

    Somebody may have put a link in it that leads elsewhere, a pipe or a device.
    """
    root = folder.resolve()
    for name in (".lock", "config.yaml", *RUN_FILES, *RUN_FOLDERS, *_CHECKPOINTS):
        path = folder / name
        try:
            if not path.resolve().is_relative_to(root):
                raise RequestError(f"run: '{path}' leads out of its folder; accepted: no such link")
            mode = path.stat().st_mode
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
            raise RequestError(f"run: '{path}' cannot be read: {error}") from error
        if not (stat.S_ISDIR(mode) if name in RUN_FOLDERS else stat.S_ISREG(mode)):
            kind = "folder" if name in RUN_FOLDERS else "regular file"
            raise RequestError(f"run: '{path}' is no {kind}; accepted: a {kind}")
