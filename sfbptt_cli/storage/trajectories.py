"""trajectories.h5: generated and true trajectories, by the netCDF-4 dimension-scale convention."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.errors import RequestError
from sfbptt_cli.storage.atomic import replacing

SCHEMA = 1


class Trajectories(NamedTuple):
    """generated (trajectory, time, variable) and truth (time, variable) in data units."""

    generated: NDArray[np.float64]
    truth: NDArray[np.float64]
    time: NDArray[np.float64]
    variables: tuple[str, ...]
    attributes: dict[str, Any]


def write_trajectories(
    path: Path,
    generated: NDArray[np.float64],
    truth: NDArray[np.float64],
    dt: float,
    time_unit: str,
    variables: tuple[str, ...],
    attributes: Mapping[str, Any],
) -> None:
    """Write generated (trajectory, time, variable) beside truth (time, variable), atomically.

    Dimensions are HDF5 dimension scales, so that xarray, MATLAB, Julia and HDFView know the axes.
    Coordinate `time` is dt · arange(n) in `time_unit`; attributes carry dt and `attributes`.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        scales = {
            "trajectory": np.arange(len(generated)),
            "time": dt * np.arange(len(truth)),
            "variable": np.array(variables, dtype=h5py.string_dtype()),
        }
        for name, values in scales.items():
            file.create_dataset(name, data=values).make_scale(name)
        file["time"].attrs["units"] = time_unit
        for name, data, axes in (
            ("generated", generated, ("trajectory", "time", "variable")),
            ("truth", truth, ("time", "variable")),
        ):
            stored = file.create_dataset(name, data=data)
            stored.attrs["units"] = "data units"
            for axis, scale in enumerate(axes):
                stored.dims[axis].attach_scale(file[scale])
        file.attrs.update({"schema": SCHEMA, "dt": dt, "time_unit": time_unit, **attributes})


def read_trajectories(path: Path) -> Trajectories:
    """Read what `write_trajectories` wrote; RequestError when it cannot be read."""
    try:
        with h5py.File(path, "r") as file:
            return Trajectories(
                generated=file["generated"][()],  # type: ignore[index]
                truth=file["truth"][()],  # type: ignore[index]
                time=file["time"][()],  # type: ignore[index]
                variables=tuple(file["variable"].asstr()[()]),  # type: ignore[union-attr]
                attributes=dict(file.attrs),
            )
    except (OSError, KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise RequestError(f"run: '{path}' cannot be read: {error}") from error
