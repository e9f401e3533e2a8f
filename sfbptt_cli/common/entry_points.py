"""Choices that other installed packages register.

A package adds a model by a line in its pyproject.toml,

    [project.entry-points."sfbptt.models"]
    my_model = "my_package:MyModel"

and a system, a training method or a metric likewise, under `sfbptt.systems`, `sfbptt.methods` or
`sfbptt.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions
from typing import Any, TypeVar

from sfbptt_cli.common.errors import RequestError

T = TypeVar("T")


@lru_cache(maxsize=1)
def _registered() -> dict[str, dict[str, EntryPoint]]:
    """The entry points of every group, by name: reading them takes some 20 ms."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in (point for package in distributions() for point in package.entry_points):
        if point.group.startswith("sfbptt."):
            found.setdefault(point.group, {})[point.name] = point
    return found


def registered(group: str) -> dict[str, Any]:
    """What other packages register in `sfbptt.<group>`, loaded, by name.

    RequestError, naming the package, for one that cannot be loaded.
    """
    return {name: _load(point) for name, point in _registered().get(f"sfbptt.{group}", {}).items()}


def extended(table: Mapping[str, T], group: str) -> dict[str, T]:
    """The table with what other packages register in `sfbptt.<group>`.

    RequestError for a name that the table has already.
    """
    others = registered(group)
    for name in others.keys() & table.keys():
        raise RequestError(
            f"{group}: a package registers '{name}', as sfbptt does; accepted: another name"
        )
    return {**table, **others}


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # whatever the code of another package does
        package = "a package" if point.dist is None else point.dist.name
        raise RequestError(
            f"{point.group}: '{point.name}' of {package} cannot be loaded "
            f"({type(error).__name__}: {error}); accepted: a package that works, or none"
        ) from error
