"""Checks of values, and the message that refuses one."""

from __future__ import annotations

import math
import os

from sfbptt_cli.common.errors import RequestError, choices, nearest

# File systems take 255 bytes a name.
_LONGEST_NAME = 200


def require(condition: bool, name: str, value: object, accepted: str) -> None:
    """Raise RequestError unless the condition holds."""
    if not condition:
        raise RequestError(f"{name}: {value} was given; accepted: {accepted}")


def finite(name: str, value: object) -> None:
    """Raise RequestError for infinity, NaN and anything that is no number."""
    number = isinstance(value, (int, float)) and math.isfinite(value)
    require(number, name, value, "a finite number")


def one_of(name: str, value: str, accepted: tuple[str, ...]) -> None:
    """Raise RequestError for a word that is not accepted."""
    if value not in accepted:
        hint = nearest(value, accepted)
        raise RequestError(f"{name}: '{value}' was given; accepted: {choices(accepted)}{hint}")


def folder_name(name: str, value: str) -> None:
    """Raise RequestError for a text that is no folder name, or leads out of its place."""
    require(
        bool(value) and "/" not in value and not value.startswith(".") and value.isprintable(),
        name,
        f"'{value}'",
        "a folder name without '/' that does not start with '.'",
    )
    long = len(value.encode()) > _LONGEST_NAME
    accepted = f"a folder name of at most {_LONGEST_NAME} bytes"
    require(not long, name, f"'{value[:20]}…' of {len(value)} characters", accepted)


def at_home(name: str, path: str) -> str:
    """Replace a leading `~` or `~user` by that home; RequestError where there is none."""
    found = os.path.expanduser(path)  # noqa: PTH111  that of pathlib raises RuntimeError
    require(not found.startswith("~"), name, f"'{path}'", "a path; there is no such home")
    return found
