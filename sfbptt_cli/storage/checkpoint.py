"""Checkpoints: tensors and plain values only, written atomically, loaded without running code."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import torch

from sfbptt_cli.errors import RequestError
from sfbptt_cli.storage.atomic import replacing

SCHEMA = 1


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain Python values) to `path`, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Given a path, torch writes its (random) name into the file; given a stream it does not.
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(_canonical({"schema": SCHEMA, **content}), file)


def _canonical(content: Any) -> Any:
    """Content such that equal values are pickled as equal bytes.

    Pickle writes an object that it meets again as a reference. Which equal strings and containers
    are one object depends on whether they were made here or read from an earlier checkpoint.
    """
    if isinstance(content, dict):
        return {_canonical(key): _canonical(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        values = map(_canonical, content)
        return list(values) if isinstance(content, list) else tuple(values)
    return sys.intern(content) if isinstance(content, str) else content


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; RequestError when it is missing, damaged or of another kind."""
    if not path.is_file():
        raise RequestError(f"checkpoint: '{path}' does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged file may raise anything
        raise RequestError(
            f"checkpoint: '{path}' is damaged or no checkpoint ({type(error).__name__}); "
            "overwrite=true trains the run again"
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise RequestError(f"checkpoint: '{path}' is not a checkpoint of schema {SCHEMA}")
    return content


def checkpoint_hash(path: Path) -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
