"""Where the files of a run's data lie, also after the run or the files have moved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sfbptt_cli.storage.run_folder import RunFolder

# Folders above a run in which its files are looked for: as many as `outputs` is away.
_ABOVE = 6


def data_paths(dataset: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a dataset that name files, by key, without `dataset.`."""
    return {k: v for k, v in dataset.items() if k.endswith("path") and isinstance(v, str)}


def described(paths: Mapping[str, str], run: Path) -> dict[str, dict[str, str]]:
    """Return what run.json keeps of the files: each path, absolute and relative to the run."""
    return {
        key: {"absolute": path, "relative": os.path.relpath(path, run)}
        for key, path in paths.items()
    }


def places(folder: RunFolder, paths: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the places where the files `paths` of a run may lie, each once, likeliest first.

    As config.yaml and run.json have them, relative to the run, then by name in the run's folder and
    those above. Whether they are the run's data, only their fingerprint can tell.
    """
    stored: Any = folder.manifest().get("data_paths")
    stored = stored if isinstance(stored, dict) else {}
    run, seen = Path(os.path.abspath(folder.path)), []  # noqa: PTH100  links are not followed

    def kept(key: str, kind: str) -> str | None:
        value = stored.get(key, {}).get(kind) if isinstance(stored.get(key), dict) else None
        return value if isinstance(value, str) else None

    above = [run, *run.parents[:_ABOVE]]
    for place in (
        dict(paths),
        {key: kept(key, "absolute") or path for key, path in paths.items()},
        {key: _within(run, kept(key, "relative")) or path for key, path in paths.items()},
        *({key: str(f / Path(path).name) for key, path in paths.items()} for f in above),
    ):
        if place not in seen:
            seen.append(place)
            yield place


def _within(run: Path, relative: str | None) -> str | None:
    return None if relative is None else os.path.normpath(run / relative)
