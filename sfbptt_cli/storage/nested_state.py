"""A nested state of tensors and plain values as one JSON document and named tensors, and back.

What JSON lacks is an object with one key: `$tensor` (the name of the tensor, and its axes from the
outermost to the innermost in memory), `$tuple`, `$float` (a word for infinity or NaN), `$items` (a
mapping with keys that are no text).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sfbptt_cli.common.numbers import number_of, word_or_number

_DEEPEST = 16


def split_state(state: Mapping[str, Any]) -> tuple[Any, dict[str, Tensor]]:
    """Return the document of a state and contiguous copies of its tensors by dotted name.

    Raises TypeError for a value that is neither tensor nor plain, and ValueError for two tensors of
    one name.
    """
    tensors: dict[str, Tensor] = {}
    return _document(state, (), tensors), tensors


def _document(value: Any, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return _put(value, ".".join(path), tensors)
    if isinstance(value, Mapping) and all(type(key) in (str, int) for key in value):
        items = [(key, _document(x, (*path, str(key)), tensors)) for key, x in value.items()]
        plain = all(isinstance(key, str) and not key.startswith("$") for key in value)
        return dict(items) if plain else {"$items": items}
    if isinstance(value, (list, tuple)):
        values = [_document(x, (*path, str(i)), tensors) for i, x in enumerate(value)]
        return values if isinstance(value, list) else {"$tuple": values}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": word_or_number(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{'.'.join(path)} is a {type(value).__name__}")


def _put(tensor: Tensor, name: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if name in tensors:
        raise ValueError(f"two tensors have the name {name}")
    # The last digit of a product of matrices may depend on their order in memory.
    order = list(range(tensor.dim()))
    if not tensor.is_contiguous():  # as by `dim_order`, which imports a computer algebra
        order.sort(key=tensor.stride, reverse=True)
    turned = tensor.detach().permute(order)
    tensors[name] = turned.clone(memory_format=torch.contiguous_format).cpu()
    return {"$tensor": [name, order]}


def join_state(document: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return the state that `split_state` took apart; any exception for anything else."""
    left = dict(tensors)
    state = _value(document, left, 0)
    if left:
        raise ValueError("it holds a tensor that has no place")
    return state


def _value(document: Any, left: dict[str, Tensor], depth: int) -> Any:
    """Return the value of a part of the document; take its tensors out of `left`."""
    if depth > _DEEPEST:
        raise ValueError("its values are nested too deeply")
    if isinstance(document, list):
        return [_value(x, left, depth + 1) for x in document]
    if not isinstance(document, dict):
        return document
    kind = next(iter(document), "")
    if not kind.startswith("$"):
        return {key: _value(x, left, depth + 1) for key, x in document.items()}
    ((_, content),) = document.items()
    if kind == "$tensor":
        name, order = content
        return left.pop(name).permute([order.index(axis) for axis in range(len(order))])
    if kind == "$tuple":
        return tuple(_value(x, left, depth + 1) for x in content)
    if kind == "$float":
        return number_of(content)
    if kind != "$items" or not all(type(key) in (str, int) for key, _ in content):
        raise ValueError("it holds a value of an unknown kind")
    return {key: _value(x, left, depth + 1) for key, x in content}
