"""The YAML files: every command composes, and no file repeats a default of a dataclass.

Every choice of a config group is composed, and trained, in test_presets.py.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Cli, composed

from sfbptt_cli.cli.configs import config_folder
from sfbptt_cli.config.commands import COMMANDS, TrainSettings
from sfbptt_cli.config.store import GROUPS

FOLDER = config_folder()
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((FOLDER / group).glob("*"))]


def stated(path: Path) -> dict[str, Any]:
    """The settings that a YAML file states: its own ones, those of its group."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["defaults"]
    return content.get(path.parent.name, content)


def names(schema: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(schema)}


def test_there_are_files_to_look_at() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert folders - {"experiment", "hydra"} == GROUPS.keys()
    assert {path.stem for path in FOLDER.glob("*.yaml")} - {"sfbptt"} == COMMANDS.keys()
    assert {("model", "lstm"), ("dataset", "npy")} <= {*CHOICES}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(cli: Cli, tmp_path: Path, command: str) -> None:
    outcome = cli(command, "--cfg", "job", cwd=tmp_path)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert yaml.safe_load(outcome.stdout).keys() == names(COMMANDS[command])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_schema_has_its_choice(group: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (FOLDER / group).glob("*.yaml")]
    schemas = {schema for text in texts for schema in re.findall(rf"/{group}_schema_(\w+)@", text)}
    assert schemas == GROUPS[group].keys()


def test_yaml_repeats_no_default() -> None:
    """A setting stands once, in its dataclass; the values of a dataset are its own."""
    for group, choice in CHOICES:
        if group != "dataset":
            assert stated(FOLDER / group / f"{choice}.yaml").keys() - {"tau"} == {"name"}
    for command in COMMANDS:
        assert stated(FOLDER / f"{command}.yaml") == {}


def test_what_is_composed_are_the_defaults_of_the_dataclasses() -> None:
    config = composed("train")
    for field in dataclasses.fields(TrainSettings):
        if field.default_factory is not dataclasses.MISSING:
            assert config[field.name] == dataclasses.asdict(field.default_factory())
        elif field.name not in GROUPS:
            assert config[field.name] == field.default
