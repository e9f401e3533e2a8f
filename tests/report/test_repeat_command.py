"""The command that repeats a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Cli
from report_runs import config

from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.experiment.repeat import repeat_command

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seed": 7, "tau": "auto", "model": "plrnn", "window": 300},
        {"forcing": "none", "tau": None, "window": 1000},
        {"optimizer": {"name": "sgd", "momentum": 0.5, "schedule": "cosine"}, "name": "a, b's=c"},
        {"tau_schedule": {"name": "random", "half_width": 20}, "tau": 40},
    ],
)
def test_the_command_leads_back_to_the_settings(
    settings: dict[str, Any], cli: Cli, tmp_path: Path
) -> None:
    stored = config(**settings)
    program, command, *words = shlex.split(repeat_command(stored, CONFIGS))
    assert (program, command) == ("sfbptt", "train")
    outcome = cli("train", *words, "--cfg", "job", "--resolve", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    composed = typed_config(yaml.safe_load(outcome.stdout))
    assert composed == typed_config(stored)


def test_the_command_is_short(tmp_path: Path) -> None:
    command = repeat_command(config(optimizer={"name": "soap", "schedule": "cosine"}), CONFIGS)
    assert command == (
        "sfbptt train dataset=lorenz_paper model=lstm forcing=sparse name=sweep seed=0 tau=30 "
        "optimizer.schedule=cosine"
    )
