"""trajectories.h5: generated and true trajectories, by the netCDF-4 dimension-scale convention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.array_files import read_arrays
from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.errors import RequestError

SCHEMA = 1
_LONGEST_NAME = 200  # characters of a variable's name
_LARGEST = 1e100  # beyond, squares and ranges are no longer finite
_LARGEST_STEP = 1e12  # time units


class Trajectories(NamedTuple):
    """generated (trajectory, time, variable) and truth (time, variable) in data units."""

    generated: NDArray[np.float64]
    truth: NDArray[np.float64]
    time: NDArray[np.float64]
    variables: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def settled(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return truth and generation (T, variable) after the transient."""
        transient = int(self.attributes["transient"])
        return self.truth[transient:], self.generated[0][transient:]


def write_trajectories(
    path: Path,
    generated: NDArray[np.float64],
    truth: NDArray[np.float64] | None,
    dt: float,
    time_unit: str,
    variables: tuple[str, ...],
    attributes: Mapping[str, Any],
) -> None:
    """Write generated (trajectory, time, variable) and truth (time, variable), if any, atomically.

    Dimensions are HDF5 dimension scales, so that xarray, MATLAB, Julia and HDFView know the axes.
    Coordinate `time` is dt · arange(n) in `time_unit`; attributes carry dt and `attributes`.
    """
    # Made in memory: where the disk is full, HDF5 2.0 may crash as it closes a file on it.
    with h5py.File("memory", "w", driver="core", backing_store=False, track_order=True) as file:
        scales = {
            "trajectory": np.arange(len(generated)),
            "time": dt * np.arange(generated.shape[1]),
            "variable": np.array(variables, dtype=h5py.string_dtype()),
        }
        for name, values in scales.items():
            file.create_dataset(name, data=values).make_scale(name)
        file["time"].attrs["units"] = time_unit
        for name, data, axes in (
            ("generated", generated, ("trajectory", "time", "variable")),
            ("truth", truth, ("time", "variable")),
        ):
            if data is None:
                continue
            stored = file.create_dataset(name, data=data)
            stored.attrs["units"] = "data units"
            for axis, scale in enumerate(axes):
                stored.dims[axis].attach_scale(file[scale])
        file.attrs.update({"schema": SCHEMA, "dt": dt, "time_unit": time_unit, **attributes})
        file.flush()
        image = file.id.get_file_image()
    with replacing(path) as temporary:
        temporary.write_bytes(image)


def read_trajectories(path: Path) -> Trajectories:
    """Read what `write_trajectories` wrote; RequestError when it cannot be read.

    The file may come from anybody: another process opens it (`common/array_files.py`), numbers
    must be uncompressed, and axes of equal length.
    """
    try:
        contents = read_arrays(path, "run", ("generated", "truth", "time", "variable"))
        return _checked(contents.arrays, contents.attributes)
    except RequestError:
        raise
    except (OSError, ValueError) as error:
        raise RequestError(f"run: '{path}' cannot be read: {error}") from error


def _checked(
    arrays: Sequence[NDArray[Any] | tuple[str, ...]], attributes: dict[str, Any]
) -> Trajectories:
    """Raise ValueError for what a run cannot have written; a generation may hold any number."""
    *numbers, variables = arrays
    if not isinstance(variables, tuple) or any(isinstance(x, tuple) for x in numbers):
        raise ValueError("its variables are no names, or others no numbers")
    generated, truth, time = (np.asarray(x, dtype=np.float64) for x in numbers)
    shape = generated.shape
    if len(shape) != 3 or 0 in shape or (time.shape, truth.shape) != (shape[1:2], shape[1:]):
        raise ValueError(f"its axes do not fit: {shape}, {truth.shape}, {time.shape}")
    if len(variables) != shape[2] or not all(map(_is_name, variables)):
        raise ValueError("its variables are not as many, or no names")
    for x in (truth, time):
        if not (np.abs(x) <= _LARGEST).all():  # also false of NaN
            raise ValueError(f"truth or time holds NaN, or a number beyond {_LARGEST:g}")
    dt, transient = attributes.get("dt", 1.0), attributes.get("transient", 0)
    if not isinstance(dt, (int, float)) or not 1 / _LARGEST_STEP <= dt <= _LARGEST_STEP:
        raise ValueError(f"its dt is {dt}")
    if not isinstance(transient, int) or not 0 <= transient <= len(time):
        raise ValueError(f"its transient is {transient}")
    return Trajectories(generated, truth, time, variables, attributes)


def _is_name(text: str) -> bool:
    return text.isprintable() and 0 < len(text) <= _LONGEST_NAME
