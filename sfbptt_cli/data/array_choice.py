"""Which arrays of a file are read, which of their axes is time, and what time they have beside."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.array_files import Listed
from sfbptt_cli.common.errors import RequestError, nearest
from sfbptt_cli.common.patterns import natural
from sfbptt_cli.common.terminal import shown
from sfbptt_cli.data.clock import is_time_name
from sfbptt_cli.data.conventions import SECONDS, is_time, time_unit, unpack
from sfbptt_cli.data.members import ArrayFile
from sfbptt_cli.data.settings import ArraySettings

Array = NDArray[Any]

_LONGEST_NAME = 100
_SHOWN = 8  # names in a line
# CF conventions, 7.1, by custom.
_BOUNDS = ("_bnds", "_bounds")
# The share of steps in which an array rises that counts time, repeated and unsorted ones aside.
_RISING = 0.9


@dataclass(frozen=True)
class Found:
    """A series of a file, or several in one array, as they are stored."""

    place: str  # the file
    label: str  # the file without its folder, and what it is in it, if there are several
    values: Array  # (T, N), or (T,), or (K, T, N)
    names: tuple[str, ...]  # of the variables; none: they are numbered
    time_axis: int | None = None  # where the file tells
    times: Array | None = None  # (T,), in `unit`
    unit: str = ""
    clock: str | None = None  # what counts them
    notes: list[str] = field(default_factory=list)


def find_series(path: Path, settings: ArraySettings) -> list[Found]:
    """Read the arrays that the settings choose from one file, in natural order of their names.

    Without a key it is the only array, or, in netCDF and Parquet, all along one dimension as the
    columns of one series. Times beside them, and scalars, texts and the like, are no series.
    RequestError where several arrays could be meant.
    """
    file = ArrayFile(path)
    if settings.key is not None and file.kind == "npy":
        raise RequestError(
            f"dataset.key: '{settings.key}' was given, but a .npy file holds a single array"
        )
    names, joined = _choose(file.members, settings, path)
    file.require_numbers(names)
    clock = _clock(file.members, names, settings.time_column)
    read = file.read([*names, *([clock] if clock else [])])
    notes: list[str] = []
    arrays = []
    for name, values in zip(names, read, strict=False):
        array, done = unpack(values, file.members[name].attributes, _called(name))
        arrays.append(array)
        notes += done
    others = [n for n in file.members if n not in names and n != clock]
    if others and settings.key is None:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        left = ", ".join(map(shown, others[:_SHOWN]))
        notes.append(f"left out of {path.name}: {left}{more}")
    labels = [path.name] if len(names) == 1 else [f"{shown(n)} of {path.name}" for n in names]
    series = [
        Found(str(path), label, array, (), notes=notes)
        for label, array in zip(labels, arrays, strict=True)
    ]
    if joined:
        whole = np.column_stack([np.ravel(array) for array in arrays])
        series = [Found(str(path), path.name, whole, _distinct(names), 0, notes=notes)]
    else:
        series = [
            _arranged(found, file.members[name], clock)
            for found, name in zip(series, names, strict=True)
        ]
    if clock is None:
        return series
    times, _ = unpack(np.ravel(read[-1]), file.members[clock].attributes, _called(clock))
    if settings.time_column == "auto" and np.mean(np.diff(times) > 0) < _RISING:
        noted = [*notes, f"left out, as it does not rise as time does: '{shown(clock)}'"]
        return [replace(s, notes=noted) for s in series]
    factor, unit = time_unit(file.members[clock].attributes)
    times = factor * times
    if factor != 1 and np.median(np.diff(times)) >= SECONDS["minutes"]:
        # A computer's clock; of a table such dates are in days, too.
        times, unit = times / SECONDS["days"], "days"
    counted = {"times": times, "unit": unit, "clock": _called(clock)}
    return [replace(s, **counted) for s in series]


def _choose(
    members: Mapping[str, Listed], settings: ArraySettings, path: Path
) -> tuple[list[str], bool]:
    """Return the names of the arrays to read, and whether each is a variable of one series."""
    key = settings.key.strip("/") if settings.key else None
    listed = sorted(members, key=natural)
    if key in members:
        return [str(key)], False
    if key is not None and (alike := fnmatch.filter(listed, key)):
        return alike, False
    if key is None:
        wanted = settings.columns or []
        if len(members) > 1 and wanted and set(wanted) <= members.keys():
            return list(wanted), True
        candidates = [name for name in members if _may_be_series(members[name], members)]
        if len(candidates) == 1 or len(members) == 1:
            return (candidates or list(members)), False
        shared = {_long_dimensions(members[name]) for name in candidates}
        if len(shared) == 1 and len(dimensions := shared.pop()) == 1 and dimensions[0]:
            return candidates, True
    given = "nothing was given" if key is None else f"'{key}' is not in the file"
    hint = nearest(key, listed) if key else _join_hint(members)
    held = ", ".join(listed) or "nothing"
    raise RequestError(f"dataset.key: {given}; '{path}' holds: {held}{hint}")


def _may_be_series(member: Listed, members: Mapping[str, Listed]) -> bool:
    """Whether an array is no single number, text, flag, bounds of cells or time of the others."""
    if not member.real or not member.shape or int(np.prod(member.shape, dtype=object)) < 2:
        return False
    if "flag_meanings" in member.attributes or member.name.endswith(_BOUNDS):
        return False
    if _is_vector(member) and len(members) > 1:
        coordinate = member.dimensions and member.dimensions[0] == member.name
        return not (coordinate or is_time_name(member.name) or is_time(member.attributes))
    return True


def _long_dimensions(member: Listed) -> tuple[str, ...]:
    """Name the dimensions of more than one element."""
    named = zip(member.dimensions, member.shape or [], strict=False)
    return tuple(name for name, length in named if length != 1)


def _is_vector(member: Listed) -> bool:
    return len([n for n in member.shape or [] if n != 1]) == 1


def _join_hint(members: Mapping[str, Listed]) -> str:
    """Name the columns where several vectors are equally long."""
    vectors = [n for n, m in members.items() if _is_vector(m) and _may_be_series(m, members)]
    lengths = {max(members[name].shape or [0]) for name in vectors}
    if len(vectors) < 2 or len(lengths) > 1:
        return ""
    return (
        f"; accepted: one of them, or dataset.columns=[{','.join(vectors)}] for all in one series"
    )


def _clock(members: Mapping[str, Listed], names: Sequence[str], wanted: str | None) -> str | None:
    """Find the array that holds the times of the chosen ones."""
    if wanted is None or not names:
        return None
    if wanted != "auto":
        return wanted if wanted in members and wanted not in names else None
    lengths, group = set(members[names[0]].shape or []), names[0].rpartition("/")[0]
    axes = {dimension for name in names for dimension in members[name].dimensions}
    only = _long_dimensions(members[names[0]])
    found = [
        (name not in axes, not is_time(member.attributes), name.rpartition("/")[0] != group, name)
        for name, member in members.items()
        if name not in names
        and (member.real or is_time(member.attributes))
        and _is_vector(member)
        and max(member.shape or [0]) in lengths
        and (only == (name,) or is_time(member.attributes) or is_time_name(name))
    ]
    return min(found)[-1] if found else None


def _arranged(found: Found, member: Listed, clock: str | None) -> Found:
    """Drop axes of length 1 that have names, and find the axis of time."""
    values, dimensions = found.values, list(member.dimensions)
    if _is_vector(member) and values.ndim == 2:
        return replace(
            found, values=values.ravel(), names=(_called(member.name),)[: bool(member.name)]
        )
    if any(dimensions) and values.ndim > 2:
        kept = [i for i, n in enumerate(values.shape) if n != 1]
        values, dimensions = values.squeeze(), [dimensions[i] for i in kept]
    axes = [
        i for i, name in enumerate(dimensions) if name and (name == clock or is_time_name(name))
    ]
    axis = axes[0] if len(axes) == 1 else None
    names = (_called(member.name),) if member.name and values.ndim == 1 else ()
    if values.ndim > 2 and axis == 0:  # a field on a grid
        inner = [",".join(map(str, place)) for place in np.ndindex(*values.shape[1:])]
        names = tuple(f"{_called(member.name)} {place}" for place in inner)
        values = values.reshape(len(values), -1)
    return replace(found, values=values, names=names, time_axis=axis)


def _called(name: str) -> str:
    """Return the name of an array without its groups, as it may stand on a terminal."""
    return shown(name.rpartition("/")[2])[:_LONGEST_NAME]


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    short = tuple(map(_called, names))
    return short if len(set(short)) == len(short) else tuple(map(shown, names))
