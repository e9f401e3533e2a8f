"""Files appear whole or not at all, for readers and after errors."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from sfbptt_cli.common.atomic import replacing, write_json, write_text


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _write_half(path: Path, error: type[BaseException]) -> None:
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_replacement_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(error):
        _write_half(path, error)
    assert list(tmp_path.iterdir()) == []
    write_text(path, "old")
    with pytest.raises(error):
        _write_half(path, error)
    assert _contents(tmp_path) == {"file.txt": b"old"}


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    for path in (tmp_path / "file.txt", tmp_path / "nowhere" / "file.txt"):
        with pytest.raises(OSError, match=r"No (space|such).*file\.txt'$"), replacing(path):
            raise OSError(28, "No space left on device")
    # An error of another file is as it was.
    with pytest.raises(OSError, match="other"), replacing(tmp_path / "file.txt"):
        raise OSError(28, "No space left on device", "other")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o027, 0o002])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file", "text")
        write_text(tmp_path / "file", "again")
        after = os.umask(umask)
    finally:
        os.umask(before)
    assert after == umask
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_reader_always_sees_a_whole_file(tmp_path: Path) -> None:
    path, size = tmp_path / "file", 1_000_000
    write_text(path, "0" * size)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(1, 60):
        write_text(path, str(i % 10) * size)
    done.set()
    reader.join()
    assert seen <= {str(i).encode() * size for i in range(10)}
    assert len(seen) > 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_json_has_no_nan_and_no_infinity(tmp_path: Path, value: float) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"loss": 1.5, "none": None, "list": [1, 2]})
    before = _contents(tmp_path)
    assert before["file.json"].endswith(b"\n}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"metrics": {"loss": [value]}})
    assert _contents(tmp_path) == before
