"""Recorded series in array files: .npy, .npz, HDF5."""

from __future__ import annotations

import fnmatch
import zipfile
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, nearest
from sfbptt_cli.common.files import LARGEST_RATIO, open_regular, require_proportionate
from sfbptt_cli.common.hdf5 import list_datasets, read_datasets
from sfbptt_cli.data.dataset import CHUNK, Dataset
from sfbptt_cli.data.recorded import recorded_dataset
from sfbptt_cli.data.settings import ArraySettings

_LARGEST_FILE = 2**40  # bytes
_MOST_TRAJECTORIES = 100_000


def read_array_dataset(settings: ArraySettings, window: int) -> Dataset:
    """Read a (T, N) array, or (T,) as one variable, split in chronological order; or several.

    The first `train_fraction` of the steps trains, the rest tests. A `.npy` file is memory-mapped.
    A `path` with * names several files, a `key` with * several arrays of a file, and an array
    (K, T, N) holds several trajectories: then `train_fraction` is null, the last one (by name)
    tests and the others train. `window` is the length of a training sequence, in steps. Raises
    RequestError naming row and column (counted from 0) for what cannot be used: missing, empty,
    text, complex, NaN, Inf, constant, too short for `window` predicted steps.
    """
    path = settings.path
    if path is None:
        raise RequestError("dataset.path: nothing was given; accepted: a .npy, .npz or HDF5 file")
    read = _trajectories(path, settings.key)
    for place, series in read:
        _check(series, place)
    parts = _split(read, settings.train_fraction, path)
    variables = [f"x{i + 1}" for i in range(parts[0].shape[1])]
    assert settings.dt is not None
    dataset = recorded_dataset(
        settings, parts, variables, settings.dt, settings.time_unit, [], window
    )
    constant = np.flatnonzero(dataset.train.max(axis=0) == dataset.train.min(axis=0))
    if len(constant):
        raise RequestError(
            f"dataset.path: '{path}' column {constant[0]} (counted from 0) is constant "
            "in the training part; accepted: columns that vary"
        )
    return dataset


def _split(
    read: list[tuple[str, NDArray[Any]]], train_fraction: float | None, path: str
) -> list[NDArray[Any]]:
    """Return the training part or the training trajectories, and the test part."""
    place, first = read[0]
    if len(read) == 1:
        if train_fraction is None:
            raise RequestError(
                f"dataset.train_fraction: null was given, but '{path}' holds one series; "
                "accepted: a number between 0 and 1"
            )
        split = round(train_fraction * len(first))
        return [first[:split], first[split:]]
    if train_fraction is not None:
        raise RequestError(
            f"dataset.train_fraction: {train_fraction} was given, but '{path}' holds "
            f"{len(read)} trajectories; accepted: null (the last one tests, the others train)"
        )
    for other, series in read:
        if series.shape[1] != first.shape[1]:
            raise RequestError(
                f"dataset.path: '{other}' has {series.shape[1]} variables and '{place}' "
                f"{first.shape[1]}; accepted: the same number in every trajectory"
            )
    return [series for _, series in read]


def _trajectories(path: str, key: str | None) -> list[tuple[str, NDArray[Any]]]:
    """Read all trajectories, in the order of their names; each with the file it is from."""
    paths = [path]
    if "*" in path and not Path(path).exists():
        paths = sorted(glob(path))  # noqa: PTH207  Path.glob takes no absolute pattern
        if not paths:
            raise RequestError(
                f"dataset.path: no file is named like '{path}'; accepted: .npy, .npz or HDF5 files"
            )
    found: list[tuple[str, NDArray[Any]]] = []
    for place in paths:
        for series in _read(Path(place), key):
            whole = series[:, None] if series.ndim == 1 else series
            several = whole.ndim == 3
            # Empty ones take no room in a file, but as much memory as others.
            if several and len(found) + len(whole) > _MOST_TRAJECTORIES:
                raise RequestError(
                    f"dataset.path: '{place}' has shape {series.shape}; accepted: at most "
                    f"{_MOST_TRAJECTORIES} trajectories"
                )
            found += [(place, part) for part in (list(whole) if several else [whole])]
    if not found:
        raise RequestError(f"dataset.path: '{path}' holds no trajectory; accepted: one or more")
    return found


