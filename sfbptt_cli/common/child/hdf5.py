"""HDF5, also of netCDF-4 and MATLAB 7.3."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfbptt_cli.common.child.contents import (
    CONVENTIONS,
    LONGEST,
    MOST,
    REAL,
    Array,
    Refused,
    entry,
    plain,
    text_of,
)


class Hdf5:
    """HDF5, also of netCDF-4 and MATLAB 7.3."""

    def __init__(self, path: str) -> None:
        self.file: Any = h5py.File(path, "r")
        self.size = Path(path).stat().st_size

    def __enter__(self) -> Hdf5:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def listed(self) -> list[dict[str, Any]]:
        """List the datasets; links are not followed."""
        found: list[dict[str, Any]] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                more = {"dimensions": _dimensions(item), "attributes": self._conventions(item)}
                real = item.dtype.kind in REAL
                found.append(entry(name, item.dtype, real, item.shape, **more))
            if len(found) > MOST:
                raise Refused(f"it holds more than {MOST} datasets")

        self.file.visititems(visit)
        return found

    def _conventions(self, item: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in CONVENTIONS:
            # A damaged or odd attribute is as good as none; numbers are checked where they are.
            with suppress(Exception):
                if name in item.attrs:
                    attribute = h5py.h5a.open(item.id, name.encode())
                    if attribute.get_storage_size() <= LONGEST:
                        found[name] = plain(item.attrs[name])
        return found

    def values(self, name: str, ratio: int) -> Array:
        """Read one dataset, if its bytes are in this file."""
        if not isinstance(self.file.get(name, getlink=True), h5py.HardLink):
            raise Refused(f"there is no {name}, or it is a link")
        stored = self.file[name]
        if not isinstance(stored, h5py.Dataset):
            raise Refused(f"{name} is no array")
        if stored.is_virtual or stored.external:
            raise Refused(f"the numbers of {name} are in another file")
        if stored.shape is None:
            return np.zeros(())  # no more an array than a single number
        text = h5py.check_string_dtype(stored.dtype)
        if text is not None:
            if (stored.size or 0) > MOST:
                raise Refused(f"{name} holds more than {MOST} texts")
            return np.asarray(stored.asstr()[()], dtype=object)
        if stored.dtype.kind not in REAL:
            raise Refused(f"{name} holds {stored.dtype}")
        allocated = stored.id.get_storage_size()
        # Of what was never written nothing is allocated.
        if stored.nbytes > ratio * min(allocated, self.size):
            raise Refused(f"{name} would unfold {allocated} bytes to {stored.nbytes}")
        return stored[()]

    def attributes(self) -> dict[str, Any]:
        """Read the attributes of the file that are one number or one text."""
        if len(self.file.attrs) > MOST:
            raise Refused(f"it holds more than {MOST} attributes")
        found: dict[str, Any] = {}
        for name in self.file.attrs:
            attribute = h5py.h5a.open(self.file.id, name.encode("utf-8", "surrogateescape"))
            if attribute.shape != () or attribute.get_storage_size() > LONGEST:
                raise Refused(f"the attribute {name} is no single value")
            value = self.file.attrs[name]
            if isinstance(value, (np.bool_, np.integer, np.floating)):
                value = value.item()
            if not isinstance(value, (bool, int, float, str)):
                raise Refused(f"the attribute {name} is no number and no text")
            found[name] = text_of(value) if isinstance(value, str) else value
        return found


def _dimensions(item: Any) -> list[str]:
    """Name the dimension scale of each axis, an empty text where there is none."""
    names = []
    for axis in range(item.ndim):
        name = ""
        with suppress(Exception):
            name = item.dims[axis][0].name.lstrip("/") if len(item.dims[axis]) else ""
        names.append(name)
    if item.ndim == 1 and names == [""] and item.is_scale:
        names = [item.name.lstrip("/")]
    return names
