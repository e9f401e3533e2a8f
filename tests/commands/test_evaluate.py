"""`sfbptt evaluate runs=DIR`: in parallel, only what is missing, one row a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Cli, Finished, tree


@pytest.fixture
def several(finished: Finished, tmp_path: Path) -> Path:
    """Three copies of a finished run."""
    for name in ("a", "b", "c"):
        shutil.copytree(finished.run, tmp_path / "runs" / name)
    return tmp_path / "runs"


def test_only_what_is_missing_is_measured(cli: Cli, several: Path) -> None:
    before = json.loads((several / "a" / "evaluation.json").read_text())
    (several / "b" / "evaluation.json").unlink()
    outcome = cli("evaluate", "runs=runs", "jobs=1", cwd=several.parent)
    assert outcome.status == 0, outcome.stderr
    rows = {row.split()[0]: row.split()[-1] for row in outcome.stdout.splitlines()[1:]}
    assert rows == {"a": "unchanged", "b": "measured", "c": "unchanged"}
    # The same numbers again, whoever measures.
    assert json.loads((several / "b" / "evaluation.json").read_text()) == before


def test_other_settings_are_another_measurement(cli: Cli, several: Path) -> None:
    outcome = cli("evaluate", "runs=runs", "jobs=2", "evaluation.bins=8", cwd=several.parent)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.count("measured") == 3
    for name in "abc":
        stored = json.loads((several / name / "evaluation.json").read_text())
        assert stored["settings"]["bins"] == stored["metrics"]["d_stsp"]["bins"] == 8
    again = cli("evaluate", "runs=runs", "jobs=1", "evaluation.bins=8", cwd=several.parent)
    assert again.stdout.count("unchanged") == 3


def test_a_damaged_run_is_named_and_the_others_are_measured(cli: Cli, several: Path) -> None:
    (several / "a" / "checkpoints" / "best.safetensors").write_bytes(b"nothing")
    (several / "b" / "checkpoints" / "best.safetensors").unlink()
    before = tree(several / "a")
    outcome = cli("evaluate", "runs=runs", "jobs=1", "evaluation.bins=8", cwd=several.parent)
    assert outcome.status == 1
    assert "b: it has no checkpoint" in outcome.stderr
    assert "best.safetensors" in outcome.stderr
    assert "2 of 3 runs could not be measured" in outcome.stderr
    assert outcome.stdout.count("measured") == 1
    assert tree(several / "a") == before


@pytest.mark.parametrize("which", ["run=runs/a", "runs=runs"])
def test_predictions_beyond_the_test_data_are_refused(cli: Cli, several: Path, which: str) -> None:
    before = tree(several)
    steps = "evaluation.prediction_steps=1200"
    outcome = cli("evaluate", which, steps, cwd=several.parent)
    assert outcome.status == (2 if which.startswith("run=") else 1)
    refused = "evaluation.prediction_steps: 1200 was given; accepted: less than the 1200 test steps"
    assert refused in outcome.stderr
    assert tree(several) == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "run: nothing was given; accepted: either the folder of a run"),
        (("run=a", "runs=b"), "run: runs, too, was given"),
        (("run=a", "jobs=2"), "jobs: 2 was given; accepted: null where runs is null"),
        (("runs=nowhere",), "runs: 'nowhere' is not a folder"),
        (("runs=.",), "runs: '.' holds no run"),
    ],
)
def test_requests_that_are_refused(
    cli: Cli, tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    outcome = cli("evaluate", *overrides, cwd=tmp_path)
    assert outcome.status == 2
    assert message in outcome.stderr
