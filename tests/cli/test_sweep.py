"""Sweeps: only what is missing, in several processes, through failure, death and stop signals.

Those over processes take ten to twenty seconds each, mostly for the imports of their workers.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, Cli, Finished, tree
from report_runs import write_run
from sweep_processes import LONG, checkpoints, latest, manifest, records, start, wait

from sfbptt_cli.cli.sweep.folder import Job
from sfbptt_cli.cli.sweep.progress import table

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "model=rnn")


def runs(cwd: Path) -> list[Path]:
    return sorted((cwd / "outputs" / "run").glob("*/*/*/seed*"))


def cells(printed: str) -> list[list[str]]:
    """The table's rows below its head."""
    return [line.split() for line in printed.splitlines()[1:]]


# One process, one run after another.


def test_the_table_and_what_is_missing(
    cli: Cli, tmp_path: Path, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ("train", *TINY, "-m", "tau=999,30", "optimizer.learning_rate=1e30,0.01", "seed=0")
    outcome = cli(*sweep, cwd=tmp_path)
    assert outcome.status == 1
    head = outcome.stdout.splitlines()[0].split()
    assert head == ["tau", "optimizer.learning_rate", "status", "D_stsp", "D_H"]
    *failed, done = cells(outcome.stdout)
    assert [row[2:] for row in failed] == [
        ["refused", "-", "-"],
        ["refused", "-", "-"],
        ["diverged", "-", "-"],
    ]
    assert done[:3] == ["30", "0.01", "finished"]
    assert all(0 < float(number) < 20 for number in done[3:])
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("sfbptt: ")]
    assert [line.partition(": ")[2].split(": ")[0] for line in lines] == [
        "tau=999 optimizer.learning_rate=1e+30",
        "tau=999 optimizer.learning_rate=0.01",
        "tau=30 optimizer.learning_rate=1e+30",
    ]
    assert "diverged in epoch 1" in lines[2]
    assert "4 of 4 runs done, 3 failed, 00:00 left" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]

    # Again: the finished run is not touched, and nothing is imported for it.
    from sfbptt_cli.commands import train as commands

    trained: list[Path] = []
    train = commands.train
    monkeypatch.setattr(
        commands,
        "train",
        lambda config, stored, path: (trained.append(path), train(config, stored, path)),
    )
    (finished,) = [run for run in runs(tmp_path) if manifest(run)["status"] == "finished"]
    before = tree(finished)
    again = cli(*sweep, cwd=tmp_path)
    assert again.status == 1
    assert [tmp_path / path for path in trained] == [r for r in runs(tmp_path) if r != finished]
    assert tree(finished) == before
    assert again.stdout == outcome.stdout
    assert "(1 before)" in again.stderr


