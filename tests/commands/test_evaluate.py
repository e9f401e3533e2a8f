"""`sfbptt evaluate runs=DIR`: in parallel, only what is missing, one row a run."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import TINY, Cli, Finished, run_folder, tree

from sfbptt_cli.commands import evaluate
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.run import Run
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
        (other,) = stored["others"]
        assert other["settings"]["bins"] == other["metrics"]["d_stsp"]["bins"] == 7
    request.getfixturevalue("in_process")
    again = cli("evaluate", "runs=runs", "evaluation.bins=7", cwd=several.parent)
    assert again.stdout.count("unchanged") == 2


def test_other_settings_lose_no_measurement(cli: Cli, several: Path, in_process: None) -> None:
    """What the run's own settings gave stays at the top, with its trajectories and figures."""
    run = RunFolder(several / "a")
    own, before = run.evaluation(), tree(several / "a")
    for bins in (7, 7, 6):
        outcome = cli("evaluate", f"run={run.path}", f"evaluation.bins={bins}", cwd=several)
        assert f"(evaluation.bins: 8 there, {bins} here)" in outcome.stderr
        assert f"{bins} bins" in outcome.stdout
    stored = run.evaluation()
    assert [entry["settings"]["bins"] for entry in Run(run.path).measurements] == [8, 7, 6]
    assert [entry["settings"]["bins"] for entry in stored.pop("others")] == [7, 6]
    assert stored == own
    changed = {k for k, v in tree(several / "a").items() if before.get(k) != v}
    assert changed == {"evaluation.json"}
    cli("evaluate", f"run={run.path}", cwd=several, status=0)
    again = run.evaluation()
    assert len(again.pop("others")) == 2
    assert again == own


def test_the_first_measurement_stands_at_the_top_until_the_own(
    cli: Cli, several: Path, in_process: None
) -> None:
    run = RunFolder(several / "a")
    own = run.evaluation()
    run.evaluation_file.unlink()
    cli("evaluate", f"run={run.path}", "evaluation.steps=600", cwd=several, status=0)
    first = run.evaluation()
    assert (first["steps"], len(Run(run.path).trajectories.time)) == (600, 700)
    cli("evaluate", f"run={run.path}", cwd=several, status=0)
    assert run.evaluation() == {**own, "others": [first]}
    assert len(Run(run.path).trajectories.time) == own["steps"] + own["transient"]


@pytest.mark.parametrize(
    "metrics", [{"d_stsp": {}}, [], {"d_stsp": {"value": []}}, {"d_stsp": {"value": 1}}, None]
)
def test_an_evaluation_of_a_wrong_shape_is_measured_again(
    cli: Cli, several: Path, in_process: None, metrics: object
) -> None:
    run = RunFolder(several / "a")
    own = run.evaluation()
    run.write_evaluation({**own, "metrics": metrics})
    with pytest.raises(RequestError, match="is damaged: no dynamics and metrics"):
        _ = Run(run.path).metrics
    outcome = cli("evaluate", "runs=runs", "jobs=1", cwd=several.parent, status=0)
    assert [row.split()[-1] for row in outcome.stdout.splitlines()[1:]].count("measured") == 1
    assert run.evaluation() == own


def test_a_finished_run_whose_evaluation_is_damaged_is_measured_again(
    cli: Cli, finished: Finished, tmp_path: Path, no_figures: None
) -> None:
    project = Path(shutil.copytree(finished.cwd, tmp_path / "project"))
    run = RunFolder(run_folder(project))
    own = run.evaluation()
    for sweep in ([], ["-m"]):
        run.write_evaluation({**own, "metrics": {"d_stsp": {}}, "dynamics": 3})
        outcome = cli("train", *TINY, *sweep, cwd=project, status=0)
        if not sweep:
            assert "is damaged: no dynamics and metrics; it is measured again" in outcome.stderr
        assert run.evaluation() == own


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
