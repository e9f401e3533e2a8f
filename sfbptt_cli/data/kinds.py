"""Which reader a file needs: by its suffix before it is opened, by its first bytes after."""

from __future__ import annotations

import zipfile
from pathlib import Path

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.patterns import expand

# Suffixes, and the choice of `dataset=` that reads such files.
TABLES = (".csv", ".txt", ".tsv", ".dat", ".asc")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip")  # of tables, also alone
ARRAYS = (".npy", ".npz", ".h5", ".hdf5", ".mat", ".nc", ".nc4", ".cdf", ".parquet", ".pq")

BEGIN = 520  # bytes that tell the format
# MATLAB 7.3 puts a text of its own before what is an HDF5 file.
_MATLAB_BLOCK = 512
_HDF5 = b"\x89HDF\r\n\x1a\n"
_BY_FIRST_BYTES = {
    b"\x93NUMPY": "npy",
    _HDF5: "hdf5",
    b"MATLAB 5.0 MAT": "matlab",
    b"CDF\x01": "netcdf3",
    b"CDF\x02": "netcdf3",
    b"PAR1": "parquet",
}
# In words, for messages.
_NAMES = {
    "npy": "a NumPy array",
    "npz": "an archive of NumPy arrays",
    "hdf5": "an HDF5 file",
    "matlab": "a MATLAB file",
    "netcdf3": "a netCDF file",
    "parquet": "a Parquet file",
}


def reader_of(path: str) -> str:
    """Return the choice of `dataset=` for a file or a pattern, by its suffix: csv or npy.

    Of a pattern without a suffix the first file decides. RequestError for any other suffix.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    last = suffixes[-1] if suffixes else ""
    if "*" in last or (not last and "*" in path):
        return reader_of(str(expand(path, "dataset.path")[0]))
    if last in ARRAYS:
        return "npy"
    inner = suffixes[-2] if last in COMPRESSED and len(suffixes) > 1 else ""
    if last in TABLES or (last in COMPRESSED and inner not in ARRAYS):
        return "csv"
    ending = f"the suffix '{inner}{last}'" if last else "no suffix"
    raise RequestError(
        f"dataset.path: '{path}' has {ending}; accepted: {', '.join(TABLES)} (also with "
        f"{', '.join(COMPRESSED)}), {', '.join(ARRAYS)}; or dataset=csv or temperature for a text "
        "table, dataset=npy for arrays, whatever the suffix"
    )


def array_kind(path: Path, begin: bytes) -> str | None:
    """Return the format of a file of arrays that begins with these bytes; None for any other."""
    if begin[_MATLAB_BLOCK:].startswith(_HDF5):
        return "hdf5"
    for mark, kind in _BY_FIRST_BYTES.items():
        if begin.startswith(mark):
            return kind
    if begin.startswith(b"PK") and _holds_arrays(path):
        return "npz"
    return None


def _holds_arrays(path: Path) -> bool:
    """Whether a zip archive has members of numpy."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def require_table(path: Path, begin: bytes) -> None:
    """Raise RequestError for a file of arrays, by its first bytes, where a text is to be read."""
    kind = array_kind(path, begin)
    if kind is not None:
        raise RequestError(
            f"dataset.path: '{path}' is {_NAMES[kind]} and no text table; accepted: dataset=npy, "
            "which reads it"
        )