def test_a_finished_sweep_needs_no_torch(tmp_path: Path, finished: Finished) -> None:
    import subprocess

    script = (
        "import sys; from sfbptt_cli.cli.main import main\n"
        "try: main()\n"
        "finally: print({'torch', 'scipy', 'matplotlib', 'h5py'} & sys.modules.keys())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "train", "-m", *TINY, "seed=0", *JOBLIB[:1]],
        cwd=finished.cwd,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "set()"
    assert cells(ended.stdout)[0][0] == "finished"


def test_all_refused_is_a_wrong_request(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("train", *TINY, "-m", "tau=998,999", cwd=tmp_path)
    assert outcome.status == 2
    assert runs(tmp_path) == []


def test_interpolations_and_groups_are_those_of_hydra(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planned folder of every run is the one that it is made in."""
    from sfbptt_cli.commands import train as commands

    made: list[Path] = []
    monkeypatch.setattr(commands, "train", lambda config, stored, path: made.append(path))
    cli(
        *("train", *TINY, "-m", "model=rnn,plrnn", "window=50,60", "tau=${window},10"),
        *("experiment=poster_lorenz", "name=run", "optimizer.learning_rate=0.01"),
        cwd=tmp_path,
    )
    import json

    plan = json.loads((latest(tmp_path) / "sweep.json").read_text())["jobs"]
    assert len(plan) == 8
    assert [job["runs"] for job in plan] == [[str(path)] for path in made]


@pytest.mark.parametrize(
    ("launcher", "fragments"),
    [
        ("slurm", ["pip install 'sfbptt[slurm]'"]),
        ("jolib", ["hydra/launcher: 'jolib' was given; accepted: ", "basic"]),
    ],
)
def test_a_missing_launcher(
    cli: Cli, tmp_path: Path, launcher: str, fragments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sfbptt_cli.cli import overrides

    monkeypatch.setattr(overrides, "find_spec", lambda name: None)
    outcome = cli("train", "-m", "seed=0,1", f"hydra/launcher={launcher}", cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert all(fragment in line for fragment in ("hydra/launcher: ", *fragments))
    assert list(tmp_path.iterdir()) == []


# Several processes.


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def undisturbed(cli: Cli, tmp_path: Path, overrides: tuple[str, ...]) -> dict[str, bytes]:
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    outcome = cli("train", *TINY, *LONG, "model=rnn", *overrides, cwd=folder)
    assert outcome.status == 0, outcome.stderr
    return checkpoints(runs(folder)[0])


def begun(cwd: Path) -> Callable[[], bool]:
    def several_have_trained() -> bool:
        found = [run for run in runs(cwd) if (run / "metrics.csv").exists()]
        return len(found) >= 2

    return several_have_trained


def test_processes_share_the_work(cwd: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    overrides = (*TINY[1:], *JOBLIB, "optimizer.learning_rate=0.01,1e30", "seed=0,1")
    sweep = start(cwd, *overrides, SFBPTT_CACHE=str(cache))
    stdout, stderr = sweep.communicate(timeout=240)
    assert sweep.returncode == 1, stderr
    assert [row[2] for row in cells(stdout)] == ["finished"] * 2 + ["diverged"] * 2
    assert len(list(cache.glob("*.npz"))) == 1
    failures = [line for line in stderr.splitlines() if line.startswith("sfbptt: ")]
    assert len(failures) == 2
    assert "verdict" not in stdout + stderr
    assert "4 of 4 runs done, 2 failed" in stderr
    assert {manifest(run)["threads"] for run in runs(cwd)} == {1}
    found = records(latest(cwd))
    assert len({record["process"] for record in found.values()}) == 2
    assert sweep.pid not in {record["process"] for record in found.values()}
    assert [path.name for path in cwd.iterdir()] == ["outputs"]
    assert (latest(cwd) / "job 0.log").read_text().startswith("epoch 1 of 2")


@pytest.mark.parametrize("whole", [True, False], ids=["all processes", "only the parent"])
def test_kill_and_again(whole: bool, cwd: Path, cli: Cli, tmp_path: Path, no_figures: None) -> None:
    overrides = (*TINY, *LONG, *JOBLIB, "seed=range(3)")
    sweep = start(cwd, *overrides, sleep=0.03)
    wait(lambda: any(manifest(run).get("status") == "finished" for run in runs(cwd)))
    (os.killpg if whole else os.kill)(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    if not whole:  # its workers notice, and stop after a checkpoint
        wait(lambda: not any(_alive(r["process"]) for r in records(latest(cwd)).values()))
    finished = {run: tree(run) for run in runs(cwd) if manifest(run)["status"] == "finished"}
    assert 0 < len(finished) < 3
    again = start(cwd, *overrides)
    stdout, stderr = again.communicate(timeout=240)
    assert again.returncode == 0, stderr
    assert [row[1] for row in cells(stdout)] == ["finished"] * 3
    assert {run: tree(run) for run in finished} == finished
    assert len(records(latest(cwd))) == 3 - len(finished)
    assert checkpoints(runs(cwd)[2]) == undisturbed(cli, tmp_path, ("seed=2",))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_worker_that_dies(cwd: Path) -> None:
    """Its run, begun again, succeeds; so do those that it took with it."""
    sweep = start(cwd, *TINY, *LONG, *JOBLIB, "seed=range(3)", sleep=0.03)
    wait(begun(cwd))
    os.kill(records(latest(cwd))[0]["process"], signal.SIGKILL)
    stdout, stderr = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, stderr
    assert [row[1] for row in cells(stdout)] == ["finished"] * 3
    assert "continuing " in (latest(cwd) / "job 0.log").read_text()


@pytest.mark.parametrize("to", ["parent", "group"])
def test_a_stop_signal(to: str, cwd: Path) -> None:
    """SIGTERM to the parent, or what a terminal does at Ctrl-C; every run has saved."""
    sweep = start(cwd, *TINY, *LONG, *JOBLIB, "seed=range(3)", sleep=0.05)
    wait(begun(cwd))
    sent = time.monotonic()
    if to == "parent":
        os.kill(sweep.pid, signal.SIGTERM)
    else:
        os.killpg(sweep.pid, signal.SIGINT)
    stdout, stderr = sweep.communicate(timeout=240)
    assert sweep.returncode == 130, stderr
    assert time.monotonic() - sent < 30
    states: list[Any] = [manifest(run)["status"] for run in runs(cwd)]
    assert states == ["interrupted"] * 2
    assert [row[1] for row in cells(stdout)] == ["interrupted"] * 2 + ["waiting"]


def test_threads(cli: Cli, tmp_path: Path, no_figures: None, monkeypatch: Any) -> None:
    """Two; a run that began in a sweep over processes, with one, goes on so."""
    from sfbptt_cli.cli.sweep import job

    overrides = ("train", "threads=auto", *TINY[1:], "model=rnn")
    with monkeypatch.context() as patch:
        patch.setattr(job, "apart", lambda: True)
        patch.setattr("sfbptt_cli.commands.train.measure", _interrupt)
        assert cli(*overrides, cwd=tmp_path).status == 130
    (run,) = runs(tmp_path)
    assert manifest(run)["threads"] == 1
    assert cli(*overrides, cwd=tmp_path).status == 0
    assert (manifest(run)["status"], manifest(run)["threads"]) == ("finished", 1)
    assert cli(*overrides, "overwrite=true", cwd=tmp_path).status == 0
    assert manifest(run)["threads"] == 2


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_score_may_be_a_word(tmp_path: Path) -> None:
    run = write_run(tmp_path, d_stsp="infinite", d_h=1.0)
    job = Job(["seed=0"], {"seed": "0"}, [run], "finished")
    assert table([job]).splitlines()[1].split() == ["0", "finished", "infinite", "1"]
