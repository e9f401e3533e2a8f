"""NetCDF of the classic format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from sfbptt_cli.common.child.contents import CONVENTIONS, REAL, Array, entry, plain


class Netcdf3:
    """NetCDF of the classic format."""

    def __init__(self, path: str) -> None:
        self.file: Any = scipy.io.netcdf_file(path, mmap=False)
        self.size = Path(path).stat().st_size

    def __enter__(self) -> Netcdf3:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def listed(self) -> list[dict[str, Any]]:
        """List the variables with their dimensions."""
        found = []
        for name, variable in self.file.variables.items():
            own = {n: plain(variable._attributes[n]) for n in CONVENTIONS if n in vars(variable)}
            data, more = variable.data, {"dimensions": list(variable.dimensions), "attributes": own}
            found.append(entry(name, data.dtype, data.dtype.kind in REAL, data.shape, **more))
        return found

    def values(self, name: str, ratio: int) -> Array:
        """Read one variable."""
        return np.asarray(self.file.variables[name].data)
