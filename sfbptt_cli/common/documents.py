"""YAML and JSON from untrusted files, as plain values of bounded size."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import yaml

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import MIB, read_text

# The files of a run are a hundred times smaller.
_LARGEST_YAML, _LARGEST_JSON = MIB, 16 * MIB
_DEEPEST = 32
# Values of a document: far more than any file of a run has, and so few that reading takes a second
# or two (YAML) or a tenth of one (JSON), whatever they are.
_MOST_YAML, _MOST_JSON = 20_000, 200_000
_LONGEST_SCALAR = 10_000  # characters; YAML's numbers take time that grows as the square
_LARGEST_NUMBER = 2**128  # the widest seed
# Characters that a terminal would obey, and halves of characters, which no file can hold.
ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """Plain values without aliases: a few lines of those can stand for more than any memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it holds an alias (*name)")
        event = self.peek_event()
        self.nodes = getattr(self, "nodes", 0) + 1
        if self.nodes > _MOST_YAML:
            raise yaml.YAMLError(f"it holds more than {_MOST_YAML} values")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST_SCALAR:
            raise yaml.YAMLError(f"it holds a value of {len(event.value)} characters")
        return super().compose_node(parent, index)


def read_yaml(path: Path, field: str) -> dict[str, Any]:
    """Read a mapping of plain values from a YAML file.

    Aliases, Python tags, dates, keys other than text and control characters are refused. Raises
    RequestError, whose message begins with `field`.
    """
    parse = partial(yaml.load, Loader=_Loader)
    return _read(path, field, _LARGEST_YAML, parse, "a mapping of settings", _MOST_YAML)


def read_json(path: Path, field: str, most: int = _MOST_JSON) -> dict[str, Any]:
    """Read an object of at most `most` plain values from a JSON file.

    NaN, infinity and control characters are refused. Raises RequestError, whose message begins
    with `field`.
    """
    parse = partial(json.loads, parse_constant=_no_number)
    return _read(path, field, _LARGEST_JSON, parse, "a JSON object", most, finite=True)


def _read(
    path: Path,
    field: str,
    limit: int,
    parse: Callable[[str], Any],
    kind: str,
    most: int,
    finite: bool = False,
) -> dict[str, Any]:
    try:
        content = parse(read_text(path, field, limit))
        _require_few(content, most)
        _require_plain(content, finite)
    except RequestError:
        raise
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        message = f"{field}: '{path}' cannot be read: {' '.join(reason.split())}"
        raise RequestError(message) from error
    if not isinstance(content, dict):
        raise RequestError(f"{field}: '{path}' is not {kind}")
    return content


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


def _require_few(content: Any, most: int) -> None:
    """Raise ValueError for more values than any file of a run holds."""
    waiting, count = [content], 0
    while waiting and count <= most:
        value = waiting.pop()
        inside = [*value.values()] if isinstance(value, dict) else value
        if isinstance(inside, list):
            count += len(inside)
            waiting += [part for part in inside if isinstance(part, (dict, list))]
    if count > most:
        raise ValueError(f"it holds more than {most} values")


def _require_plain(content: Any, finite: bool, depth: int = 0) -> None:
    """Raise ValueError for a value that no configuration or result holds."""
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(content, dict):
        for key, value in content.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is no text")
            _require_plain(key, finite, depth + 1)
            _require_plain(value, finite, depth + 1)
    elif isinstance(content, list):
        for value in content:
            _require_plain(value, finite, depth + 1)
    elif isinstance(content, str):
        if odd := ODD.search(content):
            raise ValueError(f"it holds the control character {odd[0]!r}")
    elif isinstance(content, int):
        if abs(content) > _LARGEST_NUMBER:
            raise ValueError("it holds a number beyond 128 bits")
    elif isinstance(content, float):
        if finite and not math.isfinite(content):
            raise ValueError("it holds a number that is too large")
    elif content is not None:
        raise ValueError(f"it holds a {type(content).__name__}")
