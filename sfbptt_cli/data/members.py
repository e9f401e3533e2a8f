"""Files of arrays: what is in one, and its arrays, whatever the format."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.array_files import Listed, list_arrays, read_arrays
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.extras import install_command
from sfbptt_cli.common.files import LARGEST_RATIO, open_regular, require_proportionate
from sfbptt_cli.data.kinds import ARRAYS, BEGIN, array_kind

Array = NDArray[Any]

_LARGEST_FILE = 2**40  # bytes
_REAL = "fiu"
_FIELD = "dataset.path"
# Left of a scale that netCDF-4 has for a dimension without coordinates.
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
_OF_MATLAB = ("#refs#/", "#subsystem#/")  # contents of cells and objects


class ArrayFile:
    """A file of one or more arrays, by the format that its first bytes show."""

    def __init__(self, path: Path) -> None:
        """List the arrays. RequestError for what is no such file, or damaged."""
        self.path = path
        if not path.is_file():
            raise RequestError(f"{_FIELD}: '{path}' is not a file; accepted: {', '.join(ARRAYS)}")
        if path.stat().st_size == 0:
            raise RequestError(f"{_FIELD}: '{path}' is empty")
        with open_regular(path, _FIELD, _LARGEST_FILE) as file:
            begin = file.read(BEGIN)
        self.kind = array_kind(path, begin) or _by_suffix(path, begin)
        self.members = {member.name: member for member in self._guarded(self._listed)}

    def read(self, names: Sequence[str]) -> list[Array]:
        """Read some arrays, in MATLAB's order of axes where it wrote them; dates as microseconds.

        A `.npy` file is mapped into memory. RequestError for a damaged file.
        """
        read = self._guarded(lambda: self._values(names))
        arrays = [array for array in read if isinstance(array, np.ndarray)]
        if len(arrays) < len(read):
            raise RequestError(
                f"{_FIELD}: '{self.path}' holds no array; accepted: (time, variables)"
            )
        return [self._usual(n, array) for n, array in zip(names, arrays, strict=True)]

    def require_numbers(self, names: Sequence[str]) -> None:
        """Raise RequestError for an array that is not of real numbers."""
        for name in names:
            if not self.members[name].real:
                raise RequestError(
                    f"{_FIELD}: '{self.path}' holds {self.members[name].dtype}; "
                    "accepted: real numbers"
                )

    def _usual(self, name: str, array: Array) -> Array:
        if array.dtype.kind == "M":
            return array.astype("datetime64[us]").astype(np.int64)
        return array.T if "MATLAB_class" in self.members[name].attributes else array

    def _guarded(self, read: Any) -> list[Any]:
        try:
            return read()
        except RequestError:
            raise
        except Exception as error:  # a damaged file may raise anything, down in zlib or tokenize
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RequestError(f"{_FIELD}: '{self.path}' cannot be read: {reason}") from error

    def _listed(self) -> list[Listed]:
        if self.kind == "npy":
            with open_regular(self.path, _FIELD, _LARGEST_FILE) as file:
                return [_header(file, "", self.path.stat().st_size)]
        if self.kind == "npz":
            return self._listed_npz()
        if self.kind == "parquet":
            _require_pyarrow(self.path)
        return [
            _matlab(member)
            for member in list_arrays(self.path, _FIELD, self.kind)
            if _is_own(member)
        ]

    def _listed_npz(self) -> list[Listed]:
        with (
            open_regular(self.path, _FIELD, _LARGEST_FILE) as file,
            zipfile.ZipFile(file) as zipped,
        ):
            records = zipped.infolist()
            unfolded = sum(record.file_size for record in records)
            require_proportionate(unfolded, self.path.stat().st_size, _FIELD, self.path)
            listed = []
            for record in records:
                name = record.filename.removesuffix(".npy")
                if name == record.filename:
                    listed.append(Listed(name, "no array", False, None))
                    continue
                with zipped.open(record) as member:
                    listed.append(_header(member, name, record.file_size))
            return listed

    def _values(self, names: Sequence[str]) -> list[Any]:
        if self.kind == "npy":
            return [np.lib.format.open_memmap(self.path, mode="r")]
        if self.kind == "npz":
            # numpy.load would take a .npy file for a .npz, and leave a damaged one open.
            with (
                open_regular(self.path, _FIELD, _LARGEST_FILE) as file,
                np.lib.npyio.NpzFile(file, allow_pickle=False) as stored,
            ):
                return [stored[name] for name in names]
        read = read_arrays(self.path, _FIELD, names, self.kind, LARGEST_RATIO, attributes=False)
        return list(read.arrays)


def _by_suffix(path: Path, begin: bytes) -> str:
    """Return the format of a file whose first bytes show none. RequestError for what has none."""
    if path.suffix.lower() == ".mat" and b"\0" in begin:
        return "matlab"  # version 4 begins with a number
    if path.suffix.lower() == ".npz" and begin.startswith(b"PK"):
        return "npz"  # of no array
    if not set(begin) & set(range(9)):  # control characters below the tabulator
        raise RequestError(
            f"{_FIELD}: '{path}' is text and no file of arrays; accepted: dataset=csv, which reads "
            "text tables"
        )
    raise RequestError(
        f"{_FIELD}: '{path}' is no file of arrays that can be read; accepted: NumPy, HDF5, MATLAB, "
        f"netCDF-3 and -4, Parquet ({', '.join(ARRAYS)})"
    )


def _header(file: Any, name: str, held: int) -> Listed:
    """Read what the header of a .npy file of `held` bytes says of its array.

    ValueError where that is more than the file holds.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:  # (3, 0): names of fields that are not ASCII
        return Listed(name, "an array of records", False, None)
    needed = file.tell() + dtype.itemsize * math.prod(shape)
    if needed > held and not dtype.hasobject:
        raise ValueError(f"a header asks for {needed} bytes, and there are {held}")
    dated = {"units": "microseconds since 1970-01-01"} if dtype.kind == "M" else {}
    return Listed(name, str(dtype), dtype.kind in _REAL, list(shape), attributes=dated)


def _is_own(member: Listed) -> bool:
    """Whether an array is one that the user has stored."""
    bare = str(member.attributes.get("NAME", "")).startswith(_NO_VARIABLE)
    empty = bool(member.attributes.get("MATLAB_empty"))
    return not (bare or empty or member.name.startswith(_OF_MATLAB))


def _matlab(member: Listed) -> Listed:
    """Describe an array of MATLAB 7.3 with its axes in MATLAB's order."""
    kind = member.attributes.get("MATLAB_class")
    if kind is None:
        return member
    shape = None if member.shape is None else member.shape[::-1]
    return member._replace(shape=shape, real=member.real and kind not in ("char", "logical"))


def _require_pyarrow(path: Path) -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise RequestError(
            f"{_FIELD}: '{path}' is a Parquet file, and pyarrow, which reads it, is not installed; "
            f"accepted: {install_command('parquet')}"
        )
