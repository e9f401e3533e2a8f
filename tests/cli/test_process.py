"""What only a process of its own shows: a stop signal, imports, a closed pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGRESS, TINY, Cli, Finished, run_folder
from fault_processes import LONG, PATIENCE, SFBPTT, Forked, said, stream, wait

from sfbptt_cli.cli.main import main
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.storage.run_folder import RunFolder

TRAIN = ("train", *TINY, *LONG)


def test_a_second_process_is_refused_and_a_stop_signal_is_one_line(cli: Cli, cwd: Path) -> None:
    """The other signals, and what continues, are in test_runs.py and test_faults.py."""
    child = Forked(cwd, TRAIN, sleep=0.1)
    wait(lambda: stream(cwd, "stderr").exists() and "epoch 2 of 8" in said(cwd))
    run = RunFolder(run_folder(cwd))
    wait(run.last.exists)
    os.kill(child.pid, signal.SIGSTOP)  # it must not end meanwhile
    for more in ((), ("overwrite=true",)):
        outcome = cli(*TRAIN, *more, cwd=cwd)
        assert (outcome.status, outcome.stdout) == (2, "")
        (line,) = outcome.stderr.splitlines()
        assert line.startswith("sfbptt: name: another process works on 'outputs/")
        assert run.last.is_file()
        assert run.metrics_file.is_file()
    os.kill(child.pid, signal.SIGCONT)
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(PATIENCE) == 130, said(cwd)
    assert stream(cwd, "stdout").read_text() == ""
    *before, line = said(cwd).splitlines()
    assert line.startswith("sfbptt: outputs/run/lorenz/rnn/")
    assert "of 8 by SIGTERM; the same command continues it" in line
    assert [line for line in before if not line.startswith(PROGRESS)] == []
    assert run.manifest()["status"] == "interrupted"
    assert not run.evaluation_file.exists()


# Each command, and what the first of its lines begins with; every second one is refused.
ANSWERS = {
    "--help": "sfbptt: reconstruct",
    "train tua=30": "sfbptt: tua: there is no such setting",
    "--version": "sfbptt 0.",
    "train seed=-1": "sfbptt: seed: -1 was given",
    "train --help": "sfbptt train [overrides]",
    "trian": "sfbptt: 'trian' is not a command",
    "train --cfg job": "name: run",
}
ANSWER = """
import os, sys
from sfbptt_cli.cli.main import main
for arguments in sys.argv[1:]:
    sys.argv = ["sfbptt", *arguments.split()]
    os.environ.pop("HYDRA_FULL_ERROR", None)
    try:
        main()
    except SystemExit as ended:
        print(f"\\0{ended.code}", end="\\0", flush=True)
heavy = {"torch", "numba", "scipy", "matplotlib", "h5py", "pandas"} & sys.modules.keys()
print("imported:", *heavy)
"""


def test_answers_at_once_import_nothing_heavy(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", ANSWER, *ANSWERS],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    *answers, imported = ended.stdout.split("\0")
    assert imported == "imported:\n"
    printed = dict(zip(ANSWERS, answers[::2], strict=True))
    assert all(printed[command].startswith(begins) for command, begins in ANSWERS.items()), printed
    assert answers[1::2] == ["0", "2", "0", "2", "0", "2", "0"]
    assert all(printed[command].count("\n") == 1 for command in [*ANSWERS][1::2])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("override", ["tua=3", "seed=-1"])
def test_full_errors_on_request(override: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(sys, "argv", ["sfbptt", "train", override])
    with pytest.raises(RequestError, match=f"^{override.partition('=')[0]}: "):
        main()


@pytest.mark.parametrize("arguments", ["--help", "train --cfg job", "train"])
def test_a_reader_that_has_seen_enough(arguments: str, finished: Finished) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    settings = TINY if arguments == "train" else ()
    try:
        ended = subprocess.run(
            [SFBPTT, *arguments.split(), *settings],
            cwd=finished.cwd,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writer)
    assert ended.returncode == 0
    lines = ended.stderr.splitlines()
    assert len(lines) == (arguments == "train")
    assert all("is finished" in line for line in lines)
