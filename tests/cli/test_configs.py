"""The YAML files against the schemas: every choice composes, both sides state the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Cli

from sfbptt_cli.cli.overrides import config_folder
from sfbptt_cli.config.commands import EvaluateSettings, TrainSettings
from sfbptt_cli.config.schema import SCHEMAS, typed_config
from sfbptt_cli.evaluation.settings import EvaluationSettings

FOLDER = config_folder()
COMMANDS = sorted(p.stem for p in FOLDER.glob("*.yaml") if p.stem != "sfbptt")
GROUPS = sorted(p.name for p in FOLDER.iterdir() if p.is_dir())
CHOICES = [(p.parent.name, p.stem) for p in sorted(FOLDER.glob("*/*.yaml"))]


def composed(cli: Cli, cwd: Path, command: str, *overrides: str) -> dict[str, Any]:
    """What `sfbptt COMMAND --cfg job` prints."""
    outcome = cli(command, "--cfg", "job", *overrides, cwd=cwd)
    assert (outcome.status, outcome.stderr) == (0, "")
    return yaml.safe_load(outcome.stdout)


def settings(group: str, choice: str) -> dict[str, Any]:
    """The settings of its own group that a YAML file states."""
    text = (FOLDER / group / f"{choice}.yaml").read_text(encoding="utf-8")
    stated = yaml.safe_load(text)
    if text.startswith("# @package _global_"):
        return stated.get(group, {})
    return {key: value for key, value in stated.items() if key != "defaults"}


def _source(choice: str) -> str:
    """The schema that the YAML file of a dataset takes."""
    text = (FOLDER / "dataset" / f"{choice}.yaml").read_text(encoding="utf-8")
    return text.partition("/dataset_schema_")[2].partition("@")[0]


def fields(schema: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(schema)}


def defaults(schema: type[Any]) -> dict[str, Any]:
    """The values that a schema states: without those that a choice must give, and groups."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(schema):
        if field.default_factory is not dataclasses.MISSING:
            value: Any = field.default_factory()
            values[field.name] = defaults(type(value)) if dataclasses.is_dataclass(value) else value
        elif field.default != "???":
            values[field.name] = field.default
    return values


def disagreeing(stated: dict[str, Any], schema: type[Any]) -> dict[str, tuple[Any, Any]]:
    """The values that YAML and schema both state, where they are not the same."""
    other = defaults(schema)
    both = stated.keys() & other.keys()
    return {key: (stated[key], other[key]) for key in both if stated[key] != other[key]}


def test_there_are_files_to_look_at() -> None:
    assert {"train", "evaluate"} <= set(COMMANDS)
    assert set(GROUPS) - {"experiment", "hydra"} == SCHEMAS.keys()
    assert ("model", "lstm") in CHOICES
    assert ("dataset", "npy") in CHOICES


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(cli: Cli, tmp_path: Path, command: str) -> None:
    assert composed(cli, tmp_path, command)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes_and_is_accepted(
    cli: Cli, tmp_path: Path, group: str, choice: str
) -> None:
    config = composed(cli, tmp_path, "train", f"{group}={choice}")
    assert config.keys() == fields(TrainSettings)
    typed = typed_config(config)
    for name in [*SCHEMAS, "validation"]:
        assert config[name].keys() == fields(type(getattr(typed, name)))
    if group in SCHEMAS and group != "evaluation":
        assert config[group]["name"] == choice
        if group != "dataset":
            assert type(getattr(typed, group)) is SCHEMAS[group][choice]


@pytest.mark.parametrize("group", [name for name in SCHEMAS if name != "dataset"])
def test_every_schema_has_its_choice(group: str) -> None:
    assert {choice for name, choice in CHOICES if name == group} == SCHEMAS[group].keys()


def test_every_source_of_data_has_a_choice() -> None:
    sources = {_source(choice) for group, choice in CHOICES if group == "dataset"}
    assert sources == SCHEMAS["dataset"].keys()


@pytest.mark.parametrize(("group", "choice"), [c for c in CHOICES if c[0] in SCHEMAS])
def test_choices_state_known_settings_as_their_schemas_do(group: str, choice: str) -> None:
    stated = settings(group, choice)
    schemas = SCHEMAS[group]
    kind = _source(choice) if group == "dataset" else choice
    assert stated.keys() <= fields(schemas[kind])
    assert stated.keys() & fields(schemas[kind])
    if group != "dataset":  # a system has its own values
        assert disagreeing(stated, schemas[kind]) == {}


@pytest.mark.parametrize("choice", ["lorenz", "npy"])
def test_the_plain_datasets_state_the_values_of_their_schemas(choice: str) -> None:
    stated = settings("dataset", choice)
    schema = SCHEMAS["dataset"][_source(choice)]
    different = disagreeing(stated, schema)
    assert different.keys() <= {"parameters"}


def test_the_commands_state_every_setting_as_their_schemas_do() -> None:
    for command, schema in (("train", TrainSettings), ("evaluate", EvaluateSettings)):
        stated = yaml.safe_load((FOLDER / f"{command}.yaml").read_text(encoding="utf-8"))
        del stated["defaults"]
        # τ is the method's.
        assert stated.keys() == fields(schema) - SCHEMAS.keys() - {"tau"}
        assert disagreeing(stated, schema) == {}


def test_evaluate_composes_its_schemas(cli: Cli, tmp_path: Path) -> None:
    config = composed(cli, tmp_path, "evaluate")
    assert config.keys() == fields(EvaluateSettings)
    assert config["evaluation"] == defaults(EvaluationSettings)


def test_what_is_composed_is_what_the_schemas_state(cli: Cli, tmp_path: Path) -> None:
    config = composed(cli, tmp_path, "train")
    usual = defaults(TrainSettings)
    del usual["tau"]
    assert {key: config[key] for key in usual} == usual
    assert isinstance(config["tau"], int)
