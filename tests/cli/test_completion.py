"""Tab completion: what a shell is told, and that bash, zsh and fish understand it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Cli

from sfbptt_cli.cli.completion import candidates


@pytest.mark.parametrize(
    ("line", "present", "absent"),
    [
        ("sfbptt tr", {"train"}, {"report"}),
        ("sfbptt ", {"train", "evaluate", "--help"}, set[str]()),
        ("sfbptt train ep", {"epochs="}, {"seed="}),
        ("sfbptt train ", {"model=", "optimizer.", "from=", "tau="}, {"optimizer.name="}),
        ("sfbptt train optimizer.c", {"optimizer.clip_norm="}, {"epochs="}),
        ("sfbptt train dataset.parameters.", {"dataset.parameters.rho="}, set[str]()),
        ("sfbptt train dataset=csv dataset.", {"dataset.path="}, {"dataset.rtol="}),
        ("sfbptt train model=p", {"model=plrnn"}, {"model=lstm"}),
        ("sfbptt train overwrite=", {"overwrite=true", "overwrite=false"}, set[str]()),
        ("sfbptt evaluate run=a", {"run=a b/"}, {"run=c.csv"}),
        ("sfbptt evaluate run=a b/", set[str](), {"run=a b/"}),
        ("sfbptt train dataset.path=c", {"dataset.path=c.csv"}, set[str]()),
        ("sfbptt nothing x", set[str](), {"epochs="}),
    ],
)
def test_what_may_follow(
    line: str, present: set[str], absent: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "c.csv").touch()
    monkeypatch.chdir(tmp_path)
    found = set(candidates(line))
    assert present <= found
    assert not absent & found


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which `sfbptt` is this checkout."""
    program = tmp_path / "sfbptt"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sfbptt_cli "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_bash_completes(home: dict[str, str]) -> None:
    """In a process of its own, as after a press of the tab key."""
    script = """
        eval "$(sfbptt train -sc install=bash)"
        complete -p sfbptt
        for line in "sfbptt train model=al" "sfbptt train epo"; do
            COMP_LINE=$line COMP_POINT=${#line} _sfbptt
            printf '%s\\n' "${COMPREPLY[@]}"
        done"""
    done = subprocess.run(["bash", "-c", script], env=home, capture_output=True, text=True)
    assert done.stdout.splitlines()[1:] == ["al_rnn", "epochs="], done.stderr
    assert "-F _sfbptt sfbptt" in done.stdout


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(home: dict[str, str]) -> None:
    script = 'sfbptt -sc install=fish | source; for line in "sfbptt train model=al" '
    script += '"sfbptt train epo"; complete -C $line; end'
    done = subprocess.run(["fish", "-c", script], env=home, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["model=al_rnn", "epochs="], done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_at_a_press_of_the_tab_key(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    terminal, inside = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), inside)
    shell = ["zsh", "-f", "-i"]
    process = subprocess.Popen(shell, cwd=tmp_path, env=home, start_new_session=True, **streams)
    os.close(inside)
    try:
        os.write(terminal, b'eval "$(sfbptt -sc install=zsh)"; echo in"stalled"\n')
        _until(terminal, b"installed")
        os.write(terminal, b"sfbptt train model=al\t")
        _until(terminal, b"model=al_rnn")
        os.write(terminal, b"\x15sfbptt evaluate run=a\t")
        _until(terminal, b"a\\ folder/")
    finally:
        os.close(terminal)
        process.kill()
        process.wait()


def _until(terminal: int, expected: bytes) -> None:
    """Read what a terminal shows until it shows that; fail after a minute."""
    shown, end = b"", time.monotonic() + 60
    while expected not in shown:
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_its_function(cli: Cli, tmp_path: Path, shell: str) -> None:
    for command in ([], ["train"]):
        text = cli(*command, "-sc", f"install={shell}", cwd=tmp_path, status=0).stdout
        assert f"sfbptt -sc query={shell}" in text
    assert "sfbptt" in cli("-sc", f"uninstall={shell}", cwd=tmp_path, status=0).stdout
    for wrong in ("install=ksh", "instal=bash", "help"):
        assert "-sc: '" in cli("-sc", wrong, cwd=tmp_path, status=2).stderr


def test_the_module_names_itself(tmp_path: Path) -> None:
    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sfbptt_cli", *arguments]
        home = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True)

    assert "\n  python -m sfbptt_cli train " in called("--help").stdout
    message = called("train", "tua=3")
    assert message.returncode == 2
    assert "those of python -m sfbptt_cli train --help" in message.stderr
