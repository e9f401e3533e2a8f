"""What the readers of all formats share: limits, and how an array is described."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

REAL = "fiu"  # kinds of numpy's types
MOST = 10_000  # arrays or attributes
LONGEST = 10_000  # characters of a text, elements of an attribute
SOME_MEMORY = 2**28  # bytes that reading a small file may take
# Attributes that say how an array is to be understood.
CONVENTIONS = (
    *("scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned"),
    *("valid_min", "valid_max", "valid_range", "units", "flag_meanings", "NAME"),
    *("MATLAB_class", "MATLAB_empty"),
)


class Refused(Exception):
    """What is in the file and is not read."""


def entry(name: str, dtype: object, real: bool, shape: Any, **more: Any) -> dict[str, Any]:
    """Describe an array for the listing; `more` has its dimensions' names and its attributes."""
    return {
        **{"name": name, "dtype": str(dtype), "real": bool(real)},
        **{"shape": None if shape is None else [int(n) for n in shape], **more},
    }


def plain(value: Any) -> Any:
    """Turn an attribute into a number, a text or a list of numbers; of others, its text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in REAL:
            return str(value)
        return value.item() if value.size == 1 else value.ravel().tolist()
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return value.item()
    return value if isinstance(value, (bool, int, float)) else str(value)


def text_of(value: Any) -> str:
    """Return a text; Refused for anything else, and for a long one."""
    if not isinstance(value, str):
        raise Refused("it holds objects")
    if len(value) > LONGEST:
        raise Refused(f"it holds a text of {len(value)} characters")
    return value
