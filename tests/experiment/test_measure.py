"""A measurement takes the data that are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import TINY, Cli

from sfbptt_cli.experiment import stored_data


def test_training_builds_its_data_once(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(stored_data, "build_dataset", refuse)
    outcome = cli("train", *TINY, cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    (evaluation,) = tmp_path.rglob("evaluation.json")
    assert json.loads(evaluation.read_text())["metrics"]["d_stsp"]["floor"] > 0
