"""The process that opens an HDF5 file; see hdf5.py. It imports nothing of sfbptt.

It is started as `python hdf5_child.py PATH RATIO ATTRIBUTES NAME…`. Standard output gets a line of
JSON and then the bytes of the arrays one after another. Without names, the line lists what there
is. An array may be RATIO times as large as what it takes in the file. ATTRIBUTES (of the file, to
be read, too) is True or False.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_REAL = "fiu"  # kinds of numpy's types
_MOST = 10_000  # datasets or attributes
_LONGEST = 10_000  # characters of a text, elements of an attribute
_SOME_MEMORY = 2**28  # bytes that reading a small file may take


class Refused(Exception):
    """What is in the file and is not read."""


def main(path: str, ratio: int, attributes: bool, names: list[str]) -> None:
    """Print the line and the arrays, or a line with the reason."""
    _limit_memory(2 * ratio * Path(path).stat().st_size + _SOME_MEMORY)
    arrays: list[np.ndarray[Any, Any]] = []
    try:
        with h5py.File(path, "r") as file:
            if names:
                arrays = [_values(file, name, ratio) for name in names]
                head: dict[str, Any] = {"arrays": [_described(x) for x in arrays]}
                head["attributes"] = _attributes(file) if attributes else {}
            else:
                head = {"listed": _listed(file)}
    except Exception as error:  # the library raises anything on a damaged file
        head, arrays = {"error": str(error) or type(error).__name__}, []
    out = sys.stdout.buffer
    out.write(json.dumps(head).encode() + b"\n")
    for array in arrays:
        if array.dtype.kind != "O":
            out.write(np.ascontiguousarray(array).data)
    out.flush()


def _limit_memory(allowed: int) -> None:
    with suppress(ValueError, OSError):  # where there is no /proc there is only the time limit
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + allowed, used + allowed))


def _listed(file: h5py.File) -> list[tuple[str, str, bool]]:
    """List path and type of the datasets; links are not followed."""
    found: list[tuple[str, str, bool]] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, str(item.dtype), item.dtype.kind in _REAL))
        if len(found) > _MOST:
            raise Refused(f"it holds more than {_MOST} datasets")

    file.visititems(visit)
    return found


def _values(file: h5py.File, name: str, ratio: int) -> np.ndarray[Any, Any]:
    """Read one dataset, if its bytes are in this file."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise Refused(f"there is no {name}, or it is a link")
    stored = file[name]
    if not isinstance(stored, h5py.Dataset):
        raise Refused(f"{name} is no array")
    if stored.is_virtual or stored.external:
        raise Refused(f"the numbers of {name} are in another file")
    if stored.shape is None:
        return np.zeros(())  # no more an array than a single number
    text = h5py.check_string_dtype(stored.dtype)
    if text is not None:
        if (stored.size or 0) > _MOST:
            raise Refused(f"{name} holds more than {_MOST} texts")
        return np.asarray(stored.asstr()[()], dtype=object)
    if stored.dtype.kind not in _REAL:
        raise Refused(f"{name} holds {stored.dtype}")
    allocated = stored.id.get_storage_size()
    # Of what was never written nothing is allocated.
    if stored.nbytes > ratio * min(allocated, Path(file.filename).stat().st_size):
        raise Refused(f"{name} would unfold {allocated} bytes to {stored.nbytes}")
    return stored[()]


def _described(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    if array.dtype.kind == "O":
        return {"texts": [_text(x) for x in array.ravel()]}
    return {"shape": array.shape, "dtype": array.dtype.str}


def _text(value: str) -> str:
    if len(value) > _LONGEST:
        raise Refused(f"it holds a text of {len(value)} characters")
    return value


def _attributes(file: h5py.File) -> dict[str, Any]:
    """Read the attributes of the file that are one number or one text."""
    if len(file.attrs) > _MOST:
        raise Refused(f"it holds more than {_MOST} attributes")
    found: dict[str, Any] = {}
    for name in file.attrs:
        attribute = h5py.h5a.open(file.id, name.encode("utf-8", "surrogateescape"))
        if attribute.shape != () or attribute.get_storage_size() > _LONGEST:
            raise Refused(f"the attribute {name} is no single value")
        value = file.attrs[name]
        if isinstance(value, (np.bool_, np.integer, np.floating)):
            value = value.item()
        if not isinstance(value, (bool, int, float, str)):
            raise Refused(f"the attribute {name} is no number and no text")
        found[name] = _text(value) if isinstance(value, str) else value
    return found


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True", sys.argv[4:])
