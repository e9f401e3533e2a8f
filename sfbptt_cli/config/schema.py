"""Settings of the commands, and from plain values to checked objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.explain import explain_value
from sfbptt_cli.config.logger import LOGGER_SCHEMAS
from sfbptt_cli.data.settings import DATASET_SCHEMAS
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.forcing.settings import (
    FORCING_SCHEMAS,
    TAU_SCHEDULE_SCHEMAS,
)
from sfbptt_cli.models.settings import MODEL_SCHEMAS
from sfbptt_cli.training.settings import (
    OPTIMIZER_SCHEMAS,
)

# The settings that change no number of a run: they neither name its folder nor forbid resuming.
NOT_RESULTS = frozenset({"name", "overwrite", "outputs", "logger.name", "ensemble"})

SCHEMAS: dict[str, Mapping[str, type[Any]]] = {
    "dataset": DATASET_SCHEMAS,
    "model": MODEL_SCHEMAS,
    "forcing": FORCING_SCHEMAS,
    "tau_schedule": TAU_SCHEDULE_SCHEMAS,
    "optimizer": OPTIMIZER_SCHEMAS,
    "evaluation": {"default": EvaluationSettings},
    "logger": LOGGER_SCHEMAS,
}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


Config = TypeVar("Config")


def typed_config(plain: dict[str, Any], where: str = "") -> TrainSettings:
    """`checked_config` of a run."""
    return checked_config(plain, TrainSettings, where)


def checked_config(plain: dict[str, Any], schema: type[Config], where: str = "") -> Config:
    """Settings of a command as checked objects, from plain values: the command line's or a run's.

    A configuration holds values only: interpolations, which could read the environment, are
    refused. Raises RequestError; `where` begins its message.
    """
    for key, value in flatten(plain).items():
        _refuse_interpolation(f"{where}{key}", value)
    try:
        schemas = OmegaConf.merge(OmegaConf.structured(schema), _group_schemas(plain, schema))
        config = OmegaConf.to_object(OmegaConf.merge(schemas, plain))
    except OmegaConfBaseException as error:
        raise RequestError(where + explain_value(error)) from error
    except RequestError as error:
        raise RequestError(f"{where}{error}") from error
    assert isinstance(config, schema)
    return config


def _refuse_interpolation(where: str, value: Any) -> None:
    """RequestError for a text that OmegaConf would replace, also within a list."""
    if isinstance(value, str) and ("${" in value or value == "???"):
        raise RequestError(f"{where}: '{value}' was given; accepted: a value")
    if isinstance(value, (list, tuple)):
        for element in value:
            _refuse_interpolation(where, element)
    elif isinstance(value, dict):  # one within a list; others are flat
        for key, element in flatten(value).items():
            _refuse_interpolation(f"{where}.{key}", element)


def _group_schemas(plain: dict[str, Any], schema: type[Any]) -> dict[str, Any]:
    """The schema of each config group that `plain` chooses."""
    for name in ("validation", "regularization", "tau_search"):
        require(isinstance(plain.get(name, {}), dict), name, plain.get(name), "its settings")
    chosen = {}
    known = {field.name: field for field in fields(schema)}
    for group, schemas in SCHEMAS.items():
        if group not in known:
            continue
        given: Any = plain.get(group)
        if given is None and known[group].default is None:
            continue  # a group that may be left out
        if group not in plain and known[group].default_factory is not NO_DEFAULT:
            continue  # a group with a default, which runs of earlier versions do not have
        require(isinstance(given, dict), group, given, "a config group")
        assert isinstance(given, dict)
        kind = "source" if group == "dataset" else "name"
        single = schemas.get("default")
        schema = single or lookup(schemas, str(given.get(kind)), f"{group}.{kind}")
        chosen[group] = OmegaConf.structured(schema)
    return chosen
