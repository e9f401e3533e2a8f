"""trajectories.h5: read back equal, by other programs too, and nothing but what a run writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from conftest import tree
from strangers import refusal

from sfbptt_cli.storage.trajectories import read_trajectories, write_trajectories


def written(path: Path) -> tuple[Any, Any]:
    """Trajectories in a file: generated and truth."""
    generator = np.random.default_rng(1)
    generated, truth = generator.normal(size=(2, 50, 3)), generator.normal(size=(50, 3))
    # More than eight attributes, which HDF5 stores another way.
    attributes = {f"extra_{i}": i for i in range(9)}
    attributes |= {"checkpoint_sha256": "ab" * 32, "package_version": "1.0", "commit": "unknown"}
    variables = ("x", "y", "ζ")
    write_trajectories(path, generated, truth, 0.25, "hours", variables, attributes)
    return generated, truth


def test_trajectories_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.h5"
    generated, truth = written(path)
    found = read_trajectories(path)
    np.testing.assert_array_equal(found.generated, generated)
    np.testing.assert_array_equal(found.truth, truth)
    np.testing.assert_array_equal(found.time, 0.25 * np.arange(50))
    assert found.variables == ("x", "y", "ζ")
    assert len(found.attributes) == 12 + 3
    assert found.attributes["extra_8"] == 8
    assert found.attributes["checkpoint_sha256"] == "ab" * 32


def test_other_programs_read_trajectories(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.h5"
    generated, truth = written(path)
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert dict(data.sizes) == {"trajectory": 2, "time": 50, "variable": 3}
        assert set(data.coords) == {"trajectory", "time", "variable"}
        assert set(data.data_vars) == {"generated", "truth"}
        assert data["generated"].dims == ("trajectory", "time", "variable")
        assert data["truth"].dims == ("time", "variable")
        np.testing.assert_array_equal(data["generated"], generated)
        np.testing.assert_array_equal(data["truth"].sel(variable="ζ", time=2.5), truth[10, 2])
        np.testing.assert_array_equal(data["time"], 0.25 * np.arange(50))
        np.testing.assert_array_equal(data["trajectory"], [0, 1])
        assert data["time"].attrs["units"] == "hours"
        assert data["generated"].attrs["units"] == data["truth"].attrs["units"] == "data units"
        attributes = data.attrs
    assert (attributes["schema"], attributes["dt"], attributes["time_unit"]) == (1, 0.25, "hours")
    assert attributes["package_version"] == "1.0"
    assert attributes["commit"] == "unknown"
    with h5py.File(path) as file:  # dimension scales, as MATLAB, Julia and HDFView have them
        assert list(file) == ["trajectory", "time", "variable", "generated", "truth"]
        stored = file["generated"]
        assert isinstance(stored, h5py.Dataset)
        names = [scale.attrs["NAME"] for axis in stored.dims for scale in axis.values()]
        assert names == [b"trajectory", b"time", b"variable"]


def test_failed_writing_leaves_the_earlier_trajectories(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.h5"
    written(path)
    before = tree(tmp_path)
    same = np.zeros((1, 5, 1))
    with pytest.raises(TypeError):
        write_trajectories(path, same, same[0], 1.0, "steps", ("x",), {"bad": object()})
    assert tree(tmp_path) == before


def replaced(name: str, make: Callable[[h5py.File], Any]) -> Callable[[Path], None]:
    """A change of trajectories.h5: another thing at `name`."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[name]
            made = make(file)
            if made is not None:
                file[name] = made

    return change


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((50, 3), "f8")
    layout[:] = h5py.VirtualSource(str(Path(file.filename).with_name("other.h5")), "a", (50, 3))
    file.create_virtual_dataset("truth", layout)


def _external(file: h5py.File) -> None:
    file.create_dataset("truth", (50, 3), "f8", external=[("/etc/passwd", 0, 1_200)])


def kept(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


HDF5: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    **{f"truncated {share}": kept(share) for share in (0.0, 0.1, 0.5, 0.9, 0.999)},
    "soft link": replaced("truth", lambda file: h5py.SoftLink("/generated")),
    "external link": replaced("truth", lambda file: h5py.ExternalLink("other.h5", "a")),
    "external": replaced("truth", _external),
    "virtual": replaced("truth", _virtual),
    "unallocated": replaced(
        "truth", lambda file: void(file.create_dataset("truth", (10**9, 3), "f8"))
    ),
    "compressed": replaced(
        "truth",
        lambda file: void(file.create_dataset("truth", data=np.ones((50, 3)), compression="gzip")),
    ),
    "objects": replaced("truth", lambda file: np.array([file.ref] * 50, dtype=h5py.ref_dtype)),
    "nothing": replaced("truth", lambda file: None),
    "group": replaced("truth", lambda file: void(file.create_group("truth"))),
    "shape": replaced("truth", lambda file: np.ones((50, 2))),
    "axes": replaced("generated", lambda file: np.ones((50, 3))),
    "nan": replaced("truth", lambda file: np.full((50, 3), np.nan)),
    "huge": replaced("truth", lambda file: np.full((50, 3), 1e300)),
    "escape": replaced("variable", lambda file: np.array(["\x1b", "y", "z"], dtype=object)),
    "long": replaced("variable", lambda file: np.array(["x" * 300, "y", "z"], dtype=object)),
    "attribute": lambda path: attribute(path, "dt", np.ones((1_000, 100))),
    "text": lambda path: attribute(path, "commit", "x" * 60_000),
    "reference": lambda path: attribute(path, "dt", None),
    "interval": lambda path: attribute(path, "dt", np.inf),
    "transient": lambda path: attribute(path, "transient", 10**15),
}


def void(_: object) -> None:
    """For what is made in its place already."""


def attribute(path: Path, name: str, value: Any) -> None:
    with h5py.File(path, "a") as file:
        file.attrs[name] = file.ref if value is None else value


@pytest.mark.parametrize("name", HDF5)
def test_hostile_trajectories_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "trajectories.h5"
    written(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.ones((50, 3))
    HDF5[name](path)
    message = refusal(lambda: read_trajectories(path), path)
    assert message.startswith("run: {path} cannot be read: ")


def test_a_library_that_hangs_or_dies_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sfbptt_cli.common import array_files

    path = tmp_path / "trajectories.h5"
    written(path)
    for program, said in (
        ("import time; time.sleep(600)", "did not end within 1 seconds"),
        ("import os; os.abort()", "failed (status -6)"),
        ("import sys; sys.exit(3)", "failed (status 3)"),
    ):
        monkeypatch.setattr(array_files, "_CHILD", program)
        monkeypatch.setattr(array_files, "_SECONDS", 1.0 if "sleep" in program else 60.0)
        assert said in refusal(lambda: read_trajectories(path))
