"""Whether a stored state of training is one that this training could have reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# What changes from update to update; every other number stays as it was at the beginning.
_MOVING = frozenset(
    (
        *("last_epoch", "_step_count", "_last_lr", "_is_initial", "_get_lr_called_within_step"),
        *("lr", "betas", "alpha", "momentum", "step"),
    )
)
_PROGRESS: dict[str, tuple[type, ...]] = {
    "epoch": (int,),
    "batch": (int,),
    "loss": (float, int),
    "gradient_norm": (float, int),
    "tau": (float, int),
    "best_score": (float, int),
    "history": (list,),
}


def difference(
    beginning: Mapping[str, Any], found: Mapping[str, Any], epochs: int, batches: int
) -> str | None:
    """Why `found` does not come after `beginning` in training of `epochs` times `batches` updates.

    Both are what Trainer.state_dict gives. None where it does.
    """
    if missing := sorted(beginning.keys() - found.keys()):
        return f"it has no {missing[0]}"
    optimizer = found["optimizer"]
    if not isinstance(optimizer, dict) or optimizer.keys() != beginning["optimizer"].keys():
        return "optimizer has other entries"
    for name in ("model", "method"):
        if not isinstance(found[name], dict) or found[name].keys() != beginning[name].keys():
            return f"{name} has other entries"
    checks = [
        _unlike(beginning["model"], found["model"], "model"),
        _unlike(beginning["optimizer"]["param_groups"], optimizer["param_groups"], "optimizer"),
        _unlike(beginning["schedule"], found["schedule"], "schedule"),
        _unlike(beginning["method"], found["method"], "method"),
        _wrong_moments(list(beginning["model"].values()), optimizer["state"]),
        _wrong_progress(found["progress"], found["schedule"], epochs, batches),
        _wrong_generator(found["rng"]),
    ]
    return next(filter(None, checks), None)


def _unlike(expected: Any, found: Any, where: str, moving: bool = False) -> str | None:
    """The first place at which two states differ in kind, shape or, unless it moves, value."""
    wrong = f"{where} is of another kind"
    if isinstance(expected, Tensor):
        alike = isinstance(found, Tensor) and found.dtype == expected.dtype
        return None if alike and found.shape == expected.shape else wrong
    if isinstance(expected, Mapping):
        # Another version of torch may not have had all settings of an optimizer.
        if not isinstance(found, Mapping) or not found.keys() <= expected.keys():
            return wrong
        inner = (
            _unlike(expected[k], found[k], f"{where}.{k}", moving or k in _MOVING) for k in found
        )
        return next(filter(None, inner), None)
    if isinstance(expected, (list, tuple)):
        if type(found) is not type(expected) or len(found) != len(expected):
            return wrong
        pairs = zip(expected, found, strict=True)
        return next(filter(None, (_unlike(a, b, where, moving) for a, b in pairs)), None)
    if not moving:
        return None if type(found) is type(expected) and found == expected else wrong
    return None if _is_number(found) else wrong


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float)) and math.isfinite(value)


def _wrong_moments(parameters: list[Tensor], state: Any) -> str | None:
    """Averages over gradients: numbers, as many as the parameter has or as pairs along a side."""
    if not isinstance(state, dict):
        return "optimizer has no state"
    for index, kept in state.items():
        if not (isinstance(index, int) and 0 <= index < len(parameters) and isinstance(kept, dict)):
            return "optimizer has a state of no parameter"
        shape = parameters[index].shape
        for name, value in kept.items():
            # One for each side of the parameter, empty for a side without.
            parts = value if isinstance(value, list) and len(value) <= len(shape) else [value]
            if not all(_is_moment(part, shape) for part in parts):
                return f"optimizer has a {name} that fits no parameter"
    return None


def _is_moment(value: object, shape: torch.Size) -> bool:
    if not isinstance(value, Tensor):
        return value is None or value == [] or _is_number(value)
    shapes = (torch.Size(), shape, *(torch.Size((side, side)) for side in shape))
    single_or_double = value.dtype in (torch.float32, torch.float64)
    return value.shape in shapes and single_or_double and bool(value.isfinite().all())


def _wrong_progress(progress: Any, schedule: Any, epochs: int, batches: int) -> str | None:
    if not isinstance(progress, dict) or progress.keys() != _PROGRESS.keys():
        return "progress is of another kind"
    for name, kinds in _PROGRESS.items():
        if type(progress[name]) not in kinds:
            return f"progress.{name} is {type(progress[name]).__name__}"
    epoch, batch, history = progress["epoch"], progress["batch"], progress["history"]
    within = 0 <= epoch <= epochs and 0 <= batch < batches and (epoch < epochs or batch == 0)
    if not within or len(history) != epoch:
        return f"progress is epoch {epoch} of {epochs}, update {batch} of {batches}"
    if not isinstance(schedule, dict) or schedule.get("last_epoch") != epoch * batches + batch:
        return "progress and schedule are at different updates"
    rows = [row.keys() for row in history if isinstance(row, dict)]
    numbers = (x for row in history if isinstance(row, dict) for x in row.values())
    if len(rows) < epoch or any(row != rows[0] or "epoch" not in row for row in rows):
        return "progress.history is no table"
    if not all(x is None or type(x) in (int, float) for x in numbers):
        return "progress.history holds something that is no number"
    return None


def _wrong_generator(state: Any) -> str | None:
    try:
        torch.Generator().set_state(state)
    except (RuntimeError, TypeError) as error:
        return f"rng is no state of a generator ({type(error).__name__})"
    return None
