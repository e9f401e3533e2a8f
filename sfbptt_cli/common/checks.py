"""Checks of values, and the message that refuses one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sfbptt_cli.common.errors import RequestError, choices, nearest


def require(condition: bool, name: str, value: object, accepted: str) -> None:
    """Raise RequestError unless the condition holds."""
    if not condition:
        raise RequestError(f"{name}: {value} was given; accepted: {accepted}")


def at_least(name: str, value: int, minimum: int) -> None:
    """Raise RequestError for a smaller value."""
    require(value >= minimum, name, value, f"a whole number of at least {minimum}")


def positive(name: str, value: float) -> None:
    """Raise RequestError unless value is a finite number above 0."""
    require(value > 0 and math.isfinite(value), name, value, "a number above 0")


def finite(name: str, value: object) -> None:
    """Raise RequestError for infinity, NaN and anything that is no number."""
    number = isinstance(value, (int, float)) and math.isfinite(value)
    require(number, name, value, "a finite number")


def fraction(name: str, value: float) -> None:
    """Raise RequestError unless value lies between 0 and 1."""
    require(0 < value < 1, name, value, "a number between 0 and 1")


def one_of(name: str, value: str, accepted: tuple[str, ...]) -> None:
    """Raise RequestError for a word that is not accepted."""
    if value not in accepted:
        hint = nearest(value, accepted)
        raise RequestError(f"{name}: '{value}' was given; accepted: {choices(accepted)}{hint}")


def default_where(
    condition: bool, config: object, group: str, circumstance: str, defaults: Mapping[str, Any]
) -> None:
    """Settings that mean something under `condition` only: their defaults where they are null.

    Where the condition does not hold, RequestError for one that is not null: it would be accepted
    and have no effect. `circumstance` says when that is.
    """
    for name, default in defaults.items():
        value = getattr(config, name)
        if condition and value is None:
            setattr(config, name, default)
        elif not condition:
            accepted = f"null where {circumstance}"
            require(value is None, f"{group}.{name}".lstrip("."), value, accepted)


def fill(
    config: object, group: str, choice: str, settings: Mapping[str, Mapping[str, Any]]
) -> None:
    """Give the settings of `choice` their defaults where they are null; refuse those of others.

    `settings` maps each choice of `group.choice` to its settings and their defaults.
    """
    own = settings[getattr(config, choice)]
    for name in sorted({name for defaults in settings.values() for name in defaults}):
        value = getattr(config, name)
        if name not in own:
            given = getattr(config, choice)
            accepted = f"null where {group}.{choice} is {given}"
            require(value is None, f"{group}.{name}", value, accepted)
        elif value is None:
            setattr(config, name, own[name])


def folder_name(name: str, value: str) -> None:
    """Raise RequestError for a text that is no folder name, or leads out of its place."""
    require(
        bool(value) and "/" not in value and not value.startswith("."),
        name,
        f"'{value}'",
        "a folder name without '/' that does not start with '.'",
    )


def refuse_too_large(group: str, config: object, largest: Mapping[str, float]) -> None:
    """Raise RequestError for a number of `config` above its entry in `largest`."""
    for name, limit in largest.items():
        value: Any = getattr(config, name, None)
        if isinstance(value, (int, float)):
            accepted = f"a number of at most {limit:,.0f}"
            require(value <= limit, f"{group}.{name}".lstrip("."), value, accepted)