def _read(path: Path, key: str | None) -> list[NDArray[Any]]:
    if not path.is_file():
        raise RequestError(f"dataset.path: '{path}' is not a file; accepted: .npy, .npz or HDF5")
    if path.stat().st_size == 0:
        raise RequestError(f"dataset.path: '{path}' is empty")
    readers = {".npy": _read_npy, ".npz": _read_npz, ".h5": _read_hdf5, ".hdf5": _read_hdf5}
    if path.suffix.lower() not in readers:
        accepted = ", ".join(readers)
        raise RequestError(f"dataset.path: '{path}' has another ending than {accepted}")
    if key is not None and path.suffix.lower() == ".npy":
        raise RequestError(f"dataset.key: '{key}' was given, but a .npy file holds a single array")
    try:
        arrays = readers[path.suffix.lower()](path, key)
    except RequestError:
        raise
    except Exception as error:  # a damaged file may raise anything, down in zlib or tokenize
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"dataset.path: '{path}' cannot be read: {reason}") from error
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise RequestError(f"dataset.path: '{path}' holds no array; accepted: (time, variables)")
    return arrays


def _read_npy(path: Path, _: str | None) -> list[Any]:
    return [np.lib.format.open_memmap(path, mode="r")]


def _read_npz(path: Path, key: str | None) -> list[Any]:
    with open_regular(path, "dataset.path", _LARGEST_FILE) as file:
        with zipfile.ZipFile(file) as archive:
            unfolded = sum(record.file_size for record in archive.infolist())
        require_proportionate(unfolded, path.stat().st_size, "dataset.path", path)
        # numpy.load would take a .npy file for a .npz, and leave a damaged one open.
        with np.lib.npyio.NpzFile(file, allow_pickle=False) as stored:
            return [stored[name] for name in _choose(list(stored.files), key, path)]


def _read_hdf5(path: Path, key: str | None) -> list[Any]:
    listed = {dataset.name: dataset for dataset in list_datasets(path, "dataset.path")}
    chosen = _choose(list(listed), key.strip("/") if key else None, path)
    for name in chosen:
        if not listed[name].real:
            raise RequestError(
                f"dataset.path: '{path}' holds {listed[name].dtype}; accepted: real numbers"
            )
    read = read_datasets(path, "dataset.path", chosen, LARGEST_RATIO, attributes=False)
    return [array[()] for array in read.arrays if isinstance(array, np.ndarray)]


def _choose(names: list[str], key: str | None, path: Path) -> list[str]:
    if key is None and len(names) == 1:
        return names
    if key in names:
        return [key]
    if key is not None and (alike := fnmatch.filter(sorted(names), key)):
        return alike
    listed = ", ".join(names) or "nothing"
    given = "nothing was given" if key is None else f"'{key}' is not in the file"
    hint = nearest(key, names) if key else ""
    raise RequestError(f"dataset.key: {given}; '{path}' holds: {listed}{hint}")


def _check(series: NDArray[Any], path: str) -> None:
    if series.dtype.kind not in "fiu":
        raise RequestError(f"dataset.path: '{path}' holds {series.dtype}; accepted: real numbers")
    if series.ndim != 2:
        raise RequestError(
            f"dataset.path: '{path}' has shape {series.shape}; accepted: (time, variables)"
        )
    if series.size == 0:
        raise RequestError(f"dataset.path: '{path}' is empty: shape {series.shape}")
    for first in range(0, len(series), CHUNK):
        bad = np.argwhere(~np.isfinite(series[first : first + CHUNK]))
        if len(bad):
            row, column = first + bad[0][0], bad[0][1]
            value = series[row, column]
            raise RequestError(
                f"dataset.path: '{path}' row {row}, column {column} holds {value} "
                "(counted from 0); accepted: finite numbers"
            )
