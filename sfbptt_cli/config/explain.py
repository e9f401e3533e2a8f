"""OmegaConf's errors as one line: field, value given, what is accepted."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from sfbptt_cli.common.errors import choices, nearest

if TYPE_CHECKING:
    from omegaconf.errors import OmegaConfBaseException

# The words for a type, by the annotation in a schema.
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "Union[int, str]": "a whole number, or auto",
    "Union[float, int, str]": "a number, or auto",
    "Optional[Union[int, str]]": "a whole number of time steps, auto or search",
}
# The same for the elements of a mapping, by how a message of OmegaConf ends.
_ENDINGS = {"Integer": _TYPES["int"], "Float": _TYPES["float"]}
_GIVEN = re.compile(
    r"(?:Value|Cannot assign container) '(.*?)' (?:of type|is )|Cannot convert .* string: '(.*)'$"
)


def explain_value(error: OmegaConfBaseException) -> str:
    """Turn an error of OmegaConf into `field: … was given; accepted: …`."""
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
    """Return the settings of a dataclass with their annotations; none for another type."""
    if not (isinstance(schema, type) and dataclasses.is_dataclass(schema)):
        return {}
    return {field.name: str(field.type) for field in dataclasses.fields(schema)}
