"""Reads untrusted files of arrays in a separate process: HDF5, MATLAB, netCDF, Parquet.

The libraries trust their files: a few wrong bytes make them hang, take any amount of memory or
crash. The process has bounded memory and time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.files import MIB, open_regular

# Found there as it is here; at the end of the path, where it hides nothing.
_CHILD = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from sfbptt_cli.common.child.opening import main; main(*sys.argv[2:])"
)
_SECONDS = 20.0  # to begin; reading starts within half a second
_BYTES_A_SECOND = 20 * MIB
_LARGEST = 2**40


class Contents(NamedTuple):
    """Arrays in the order of their names, texts as tuples; scalar attributes of the file."""

    arrays: list[NDArray[Any] | tuple[str, ...]]
    attributes: dict[str, Any]


class Listed(NamedTuple):
    """An array of a file."""

    name: str  # its path
    dtype: str  # by the name that the format has for it
    real: bool  # numbers that can be read
    shape: list[int] | None  # None: it holds nothing
    dimensions: Sequence[str] = ()  # a name for each axis, where the format has names
    attributes: dict[str, Any] = {}  # noqa: RUF012  that say how it is to be understood


def list_arrays(path: Path, field: str, kind: str = "hdf5") -> list[Listed]:
    """List all arrays in the file. Raises as `read_arrays` does."""
    head, _ = _ask(path, field, kind, 1, [])
    return [Listed(**described) for described in head["listed"]]


def read_arrays(
    path: Path,
    field: str,
    names: Sequence[str],
    kind: str = "hdf5",
    ratio: int = 1,
    attributes: bool = True,
) -> Contents:
    """Read the named arrays, of real numbers or text, and the attributes of an HDF5 file.

    `kind` is hdf5, matlab (up to version 7), netcdf3 or parquet. ValueError with the reason where
    the file is damaged, or an array is a link, is stored in another file, or is more than `ratio`
    times as large as what it takes in this one; RequestError, whose message begins with `field`,
    for anything but a file; OSError.
    """
    head, content = _ask(path, field, kind, ratio, list(names), attributes)
    arrays: list[NDArray[Any] | tuple[str, ...]] = []
    offset = 0
    for described in head["arrays"]:
        if "texts" in described:
            arrays.append(tuple(described["texts"]))
            continue
        shape, dtype = tuple(described["shape"]), np.dtype(described["dtype"])
        count = int(np.prod(shape, dtype=np.int64))
        # A copy: views of one buffer could not be written to, and would keep all of it.
        arrays.append(np.frombuffer(content, dtype, count, offset).reshape(shape).copy())
        offset += count * dtype.itemsize
    return Contents(arrays, head["attributes"])


def _ask(
    path: Path, field: str, kind: str, ratio: int, names: list[str], attributes: bool = False
) -> tuple[dict[str, Any], memoryview]:
    with open_regular(path, field, _LARGEST) as file:
        size = os.fstat(file.fileno()).st_size
    seconds = _SECONDS + size / _BYTES_A_SECOND
    own = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
    own |= {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # others reserve more than they take
    package = str(Path(__file__).parents[2])
    command = [sys.executable, "-P", "-c", _CHILD, package]
    command += [kind, str(path.absolute()), str(ratio), str(attributes), *names]
    nothing, pipe, env = subprocess.DEVNULL, subprocess.PIPE, {**os.environ, **own}
    try:
        finished = subprocess.run(
            command, stdin=nothing, stdout=pipe, stderr=nothing, timeout=seconds, env=env
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"its reading did not end within {seconds:.0f} seconds") from None
    line, _, _ = finished.stdout.partition(b"\n")
    if finished.returncode != 0 or not line:
        raise ValueError(f"its reading failed (status {finished.returncode})")
    head = json.loads(line)
    if "error" in head:
        raise ValueError(" ".join(str(head["error"]).split()))
    return head, memoryview(finished.stdout)[len(line) + 1 :]
