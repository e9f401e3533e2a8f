"""Sweeps: only what is missing, in several processes, through failure, death and stop signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY, Cli, Finished, at_update, results, run_folders, tree
from fault_processes import LONG, PATIENCE, SFBPTT, Forked, latest, records, said, stream, wait

from sfbptt_cli.cli.sweep.folder import Job
from sfbptt_cli.cli.sweep.progress import table
from sfbptt_cli.storage.run_folder import RunFolder

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
SWEEP = ("train", "-m", *TINY, *LONG, *JOBLIB, "seed=range(3)")


def status(run: Path) -> str | None:
    """Return the status of a run, None before it has begun."""
    return RunFolder(run).manifest().get("status")


def cells(printed: str) -> list[list[str]]:
    """Return the table's rows below its head."""
    return [line.split() for line in printed.splitlines()[1:]]


def failures(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("sfbptt: ")]


# One process, one run after another.


def test_the_table_and_what_is_missing(cli: Cli, tmp_path: Path, no_figures: None) -> None:
    sweep = ("train", *TINY, "-m", "tau=999,30", "optimizer.learning_rate=1e30,0.01", "seed=0")
    outcome = cli(*sweep, cwd=tmp_path, status=1)
    head = outcome.stdout.splitlines()[0].split()
    assert head == ["tau", "optimizer.learning_rate", "status", "D_stsp", "D_H"]
    *failed, done = cells(outcome.stdout)
    ends = ("refused", "refused", "diverged")
    assert [row[2:] for row in failed] == [[end, "-", "-"] for end in ends]
    assert done[:3] == ["30", "0.01", "finished"]
    assert all(0 < float(number) < 20 for number in done[3:])
    first, _, last = failures(outcome.stderr)
    assert first.startswith("sfbptt: tau=999 optimizer.learning_rate=1e+30: tau: '999' was given")
    assert last.startswith("sfbptt: tau=30 optimizer.learning_rate=1e+30: ")
    assert "diverged in epoch 1" in last
    assert "4 of 4 runs done, 3 failed, 00:00 left" in outcome.stderr
    assert outcome.stderr.splitlines()[-1] == "report: sfbptt report runs=outputs/run/lorenz"

    # Again: the finished run is not touched.
    (finished,) = [run for run in run_folders(tmp_path) if status(run) == "finished"]
    before = tree(finished)
    again = cli(*sweep, cwd=tmp_path)
    assert (again.status, again.stdout) == (1, outcome.stdout)
    assert tree(finished) == before
    assert "(1 before)" in again.stderr


def test_every_run_is_the_one_that_the_same_settings_make_alone(
    cli: Cli, finished: Finished, tmp_path: Path, no_figures: None
) -> None:
    outcome = cli("train", *TINY, "-m", "seed=0,1", cwd=tmp_path, status=0)
    # The tables of the runs are in their logs, in a hidden folder with the sweep's plan.
    logs = sorted(latest(tmp_path).glob("*.log"))
    assert [log.read_text().count("\nresult    ") for log in logs] == [1, 1]
    assert "result    " not in outcome.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["outputs"]
    assert {p.name for p in (tmp_path / "outputs" / "run").iterdir()} == {".sweeps", "lorenz"}
    assert not list(tmp_path.rglob(".hydra"))
    runs = run_folders(tmp_path)
    assert [status(run) for run in runs] == ["finished", "finished"]
    assert runs[0].relative_to(tmp_path) == finished.run.relative_to(finished.cwd)
    # Seed 0 is a seed; another one changes every number.
    zero, one = results(runs[0]), results(runs[1])
    assert zero == results(finished.run)
    assert all(zero[name] != one[name] for name in zero)


