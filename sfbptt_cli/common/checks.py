"""What a setting may be: checks of values, and the words that refuse one."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sfbptt_cli.common.errors import RequestError, choices, nearest

if TYPE_CHECKING:
    from omegaconf.errors import OmegaConfBaseException


def require(condition: bool, name: str, value: object, accepted: str) -> None:
    """RequestError unless the condition holds."""
    if not condition:
        raise RequestError(f"{name}: {value} was given; accepted: {accepted}")


def at_least(name: str, value: int, minimum: int) -> None:
    """RequestError for a smaller value."""
    require(value >= minimum, name, value, f"a whole number of at least {minimum}")


def positive(name: str, value: float) -> None:
    """RequestError unless value is a finite number above 0."""
    require(value > 0 and math.isfinite(value), name, value, "a number above 0")


def finite(name: str, value: object) -> None:
    """RequestError for infinity, NaN and what is no number."""
    number = isinstance(value, (int, float)) and math.isfinite(value)
    require(number, name, value, "a finite number")


def fraction(name: str, value: float) -> None:
    """RequestError unless value lies between 0 and 1."""
    require(0 < value < 1, name, value, "a number between 0 and 1")


def one_of(name: str, value: str, accepted: tuple[str, ...]) -> None:
    """RequestError for a word that is not accepted."""
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


def folder_name(name: str, value: str) -> None:
    """RequestError for what is no name of a folder, or would lead out of the run's place."""
    require(
        bool(value) and "/" not in value and not value.startswith("."),
        name,
        f"'{value}'",
        "a folder name without '/' that does not start with '.'",
    )


# The words for a type, by the annotation in a schema.
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "Union[int, str]": "a whole number, or auto",
    "Optional[Union[int, str]]": "a whole number of time steps, auto or search",
}
# The same for the elements of a mapping, by how a message of OmegaConf ends.
_ENDINGS = {"Integer": _TYPES["int"], "Float": _TYPES["float"]}
_GIVEN = re.compile(
    r"(?:Value|Cannot assign container) '(.*?)' (?:of type|is )|Cannot convert .* string: '(.*)'$"
)


def explain_value(error: OmegaConfBaseException) -> str:
    """OmegaConf's refusal of a value or key as `field: what was given; accepted: what is`."""
    message = (error.msg or str(error)).splitlines()[0]
    key = error.full_key or str(error.key or "")
    types = _field_types(error.object_type)
    if unknown := re.search(r"Key '([^']*)' (?:is )?not in", message):
        accepted = f"; accepted: {choices(types)}" if types else ""
        hint = nearest(unknown[1], types)
        return f"{key or unknown[1]}: there is no such setting{accepted}{hint}"
    by_ending = (words for ending, words in _ENDINGS.items() if message.endswith(ending))
    accepted = _TYPES.get(types.get(str(error.key), "")) or next(by_ending, None)
    if "missing mandatory value" in message:
        return f"{key}: nothing was given; accepted: {accepted or 'a value'}"
    if "is not Optional" in message or "'None'" in message:
        return f"{key}: null was given; accepted: {accepted or 'a value'}"
    if accepted and (given := _GIVEN.match(message)):
        return f"{key}: '{given[1] or given[2] or ''}' was given; accepted: {accepted}"
    if "is not a subclass of" in message or message.startswith("Cannot assign"):
        given = message.partition("value: ")[2] or "one value"
        return f"{key}: {given} was given; accepted: the settings below it, {key}.…="
    return f"{key}: {message}; accepted: a value"


def _field_types(schema: object) -> dict[str, str]:
    """The settings of a dataclass with their annotations; none for another type."""
    if not (isinstance(schema, type) and dataclasses.is_dataclass(schema)):
        return {}
    return {field.name: str(field.type) for field in dataclasses.fields(schema)}
