"""`dataset.path=FILE` alone: the dataset that the suffix of the file chooses."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser

from sfbptt_cli.cli.configs import config_folder
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.data.kinds import reader_of

# What reads the same files as the choice of a suffix.
_SOURCES = {"csv": ("csv", "temperature"), "npy": ("array",)}


def with_reader(command: str, overrides: list[str]) -> list[str]:
    """Add `dataset=csv` or `dataset=npy` where a path is given and no dataset that reads it.

    One that a preset or a stored run chooses is kept if it reads such files. RequestError for a
    suffix that no reader has.
    """
    given = values_of(overrides)
    has_dataset = "dataset" in {field.name for field in fields(COMMANDS[command])}
    if not has_dataset or "dataset" in given or "run" in given:
        return overrides
    path = unquoted(given.get("dataset.path", ""))
    if path in ("", "null") or _source(given) in _SOURCES[choice := reader_of(path)]:
        return overrides
    return [f"dataset={choice}", *overrides]


def with_shared_reader(command: str, overrides: list[str]) -> list[str]:
    """Do `with_reader` for a sweep all of whose runs need the same reader.

    Hydra composes what they share before them, and refuses a path to the dataset that is not yet
    replaced. Runs that need different readers each choose theirs. The overrides are prepared.
    """
    paths = [override for override in overrides if override.startswith("dataset.path=")]
    if not paths:
        return overrides
    others = [override for override in overrides if override not in paths]
    path = OverridesParser.create().parse_override(paths[-1])
    several = path.is_sweep_override()
    values = [*path.sweep_string_iterator()] if several else [path.get_value_element_as_str()]
    runs = [[*others, f"dataset.path={value}"] for value in values]
    first, *different = {tuple(with_reader(command, run)[: -len(run)]) for run in runs}
    return overrides if different else [*first, *overrides]


def values_of(overrides: list[str]) -> dict[str, str]:
    """Return the values that the command line has, as they are written."""
    parts = [override.lstrip("+").partition("=") for override in overrides]
    return {key: value for key, _, value in parts}


def reads(source: Any, values: str) -> bool:
    """Whether the dataset of a stored run reads all files of `dataset.path=values`."""
    paths = [unquoted(path) for path in values.split(",")]
    return all(path in ("", "null") or source in _SOURCES[reader_of(path)] for path in paths)


def unquoted(value: str) -> str:
    """Return a value of the command line without its quotes."""
    quoted = len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]
    return value[1:-1] if quoted else value


def _source(given: dict[str, str]) -> str | None:
    """Find the `source` of the dataset that a preset or a stored run chooses."""
    if "from" in given:
        node: Any = ConfigStore.instance().load(f"from/{given['from']}.yaml").node
        return node["dataset"]["source"] if "dataset" in node else None
    preset = config_folder() / "experiment" / f"{given.get('experiment')}.yaml"
    named = _search(r"override /dataset: (\w+)", preset)
    return named and _search(
        r"dataset_schema_(\w+)@", config_folder() / "dataset" / f"{named}.yaml"
    )


def _search(pattern: str, path: Path) -> str | None:
    found = re.search(pattern, path.read_text(encoding="utf-8")) if path.is_file() else None
    return found[1] if found else None
