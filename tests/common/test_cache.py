"""A cache that cannot be used costs one line, never a run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sfbptt_cli.common import cache
from sfbptt_cli.common.cache import cached, read_json, write_json


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The number of times that it was called."""
    monkeypatch.setattr(cache, "_problems", [])
    calls: list[None] = []

    def count() -> int:
        calls.append(None)
        return len(calls)

    return count


def _cached(compute: Callable[[], int]) -> int:
    return cached("test", {"a": 1}, ".json", compute, write_json, read_json)


def _no_home(folder: Path, patch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    patch.delenv("SFBPTT_CACHE")
    patch.delenv("XDG_CACHE_HOME", raising=False)
    patch.setattr(Path, "home", unknown)


def _no_folder(folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "file").touch()
    patch.setenv("SFBPTT_CACHE", str(folder / "file" / "cache"))


def _read_only(folder: Path, patch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    patch.setenv("SFBPTT_CACHE", str(folder))
    patch.setattr(cache, "_locked", refuse)


def _full_disk(folder: Path, patch: pytest.MonkeyPatch) -> None:
    def fill(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    patch.setenv("SFBPTT_CACHE", str(folder))
    patch.setattr(os, "fsync", fill)


@pytest.mark.parametrize("harm", [_no_home, _no_folder, _read_only, _full_disk])
def test_results_are_computed_each_time_after_one_line(
    harm: Callable[[Path, pytest.MonkeyPatch], None],
    compute: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    harm(tmp_path, monkeypatch)
    with caplog.at_level(logging.WARNING, "sfbptt"):
        assert [_cached(compute) for _ in range(3)] == [1, 2, 3]
    (line,) = caplog.messages
    assert line.startswith("the cache is not used, which costs time only: ")
    assert "\n" not in line


def test_what_another_user_has_computed_is_read(
    compute: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SFBPTT_CACHE", str(tmp_path))
    assert _cached(compute) == 1
    _read_only(tmp_path, monkeypatch)
    assert _cached(compute) == 1
    assert caplog.messages == []


def test_an_error_of_the_computation_is_not_one_of_the_cache(
    compute: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise FileNotFoundError("the data")

    monkeypatch.setenv("SFBPTT_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="the data"):
        _cached(fail)
    assert _cached(compute) == 1
