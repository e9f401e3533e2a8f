"""Checkpoints: one safetensors file each, which holds numbers and no code.

Tensors have dotted names (`optimizer.state.3.exp_avg`). The plain values are one JSON document in
the file's header, with a SHA-256 of all other bytes of the file, so that a damaged bit is noticed.
https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.common.files import MIB, open_regular
from sfbptt_cli.storage.nested_state import join_state, split_state
from sfbptt_cli.storage.training_state import difference

SCHEMA = 2
_LARGEST = 4 * 2**30  # bytes
_LARGEST_HEADER = 64 * MIB  # the history of a quarter of a million epochs
_DTYPES = frozenset(("BOOL", "U8", "I32", "I64", "F32", "F64"))
_MOST_AXES = 16
# How every checkpoint begins, after the eight bytes that give the length of the header.
_BEGINNING = re.compile(
    rb'\{"__metadata__":\{"sfbptt":"\{\\"sha256\\":\\"(?P<digest>[0-9a-f]{64})\\",'
)


class DamagedCheckpoint(RequestError):
    """The bytes of a file are not those that were written, or it is no checkpoint."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"checkpoint: '{path}' is damaged or no checkpoint ({reason}); "
            "overwrite=true trains the run again"
        )


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content`, nested tensors and plain values, to `path`, atomically.

    Equal content becomes equal bytes. Raises TypeError for a value of another kind, and RunFailed
    where the plain values are too long to be read again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state, tensors = split_state(content)
    document = {"sha256": "0" * 64, "schema": SCHEMA, "state": state}
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    # More than one entry of metadata would be written in random order.
    written = safetensors.torch.save(tensors, {"sfbptt": text})
    if int.from_bytes(written[:8], "little") > _LARGEST_HEADER:
        raise RunFailed(f"checkpoint: its plain values take more than {_LARGEST_HEADER} bytes")
    with replacing(path) as temporary:
        temporary.write_bytes(written.replace(*_digests(written), 1))


def _digests(content: bytes) -> tuple[bytes, bytes]:
    """Return the digest that a checkpoint holds, and SHA-256 of all its other bytes."""
    if (found := _BEGINNING.match(content, 8)) is None:
        raise ValueError("it does not begin as a checkpoint does")
    view, computed = memoryview(content), hashlib.sha256()
    computed.update(view[: found.start("digest")])
    computed.update(view[found.end("digest") :])
    return found["digest"], computed.hexdigest().encode()


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, to the CPU.

    The file may come from anybody: no code runs, memory is in proportion to its size, and
    parameters of the model are finite. Raises RequestError for a file that is missing or of another
    schema, DamagedCheckpoint where a byte was changed or it is no checkpoint.
    """
    if not path.exists():
        refuse_earlier_format(path)
        raise RequestError(f"checkpoint: '{path}' does not exist")
    try:
        with open_regular(path, "checkpoint", _LARGEST) as file:
            document, tensors = _parsed(file.read())
        state = join_state(document["state"], tensors) if document["schema"] == SCHEMA else None
    except RequestError:
        raise
    except Exception as error:  # a library may raise anything for a file that it did not expect
        reason = str(error)[:200] if type(error) is ValueError else type(error).__name__
        raise DamagedCheckpoint(path, reason) from error
    if not isinstance(state, dict):
        raise RequestError(f"checkpoint: '{path}' is not a checkpoint of schema {SCHEMA}")
    model = state.get("model", {})
    if not isinstance(model, dict) or not all(map(_is_parameter, model.values())):
        raise RequestError(
            f"checkpoint: '{path}' holds parameters that are no finite numbers; "
            "accepted: those of a trained model"
        )
    return state


def refuse_earlier_format(path: Path) -> None:
    """Raise RequestError where an earlier version of sfbptt left a checkpoint for `path`."""
    earlier = path.with_suffix(".pt")
    if earlier.exists():
        raise RequestError(
            f"checkpoint: '{earlier}' was written by an earlier version of sfbptt; accepted: that "
            "version to continue or measure the run, or overwrite=true, which trains it again"
        )


def _parsed(content: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return JSON document and tensors of a file; any exception where it is no checkpoint.

    Sizes are compared before anything is made that is as large.
    """
    size = int.from_bytes(content[:8], "little")
    if size > min(_LARGEST_HEADER, len(content) - 8):
        raise ValueError("its header does not fit")
    stored, computed = _digests(content)
    if stored != computed:
        raise ValueError("its bytes do not agree with its checksum")
    text = content[8 : 8 + size].decode("utf-8")
    # A list takes two bytes of the file and thirty times as many of memory.
    if text.count("[") + text.count("{") > 1_000 + len(text) // 16:
        raise ValueError("its header holds too many lists")
    header = json.loads(text, object_pairs_hook=_unique)
    document = json.loads(header.pop("__metadata__")["sfbptt"], object_pairs_hook=_unique)
    for described in header.values():
        if described["dtype"] not in _DTYPES or len(described["shape"]) > _MOST_AXES:
            raise ValueError("it holds a tensor of another kind than training has")
    # The library checks that the tensors lie side by side and fill the file. They are copied to
    # memory that torch aligns, as the last digit of a sum may depend on the alignment.
    tensors = safetensors.torch.load(content)
    return document, {name: tensor.clone() for name, tensor in tensors.items()}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("two values have one name")
    return found


def _is_parameter(value: object) -> bool:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return False
    return bool(value.isfinite().all())


def load_training(
    path: Path, beginning: Mapping[str, Any], epochs: int, batches: int
) -> dict[str, Any]:
    """Read a checkpoint of a training that begins with the state `beginning`.

    Training has `epochs` of `batches` updates. Raises RequestError for a state of another training:
    other parameters, another optimizer, a place beyond the end.
    """
    content = load_checkpoint(path)
    if found := difference(beginning, content, epochs, batches):
        raise RequestError(
            f"checkpoint: '{path}' does not continue this training ({found}); "
            "overwrite=true trains the run again"
        )
    return content


def checkpoint_hash(path: Path) -> str:
    """Return SHA-256 of the file."""
    with open_regular(path, "checkpoint", _LARGEST) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
