"""What attributes of netCDF say of an array: packing, missing values, units of time.

NetCDF User's Guide, appendix A (attributes); CF conventions, 4.4 (time) and 8.1 (packing).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError

Array = NDArray[Any]

# Units of time, in seconds.
SECONDS = {"seconds": 1.0, "minutes": 60.0, "hours": 3_600.0, "days": 86_400.0}
_PARTS = {"milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9}
_SPELLINGS = {
    **{name: name for name in (*SECONDS, *_PARTS, "weeks", "months", "years")},
    **{"s": "seconds", "sec": "seconds", "secs": "seconds", "second": "seconds"},
    **{"min": "minutes", "mins": "minutes", "minute": "minutes"},
    **{"h": "hours", "hr": "hours", "hrs": "hours", "hour": "hours", "d": "days", "day": "days"},
    **{"ms": "milliseconds", "msec": "milliseconds", "millisecond": "milliseconds"},
    **{"us": "microseconds", "microsecond": "microseconds", "ns": "nanoseconds"},
    **{"year": "years", "month": "months", "week": "weeks"},
}


def unpack(values: Array, attributes: Mapping[str, Any], what: str) -> tuple[Array, list[str]]:
    """Return the values as numbers, NaN where they are missing, and notes on what was done.

    x = packed · scale_factor + add_offset; missing are those equal to `_FillValue` or
    `missing_value`, or outside of the valid range, all in packed numbers. Values without such
    attributes are returned as they are. `what` names the array in messages.
    """
    if str(attributes.get("_Unsigned", "false")).lower() == "true" and values.dtype.kind == "i":
        values = values.view(f"{values.dtype.byteorder}u{values.dtype.itemsize}")
    lost = _missing(values, attributes, what)
    scale, offset = (
        _number(attributes.get(name, usual), name, what)
        for name, usual in (("scale_factor", 1.0), ("add_offset", 0.0))
    )
    notes = []
    if (scale, offset) != (1.0, 0.0):
        values = values * scale + offset
        notes.append(f"{what}: unpacked, {scale:g} times the stored number plus {offset:g}")
    if lost.any():
        values = np.where(lost, np.nan, values)
        notes.append(f"{what}: {lost.sum()} values are missing by the file's own mark")
    return values, notes


def _missing(values: Array, attributes: Mapping[str, Any], what: str) -> NDArray[np.bool_]:
    """Find the values that the file marks as missing."""
    lost = np.zeros(values.shape, dtype=bool)
    for name in ("_FillValue", "missing_value"):
        for mark in np.ravel(attributes.get(name, [])):
            lost |= values == _stored(_number(mark, name, what), values.dtype)
    low, high = attributes.get("valid_min"), attributes.get("valid_max")
    limits = np.ravel(attributes.get("valid_range", []))
    if len(limits) == 2:
        low, high = limits
    if low is not None:
        lost |= values < _number(low, "valid_min", what)
    if high is not None:
        lost |= values > _number(high, "valid_max", what)
    return lost


def _stored(mark: float, dtype: np.dtype[Any]) -> Any:
    """Return a mark as the numbers of the array hold it: rounded, or wrapped to unsigned ones."""
    with np.errstate(over="ignore"):
        if dtype.kind == "f":
            return dtype.type(mark)
    return mark % 2 ** (8 * dtype.itemsize) if dtype.kind == "u" and mark < 0 else mark


def _number(value: Any, name: str, what: str) -> float:
    """Return an attribute that is a number; a mark may be NaN or infinite, a scale may not."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    scale = name in ("scale_factor", "add_offset")
    if (
        number is None
        or (scale and not np.isfinite(number))
        or (name == "scale_factor" and not number)
    ):
        raise RequestError(f"dataset.path: {what} has {name} = {value!s:.40}; accepted: a number")
    return number


def time_unit(attributes: Mapping[str, Any]) -> tuple[float, str]:
    """Return a factor and the unit of `factor · time`, by the attribute `units`; else 1 and "".

    "hours since 1990-01-01" are hours; fractions of a second become seconds.
    """
    units = str(attributes.get("units", "")).strip()
    word = re.split(r"\s+since\s+", units, maxsplit=1, flags=re.IGNORECASE)[0].lower()
    unit = _SPELLINGS.get(word, "")
    return (_PARTS[unit], "seconds") if unit in _PARTS else (1.0, unit)


def is_time(attributes: Mapping[str, Any]) -> bool:
    """Whether an array holds times, by the attribute `units`."""
    return bool(re.match(r"\w+\s+since\s", str(attributes.get("units", "")), re.IGNORECASE))