def test_a_stop_signal_ends_a_sweep_in_one_process(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_update(monkeypatch, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    outcome = cli("train", *TINY, "-m", "seed=0,1", cwd=tmp_path, status=130)
    assert len(failures(outcome.stderr)) == 1
    assert [run.name for run in run_folders(tmp_path)] == ["seed0"]


def test_a_finished_sweep_needs_no_torch(finished: Finished) -> None:
    script = (
        "import sys; from sfbptt_cli.cli.main import main\n"
        "try: main()\n"
        "finally: print({'torch', 'numba', 'scipy', 'matplotlib', 'h5py'} & sys.modules.keys())"
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
    assert cli("train", *TINY, "-m", "tau=998,999", cwd=tmp_path).status == 2


def test_interpolations_and_groups_are_those_of_hydra(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planned folder of every run is the one that it is made in."""
    from sfbptt_cli.commands import train as commands

    made: list[str] = []
    monkeypatch.setattr(
        commands, "run_training", lambda _, stored, path, origin: made.append(str(path))
    )
    cli(
        *("train", *TINY, "-m", "model=rnn,plrnn", "window=50,60", "tau=${window},10"),
        *("experiment=paper_random_tau", "name=run", "optimizer.learning_rate=0.01"),
        cwd=tmp_path,
    )
    plan = json.loads((latest(tmp_path) / "sweep.json").read_text())["jobs"]
    assert len(plan) == len({*made}) == 8
    assert [job["run"] for job in plan] == made


@pytest.mark.parametrize(
    ("launcher", "fragment"),
    [
        ("slurm", "pip install 'sfbptt[slurm]'"),
        ("jolib", "hydra/launcher: 'jolib' was given; accepted: basic"),
    ],
)
def test_a_missing_launcher(
    cli: Cli, tmp_path: Path, launcher: str, fragment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sfbptt_cli.cli import overrides

    monkeypatch.setattr(overrides, "find_spec", lambda name: None)
    outcome = cli("train", "-m", "seed=0,1", f"hydra/launcher={launcher}", cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("sfbptt: hydra/launcher: ")
    assert fragment in line
    assert list(tmp_path.iterdir()) == []


# Several processes.


def ended(sweep: Forked, cwd: Path, expected: int = 0) -> list[list[str]]:
    """Wait for the end of a sweep; return the rows of its table."""
    assert sweep.wait(PATIENCE) == expected, said(cwd)
    printed = stream(cwd, "stdout").read_text()
    stream(cwd, "stdout").unlink()
    return cells(printed)


def several_train(cwd: Path) -> bool:
    return sum(RunFolder(run).last.exists() for run in run_folders(cwd)) >= 2


def test_processes_share_the_work(cwd: Path, tmp_path: Path) -> None:
    """Of the console script, whose workers begin with nothing."""
    cache = tmp_path / "cache"
    varied = ("model=rnn", "optimizer.learning_rate=0.01,1e30", "seed=0,1")
    sweep = subprocess.Popen(
        [SFBPTT, "train", "-m", *TINY, *JOBLIB, *varied],
        cwd=cwd,
        env={**os.environ, "SFBPTT_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stdout, stderr = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, stderr
    assert [row[2] for row in cells(stdout)] == ["finished"] * 2 + ["diverged"] * 2
    assert len(list(cache.glob("*.npz"))) == 1
    assert len(failures(stderr)) == 2
    assert "result    " not in stdout + stderr
    assert "4 of 4 runs done, 2 failed" in stderr
    assert {RunFolder(run).manifest()["threads"] for run in run_folders(cwd)} == {1}
    assert not any(RunFolder(run).figures.exists() for run in run_folders(cwd))  # not asked for
    processes = {record["process"] for record in records(latest(cwd)).values()}
    assert len(processes - {sweep.pid}) == 2
    assert [path.name for path in cwd.iterdir()] == ["outputs"]
    assert (latest(cwd) / "job 0.log").read_text().startswith("data     lorenz: 2,000 steps train")


@pytest.mark.parametrize("whole", [True, False], ids=["all processes", "only the parent"])
def test_kill_and_again(whole: bool, cwd: Path, cli: Cli, tmp_path: Path, no_figures: None) -> None:
    sweep = Forked(cwd, SWEEP, sleep=0.05)
    wait(lambda: any(status(run) == "finished" for run in run_folders(cwd)))
    (os.killpg if whole else os.kill)(sweep.pid, signal.SIGKILL)
    sweep.wait(PATIENCE)
    if not whole:  # its workers notice, and stop after a checkpoint
        wait(lambda: not any(_alive(r["process"]) for r in records(latest(cwd)).values()))
    stream(cwd, "stdout").unlink(missing_ok=True)  # of the processes that were killed
    finished = {run: tree(run) for run in run_folders(cwd) if status(run) == "finished"}
    assert 0 < len(finished) < 3
    rows = ended(Forked(cwd, SWEEP, sleep=0), cwd)
    assert [row[1] for row in rows] == ["finished"] * 3
    assert {run: tree(run) for run in finished} == finished
    assert len(records(latest(cwd))) == 3 - len(finished)
    assert cli("train", *TINY, *LONG, "seed=2", cwd=tmp_path).status == 0
    assert results(run_folders(cwd)[2]) == results(run_folders(tmp_path)[0])


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_worker_that_dies(cwd: Path) -> None:
    """Its run, begun again, succeeds; so do those that it took with it."""
    sweep = Forked(cwd, SWEEP, sleep=0.05)
    wait(lambda: several_train(cwd))
    os.kill(records(latest(cwd))[0]["process"], signal.SIGKILL)
    assert [row[1] for row in ended(sweep, cwd)] == ["finished"] * 3
    assert "continuing " in (latest(cwd) / "job 0.log").read_text()


@pytest.mark.parametrize("to", ["parent", "group"])
def test_a_stop_signal(to: str, cwd: Path) -> None:
    """SIGTERM to the parent, or what a terminal does at Ctrl-C; every run has saved."""
    sweep = Forked(cwd, SWEEP, sleep=0.05)
    wait(lambda: several_train(cwd))
    if to == "parent":
        os.kill(sweep.pid, signal.SIGTERM)
    else:
        os.killpg(sweep.pid, signal.SIGINT)
    rows = ended(sweep, cwd, 130)
    assert [row[1] for row in rows] == ["interrupted"] * 2 + ["waiting"]
    assert [status(run) for run in run_folders(cwd)] == ["interrupted"] * 2


def test_a_score_may_be_a_word(own_run: Path) -> None:
    run = RunFolder(own_run)
    evaluation = run.evaluation()
    for name, value in (("d_stsp", "infinite"), ("d_h", 1.0)):
        evaluation["metrics"][name]["value"] = value
    run.write_evaluation(evaluation)
    job = Job(["seed=0"], {"seed": "0"}, own_run, "finished")
    assert table([job]).splitlines()[1].split() == ["0", "finished", "infinite", "1.000"]
