"""`sfbptt evaluate runs=DIR`: in parallel, only what is missing, one row a run."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Cli, Finished, tree

from sfbptt_cli.commands import evaluate
from sfbptt_cli.storage.run_folder import RunFolder


@pytest.fixture
def several(finished: Finished, tmp_path: Path) -> Path:
    """Three copies of a finished run."""
    for name in ("a", "b", "c"):
        shutil.copytree(finished.run, tmp_path / "runs" / name)
    return tmp_path / "runs"


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, no_figures: None) -> None:
    """Measure in a thread, which need not import everything."""
    monkeypatch.setattr(evaluate, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))


def test_only_what_is_missing_is_measured(cli: Cli, several: Path, in_process: None) -> None:
    a, b = (RunFolder(several / name) for name in "ab")
    b.evaluation_file.unlink()
    outcome = cli("evaluate", "runs=runs", "jobs=1", cwd=several.parent, status=0)
    rows = {row.split()[0]: row.split()[-1] for row in outcome.stdout.splitlines()[1:]}
    assert rows == {"a": "unchanged", "b": "measured", "c": "unchanged"}
    # The same numbers again, whoever measures.
    assert b.evaluation() == a.evaluation()


def test_processes_measure_with_other_settings(
    cli: Cli, several: Path, request: pytest.FixtureRequest
) -> None:
    shutil.rmtree(several / "c")
    outcome = cli(
        "evaluate", "runs=runs", "jobs=2", "evaluation.bins=7", cwd=several.parent, status=0
    )
    assert outcome.stdout.count("measured") == 2
    for name in "ab":
        stored = RunFolder(several / name).evaluation()
        assert stored["settings"]["bins"] == stored["metrics"]["d_stsp"]["bins"] == 7
    request.getfixturevalue("in_process")
    again = cli("evaluate", "runs=runs", "evaluation.bins=7", cwd=several.parent)
    assert again.stdout.count("unchanged") == 2


def test_a_damaged_run_is_named_and_the_others_are_measured(
    cli: Cli, several: Path, in_process: None
) -> None:
    damaged, missing = (RunFolder(several / name).best for name in "ab")
    damaged.write_bytes(b"nothing")
    missing.unlink()
    before = tree(several / "a")
    outcome = cli(
        "evaluate", "runs=runs", "jobs=1", "evaluation.bins=7", cwd=several.parent, status=1
    )
    assert "b: it has no checkpoint" in outcome.stderr
    assert damaged.name in outcome.stderr
    assert "2 of 3 runs could not be measured" in outcome.stderr
    assert outcome.stdout.count("measured") == 1
    assert tree(several / "a") == before
