"""Checkpoints: tensors and plain values only, written atomically, loaded without running code."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import open_regular
from sfbptt_cli.storage.checkpoint_archive import checked_archive
from sfbptt_cli.storage.training_state import difference

SCHEMA = 1
_LARGEST = 4 * 2**30  # bytes


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
    """Read a checkpoint on the CPU; RequestError when it is missing, damaged or of another kind.

    It may come from anybody: no code runs, the memory it takes is in proportion to its size, a byte
    that was changed is noticed (CRC-32), and parameters of the model are finite.
    """
    if not path.exists():
        raise RequestError(f"checkpoint: '{path}' does not exist")
    try:
        with open_regular(path, "checkpoint", _LARGEST) as file:
            archive = checked_archive(file)
        content = torch.load(archive, map_location="cpu", weights_only=True)
    except RequestError:
        raise
    except Exception as error:  # unpickling a damaged file may raise anything
        reason = str(error) if type(error) is ValueError else type(error).__name__
        raise RequestError(
            f"checkpoint: '{path}' is damaged or no checkpoint ({reason}); "
            "overwrite=true trains the run again"
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise RequestError(f"checkpoint: '{path}' is not a checkpoint of schema {SCHEMA}")
    model = content.get("model", {})
    if not isinstance(model, dict) or not all(map(_is_parameter, model.values())):
        raise RequestError(
            f"checkpoint: '{path}' holds parameters that are no finite numbers; "
            "accepted: those of a trained model"
        )
    return content


def damage(path: Path) -> str | None:
    """What is wrong with the bytes of a checkpoint file, None when nothing is."""
    try:
        with open_regular(path, "checkpoint", _LARGEST) as file:
            checked_archive(file)
    except Exception as error:  # damaged archives may raise anything
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _is_parameter(value: object) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.is_floating_point()
        and bool(value.isfinite().all())
    )


def load_training(
    path: Path, beginning: Mapping[str, Any], epochs: int, batches: int
) -> dict[str, Any]:
    """The checkpoint of a training that begins with the state `beginning`, to go on from.

    `epochs` of `batches` updates are all there are. RequestError where it is no state of that
    training: other parameters, another optimizer, a place beyond the end.
    """
    content = load_checkpoint(path)
    if found := difference(beginning, content, epochs, batches):
        raise RequestError(
            f"checkpoint: '{path}' does not continue this training ({found}); "
            "overwrite=true trains the run again"
        )
    return content


def checkpoint_hash(path: Path) -> str:
    """SHA-256 of the file."""
    with open_regular(path, "checkpoint", _LARGEST) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
