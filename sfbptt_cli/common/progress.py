"""Bars that show how far a long computation is."""

from __future__ import annotations

from typing import Any


def progress(total: int, title: str, unit: str = "step") -> Any:
    """Return a bar for people, on standard error, gone when it is done; none for a log file."""
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=f" {unit}s", disable=None, leave=False)
