"""Whether a stored state of training is one that this training could have reached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

# What changes from update to update; every other number stays as it was at the beginning.
_MOVING = {"last_epoch", "_step_count", "_last_lr", "_is_initial", "_get_lr_called_within_step"}
_MOVING |= {"lr", "betas", "alpha", "momentum", "step"}


def difference(
    beginning: Mapping[str, Any], found: Mapping[str, Any], epochs: int, batches: int
) -> str | None:
    """Return why `found` does not follow `beginning` in `epochs` times `batches` updates.

    Both are states of Trainer.state_dict. None where it follows.
    """
    return next(_differences(beginning, found, epochs, batches), None)


def _differences(
    beginning: Mapping[str, Any], found: Mapping[str, Any], epochs: int, batches: int
) -> Iterator[str]:
    for name in sorted(beginning.keys() - found.keys()):
        yield f"it has no {name}"
    for name in sorted(beginning.keys() & {"model", "optimizer", "method", "progress"}):
        if not isinstance(found[name], dict) or found[name].keys() != beginning[name].keys():
            yield f"{name} has other entries"
    for name in sorted(beginning.keys() & {"model", "schedule", "method"}):
        yield from _unlike(beginning[name], found[name], name)
    begun, optimizer = beginning["optimizer"], found["optimizer"]
    yield from _unlike(begun["param_groups"], optimizer["param_groups"], "optimizer")
    yield from _wrong_moments(list(beginning["model"].values()), optimizer["state"])
    for name, value in beginning["progress"].items():
        if type(found["progress"][name]) is not type(value):
            yield f"progress.{name} is {type(found['progress'][name]).__name__}"
    yield from _wrong_progress(found["progress"], found["schedule"], epochs, batches)
    try:
        torch.Generator().set_state(found["rng"])
    except (RuntimeError, TypeError) as error:
        yield f"rng is no state of a generator ({type(error).__name__})"


def _unlike(expected: Any, found: Any, where: str, moving: bool = False) -> Iterator[str]:
    """Yield places at which two states differ in kind, shape or, unless they move, value."""
    if isinstance(expected, Tensor):
        alike = isinstance(found, Tensor) and found.dtype == expected.dtype
        alike = alike and found.shape == expected.shape
    elif isinstance(expected, Mapping):
        # Another version of torch may not have had all settings of an optimizer.
        alike = isinstance(found, Mapping) and found.keys() <= expected.keys()
        for key in found if alike else ():
            yield from _unlike(
                expected[key], found[key], f"{where}.{key}", moving or key in _MOVING
            )
    elif isinstance(expected, (list, tuple)):
        alike = type(found) is type(expected) and len(found) == len(expected)
        for pair in zip(expected, found, strict=True) if alike else ():
            yield from _unlike(*pair, where, moving)
    elif moving:
        alike = _is_number(found)
    else:
        alike = type(found) is type(expected) and found == expected
    if not alike:
        yield f"{where} is of another kind"


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float)) and math.isfinite(value)


def _wrong_moments(parameters: list[Tensor], state: Any) -> Iterator[str]:
    """Check averages over gradients: of the parameter's shape, or square along one side."""
    if not isinstance(state, dict):
        yield "optimizer has no state"
    for index, kept in state.items():
        if not (isinstance(index, int) and 0 <= index < len(parameters) and isinstance(kept, dict)):
            yield "optimizer has a state of no parameter"
        shape = parameters[index].shape
        for name, value in kept.items():
            # One for each side of the parameter, empty for a side without.
            parts = value if isinstance(value, list) and len(value) <= len(shape) else [value]
            if not all(_is_moment(part, shape) for part in parts):
                yield f"optimizer has a {name} that fits no parameter"


def _is_moment(value: object, shape: torch.Size) -> bool:
    if not isinstance(value, Tensor):
        return value is None or value == [] or _is_number(value)
    shapes = (torch.Size(), shape, *(torch.Size((side, side)) for side in shape))
    return value.shape in shapes and value.is_floating_point() and bool(value.isfinite().all())


def _wrong_progress(
    progress: Mapping[str, Any], schedule: Any, epochs: int, batches: int
) -> Iterator[str]:
    epoch, batch, history = progress["epoch"], progress["batch"], progress["history"]
    within = 0 <= epoch <= epochs and 0 <= batch < batches and (epoch < epochs or batch == 0)
    if not within or len(history) != epoch:
        yield f"progress is epoch {epoch} of {epochs}, update {batch} of {batches}"
    if schedule.get("last_epoch") != epoch * batches + batch:
        yield "progress and schedule are at different updates"
    columns = [row.keys() for row in history if isinstance(row, dict)]
    if len(columns) < epoch or any(row != columns[0] or "epoch" not in row for row in columns):
        yield "progress.history is no table"
    if not all(x is None or type(x) in (int, float) for row in history for x in row.values()):
        yield "progress.history holds something that is no number"
