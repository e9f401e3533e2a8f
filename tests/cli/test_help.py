"""`sfbptt COMMAND --help`: every setting with its value and its comment."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from sfbptt_cli.cli.help import EXAMPLES, comments_of
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.config.store import GROUPS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_is_listed(command: str, cli: Cli, tmp_path: Path) -> None:
    outcome = cli(command, "--help", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    listed = {line.partition(":")[0] for line in outcome.stdout.splitlines()}
    assert {field.name for field in fields(COMMANDS[command])} <= listed
    assert max(map(len, outcome.stdout.partition("Settings, ")[2].splitlines())) <= 100


def _all_settings() -> set[Any]:
    """Return the dataclass of every command, of all below them and of every choice."""
    found: set[Any] = set()
    waiting = [*COMMANDS.values(), *(s for group in GROUPS.values() for s in group.values())]
    while waiting:
        settings = waiting.pop()
        found.add(settings)
        below = [field.default_factory for field in fields(settings)]
        waiting += [part for part in below if is_dataclass(part)]
    return found


def test_every_setting_has_a_comment() -> None:
    for settings in _all_settings():
        comments = comments_of(settings)
        assert [f.name for f in fields(settings) if not comments.get(f.name)] == [], settings


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_accepted(command: str, cli: Cli, tmp_path: Path) -> None:
    assert len(EXAMPLES[command]) == 3
    for name in ("recording.csv", "recording.npy"):
        (tmp_path / name).touch()
    for example in EXAMPLES[command]:
        first, *overrides = shlex.split(example)
        assert first == command
        overrides = [o for o in overrides if o != "-m"]  # the values of a sweep are Hydra's
        overrides = [o for o in overrides if not re.search(r"\d,\d|range|launcher", o)]
        cli(command, *overrides, "--cfg", "job", cwd=tmp_path, status=0)


def test_comments_are_those_of_the_choices(cli: Cli, tmp_path: Path) -> None:
    given = ("model=shallow_plrnn", "tau=7", "lr_schedule=cosine", "optimizer=adamw")
    text = cli("train", *given, "--help", cwd=tmp_path).stdout
    lines = {tuple(line.split("#", 1)) for line in text.splitlines() if "#" in line}
    found = {setting.strip(): comment.strip() for setting, comment in lines}
    assert found["tau: 7"].startswith("Free steps of a segment, from one forcing")
    assert found["hidden_dim: 50"] == "L"
    assert found["readout: linear"].startswith("learned B")  # of the base class
    assert found["clip_norm: 1.0"] == "the gradient is scaled down to this norm"
    assert "noqa" not in text
    assert "rise" not in text
