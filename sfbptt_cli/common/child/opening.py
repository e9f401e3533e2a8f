"""Opens one file of arrays, with bounded memory, and writes what is asked for.

The arguments are texts: KIND PATH RATIO ATTRIBUTES NAME…; KIND is hdf5, matlab (up to version 7),
netcdf3 or parquet. Standard output gets a line of JSON and then the bytes of the arrays one after
another. Without names, the line lists what there is. An array may be RATIO times as large as what
it takes in the file. ATTRIBUTES (of an HDF5 file, to be read, too) is True or False.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from sfbptt_cli.common.child.contents import REAL, SOME_MEMORY, Array, Refused, text_of

_READERS = {"hdf5": "Hdf5", "matlab": "Matlab", "netcdf3": "Netcdf3", "parquet": "Parquet"}


def main(kind: str, path: str, ratio: str, attributes: str, *names: str) -> None:
    """Print the line and the arrays, or a line with the reason."""
    warnings.simplefilter("ignore")
    # The libraries take memory of their own.
    reader = getattr(import_module(f"sfbptt_cli.common.child.{kind}"), _READERS[kind])
    _limit_memory(2 * int(ratio) * Path(path).stat().st_size + SOME_MEMORY)
    arrays: list[Array] = []
    try:
        with reader(path) as file:
            if names:
                arrays = [file.values(name, int(ratio)) for name in names]
                head: dict[str, Any] = {"arrays": [_described(x) for x in arrays]}
                head["attributes"] = file.attributes() if attributes == "True" else {}  # of HDF5
            else:
                head = {"listed": file.listed()}
        line = json.dumps(head)
    except Exception as error:  # the libraries raise anything on a damaged file
        line, arrays = json.dumps({"error": str(error) or type(error).__name__}), []
    out = sys.stdout.buffer
    out.write(line.encode() + b"\n")
    for array in arrays:
        if array.dtype.kind != "O":
            out.write(np.ascontiguousarray(array).data)
    out.flush()


def _limit_memory(allowed: int) -> None:
    with suppress(ValueError, OSError):  # where there is no /proc there is only the time limit
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + allowed, used + allowed))


def _described(array: Array) -> dict[str, Any]:
    if array.dtype.kind == "O":
        return {"texts": [text_of(x) for x in array.ravel()]}
    if array.dtype.kind not in REAL:
        raise Refused(f"it holds {array.dtype}")
    return {"shape": array.shape, "dtype": array.dtype.str}
