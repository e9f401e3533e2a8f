"""`sfbptt COMMAND --help`: every setting with its value and its comment."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from conftest import Cli

from sfbptt_cli.config.commands import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_is_listed(command: str, cli: Cli, tmp_path: Path) -> None:
    outcome = cli(command, "--help", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    listed = {line.partition(":")[0] for line in outcome.stdout.splitlines()}
    assert {field.name for field in fields(COMMANDS[command])} <= listed
    assert max(map(len, outcome.stdout.partition("Settings:")[2].splitlines())) <= 100


def test_comments_are_those_of_the_choices(cli: Cli, tmp_path: Path) -> None:
    given = ("model=shallow_plrnn", "tau=7", "lr_schedule=cosine", "optimizer=adamw")
    text = cli("train", *given, "--help", cwd=tmp_path).stdout
    lines = {tuple(line.split("#", 1)) for line in text.splitlines() if "#" in line}
    found = {setting.strip(): comment.strip() for setting, comment in lines}
    assert found["tau: 7"].startswith("Free steps of a segment, from one forcing")
    assert found["hidden_dim: 50"] == "L"
    assert found["latent_dim: 30"] == "M"  # of the base class
    assert found["clip_norm: 1.0"] == "the gradient is scaled down to this norm"
    assert "noqa" not in text
    assert "rise" not in text
