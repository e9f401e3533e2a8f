"""Checks of values, and the message that refuses one."""

from __future__ import annotations

import math

from sfbptt_cli.common.errors import RequestError, choices, nearest


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
        bool(value) and "/" not in value and not value.startswith("."),
        name,
        f"'{value}'",
        "a folder name without '/' that does not start with '.'",
    )
