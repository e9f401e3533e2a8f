"""What only a process of its own shows: signals, death, imports, exit, a closed pipe."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TINY, Cli, Finished, run_folder
from sweep_processes import checkpoints as results

# Of the twenty epochs a child takes six seconds at least for the last fifteen.
LONG = (*TINY, "window=40", "tau=20", "epochs=20", "batches_per_epoch=5", "validation.every=5")
CHILD = """
import time
from sfbptt_cli import cli, commands, measurement, run_training

def slow(trainer, starts, update=commands.Trainer.update):
    time.sleep(0.08)
    update(trainer, starts)

commands.Trainer.update = slow
run_training._CHECKPOINT_SECONDS = 0.0  # a checkpoint after every epoch
measurement.draw = lambda run: None  # the figures take longer than all the rest
cli.main()
"""


@pytest.fixture(scope="session")
def undisturbed(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of the long run when nothing disturbs it."""
    from sfbptt_cli.experiment import measure as measurement

    cwd = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "draw", lambda run: None)
        outcome = cli("train", *LONG, cwd=cwd)
    assert outcome.status == 0, outcome.stderr
    return results(run_folder(cwd))


class Child:
    """A training process in a working directory."""

    def __init__(self, cwd: Path) -> None:
        self._stdout, self._stderr = cwd.with_suffix(".stdout"), cwd.with_suffix(".stderr")
        cwd.mkdir()
        with self._stdout.open("w") as stdout, self._stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHILD, "train", *LONG],
                cwd=cwd,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text()

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def until_it_trains(self) -> None:
        """Wait for the first validation; three quarters of the training are left then."""
        deadline = time.monotonic() + 120
        while "epoch 5 of 20" not in self.stderr:
            assert self.process.poll() is None, self.stderr
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ended(self) -> int:
        return self.process.wait(timeout=120)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """A child that trains in tmp_path/work."""
    started = Child(tmp_path / "work")
    try:
        started.until_it_trains()
        yield started
    finally:
        started.process.kill()
        started.process.wait()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_a_stop_signal_ends_a_run_that_the_same_command_continues(
    name: str,
    child: Child,
    cli: Cli,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    no_figures: None,
) -> None:
    child.process.send_signal(signal.Signals[name])
    assert child.ended() == 130, child.stderr
    assert child.stdout == ""
    lines = child.stderr.splitlines()
    assert lines[-1].startswith("sfbptt: outputs/run/lorenz/lstm/")
    assert f"of 20 by {name}; the same command continues it" in lines[-1]
    assert [line for line in lines[:-1] if not line.startswith("epoch ")] == []
    run = run_folder(tmp_path / "work")
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert not (run / "evaluation.json").exists()
    continued = cli("train", *LONG, cwd=tmp_path / "work")
    assert continued.status == 0, continued.stderr
    assert "epoch 5 of 20" not in continued.stderr
    assert results(run) == undisturbed


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_killed_run_is_continued(
    seed: int,
    child: Child,
    cli: Cli,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    no_figures: None,
) -> None:
    work = tmp_path / "work"
    run = run_folder(work)
    if seed == 0:
        time.sleep(0.5)  # for the checkpoint of the epoch that it has told of
        child.process.send_signal(signal.SIGSTOP)  # it must not end meanwhile
        _assert_left_alone_while_it_runs(cli, work)
    else:
        time.sleep(random.Random(seed).uniform(0, 2))
    child.process.kill()
    assert child.ended() == -signal.SIGKILL
    assert json.loads((run / "run.json").read_text())["status"] in ("running", "trained")
    continued = cli("train", *LONG, cwd=work)
    assert continued.status == 0, continued.stderr
    assert "epoch 5 of 20" not in continued.stderr
    assert results(run) == undisturbed


def _assert_left_alone_while_it_runs(cli: Cli, work: Path) -> None:
    run = run_folder(work)
    for more in ((), ("overwrite=true",)):
        outcome = cli("train", *LONG, *more, cwd=work)
        assert (outcome.status, outcome.stdout) == (2, "")
        (line,) = outcome.stderr.splitlines()
        assert line.startswith("sfbptt: name: another process works on 'outputs/")
        assert (run / "checkpoints" / "last.safetensors").is_file()
        assert (run / "metrics.csv").is_file()


IMPORTS = """
import sys
from sfbptt_cli.cli.main import main
try:
    main()
finally:
    heavy = {"torch", "scipy", "matplotlib", "h5py", "pandas"} & sys.modules.keys()
    if heavy:
        print("imported:", *heavy, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "status", "stdout", "stderr"),
    [
        ("--help", 0, "usage:", ""),
        ("--version", 0, "sfbptt 0.", ""),
        ("train --help", 0, "Config groups", ""),
        ("train --cfg job", 0, "latent_dim: ", ""),
        ("train tua=30", 2, "", "sfbptt: tua: there is no such setting"),
        ("train seed=-1", 2, "", "sfbptt: seed: -1 was given"),
    ],
)
def test_answers_at_once_import_nothing_heavy(
    arguments: str, status: int, stdout: str, stderr: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTS, *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == status, ended.stderr
    assert stdout in ended.stdout
    assert bool(ended.stdout) == bool(stdout)
    assert ended.stderr.startswith(stderr)
    assert len(ended.stderr.splitlines()) == bool(stderr)
    assert list(tmp_path.iterdir()) == []


SFBPTT = str(Path(sys.executable).parent / "sfbptt")


@pytest.mark.parametrize("override", ["tua=3", "seed=-1"])
def test_full_errors_on_request(override: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [SFBPTT, "train", override],
        cwd=tmp_path,
        env={**os.environ, "HYDRA_FULL_ERROR": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "Traceback (most recent call last)" in ended.stderr
    assert "sfbptt_cli/cli/main.py" in ended.stderr
    assert override.partition("=")[0] in ended.stderr.splitlines()[-1]


def _into_a_closed_pipe(cwd: Path, *arguments: str) -> tuple[int, str]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [SFBPTT, *arguments], cwd=cwd, stdout=writer, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writer)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("arguments", ["--help", "--version", "train --help", "train --cfg job"])
def test_a_reader_that_has_seen_enough(arguments: str, tmp_path: Path) -> None:
    assert _into_a_closed_pipe(tmp_path, *arguments.split()) == (0, "")


def test_a_reader_that_has_seen_enough_of_the_table(finished: Finished) -> None:
    status, stderr = _into_a_closed_pipe(finished.cwd, "train", *TINY)
    assert status == 0
    assert len(stderr.splitlines()) == 1
    assert "is finished" in stderr
