"""MATLAB up to version 7."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from sfbptt_cli.common.child.contents import MOST, REAL, Array, Refused, entry

_DEEPEST = 4  # structures within structures


class Matlab:
    """MATLAB up to version 7; fields of structures have the names of both, `s/x`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = Path(path).stat().st_size

    def __enter__(self) -> Matlab:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def listed(self) -> list[dict[str, Any]]:
        """List the variables."""
        found: list[dict[str, Any]] = []
        for name, shape, kind in scipy.io.whosmat(self.path):
            if kind == "struct" and math.prod(shape) == 1:
                fields = _fields(name, self._load(name))
                found += [entry(n, x.dtype, x.dtype.kind in REAL, x.shape) for n, x in fields]
            else:
                real = kind in ("double", "single") or kind.startswith(("int", "uint"))
                found.append(entry(name, kind, real, shape))
        if len(found) > MOST:
            raise Refused(f"it holds more than {MOST} variables")
        return found

    def values(self, name: str, ratio: int) -> Array:
        """Read one variable, or a field of a structure."""
        variable = name.partition("/")[0]
        for found, shape, _ in scipy.io.whosmat(self.path):
            if found == variable and math.prod(shape) > ratio * self.size:
                raise Refused(
                    f"{name} would unfold {self.size} bytes to {math.prod(shape)} numbers"
                )
        loaded = self._load(variable)
        return dict(_fields(variable, loaded))[name] if "/" in name else np.asarray(loaded)

    def _load(self, variable: str) -> Any:
        return scipy.io.loadmat(self.path, variable_names=[variable])[variable]


def _fields(name: str, value: Any, depth: int = 0) -> list[tuple[str, Array]]:
    """List the arrays within a structure."""
    if not isinstance(value, np.ndarray):  # a sparse matrix
        return []
    if value.dtype.names is None or value.size != 1 or depth > _DEEPEST:
        return [(name, value)]
    inner = value.ravel()[0]
    names = value.dtype.names
    return [pair for n in names for pair in _fields(f"{name}/{n}", inner[n], depth + 1)]
