"""From plain values to checked settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.documents import ODD
from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.explain import explain_value
from sfbptt_cli.config.store import GROUPS, settings_of

# The settings that say where a run goes, and how it is made.
NOT_KEPT = frozenset({"name", "overwrite", "outputs", "logger", "figures", "paper2022"})
# Settings of earlier versions, which stored runs may have: what to give instead.
REMOVED = {"ensemble": "-m seed=0,1,2 (or seed=range(8)), a run for each seed"}
# And values, in whose place the default is taken.
REMOVED_VALUES = {("threads", "auto"), ("device", "auto")}
# What stored runs had before it was a setting, where its default is something else.
_ADDED = {"loss": "squared", "denoise": "none"}
# Beside those of evaluation, the settings that change no trained model beyond its last digits.
_NOT_RESULTS = NOT_KEPT | {"threads", "device"}


def changes_results(key: str) -> bool:
    """Whether a setting changes the trained model: it names the run's folder, others do not.

    Nor do they forbid resuming, or tell runs apart in a report.
    """
    return key not in _NOT_RESULTS and not key.startswith("evaluation.")


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def same_results(one: TrainSettings, two: TrainSettings, but: Collection[str]) -> bool:
    """Return whether runs of these settings are alike; the settings `but` are not looked at."""
    first, second = flatten(asdict(one)), flatten(asdict(two))
    return all(
        first.get(key) == second.get(key)
        for key in first.keys() | second.keys()
        if changes_results(key) and key not in but
    )


Config = TypeVar("Config")


def typed_config(plain: dict[str, Any], where: str = "") -> TrainSettings:
    """Check the settings of a run."""
    return checked_config({**_ADDED, **plain}, TrainSettings, where)


def checked_config(plain: dict[str, Any], schema: type[Config], where: str = "") -> Config:
    """Check the settings of a command, plain values of the command line or of a stored run.

    Interpolations, which could read the environment, are refused. Raises RequestError; `where`
    begins its message.
    """
    for key, value in flatten(plain).items():
        _require_plain(f"{where}{key}", value)
    try:
        schemas = OmegaConf.merge(OmegaConf.structured(schema), _group_settings(plain, schema))
        config = OmegaConf.to_object(OmegaConf.merge(schemas, plain))
    except OmegaConfBaseException as error:
        raise RequestError(where + explain_value(error)) from error
    except RequestError as error:
        raise RequestError(f"{where}{error}") from error
    assert isinstance(config, schema)
    return config


def _require_plain(where: str, value: Any) -> None:
    """Raise RequestError for a text that OmegaConf would replace, also within a list.

    Likewise for one that config.yaml could not hold: with signs for a terminal, or with bytes that
    are no UTF-8, as in names of files from elsewhere.
    """
    if isinstance(value, str):
        if "${" in value or value == "???":
            raise RequestError(f"{where}: '{value}' was given; accepted: a value")
        require(not ODD.search(value), where, f"'{value}'", "printable text, in UTF-8")
    elif isinstance(value, (list, tuple)):
        for element in value:
            _require_plain(where, element)
    elif isinstance(value, dict):  # one within a list; others are flat
        for key, element in flatten(value).items():
            _require_plain(f"{where}.{key}", element)


def _group_settings(plain: dict[str, Any], schema: type[Any]) -> dict[str, Any]:
    """Find the settings of each config group that `plain` chooses."""
    chosen = {}
    for setting in fields(schema):
        name, given = setting.name, plain.get(setting.name)
        if name in GROUPS:
            if given is None and setting.default is None:
                continue  # a group that may be left out
            require(isinstance(given, dict), name, given, "a config group")
            assert isinstance(given, dict)
            kind = "source" if name == "dataset" else "name"
            found = lookup(settings_of(name), str(given.get(kind)), f"{name}.{kind}")
            chosen[name] = OmegaConf.structured(found)
        elif is_dataclass(setting.default_factory):
            require(isinstance(plain.get(name, {}), dict), name, given, "its settings")
    return chosen
