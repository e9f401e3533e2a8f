"""Compiled functions: once for a machine, and in every process where that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = """
import numpy as np
from sfbptt_cli.common.compiled import compiled
from other import OFFSET

@compiled
def shifted(x):
    return x.sum() + OFFSET

print(shifted(np.ones(3)), sum(shifted.stats.cache_hits.values()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of sources."""
    (tmp_path / "source.py").write_text(_SOURCE)
    _offset(tmp_path, 1)
    return tmp_path


def _offset(folder: Path, offset: int) -> None:
    (folder / "other.py").write_text(f"OFFSET = {offset}\n")


def _run(folder: Path, cache: Path) -> tuple[float, bool]:
    """Return the result in a new process, and whether the code was there."""
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "source.py"],
        cwd=folder,
        env={**os.environ, "SFBPTT_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    value, hits = done.stdout.split()
    return float(value), hits == "1"


def test_code_is_made_once_and_again_after_a_change_in_its_folder(folder: Path) -> None:
    cache = folder / "cache"
    assert _run(folder, cache) == (4, False)
    assert _run(folder, cache) == (4, True)
    _offset(folder, 2)
    assert _run(folder, cache) == (5, False)
    assert _run(folder, cache) == (5, True)


def test_code_that_cannot_be_read_is_made_again(folder: Path) -> None:
    cache = folder / "cache"
    assert _run(folder, cache) == (4, False)
    for stored in cache.rglob("*.nb*"):
        stored.write_bytes(stored.read_bytes()[:20])
    assert _run(folder, cache) == (4, False)


@pytest.mark.parametrize("cache", ["file/cache", "/proc/cache"])
def test_without_a_cache_every_process_compiles(folder: Path, cache: str) -> None:
    (folder / "file").touch()
    for _ in range(2):
        assert _run(folder, folder / cache) == (4, False)
    assert {path.name for path in folder.iterdir()} == {"source.py", "other.py", "file"}


_SUMS = """
import hashlib
import numpy as np
from sfbptt_cli.lyapunov.orthonormal import orthonormalise

frames, lengths = np.random.default_rng(0).standard_normal((4, 60, 60)), np.empty((4, 60))
orthonormalise(frames, lengths)
print(hashlib.sha256(frames.tobytes()).hexdigest(), sum(orthonormalise.stats.cache_hits.values()))
"""


def test_a_loaded_function_sums_as_the_compiled_one(tmp_path: Path) -> None:
    environment = {**os.environ, "SFBPTT_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", _SUMS]
    (compiled, misses), (loaded, hits) = (
        subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )
    assert (misses, hits) == ("0", "1")
    assert loaded == compiled
