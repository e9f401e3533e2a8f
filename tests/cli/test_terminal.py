"""Names on their way to a terminal, and homes on theirs from it."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest
from conftest import TINY, Cli, Finished, run_folder, tree

from sfbptt_cli.cli.main import main
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.terminal import one_line, say, shown
from sfbptt_cli.experiment.run import load_run
from sfbptt_cli.storage.run_folder import RunFolder


def test_nothing_is_left_that_a_terminal_would_obey() -> None:
    obeyed = [
        chr(i) for i in (*range(32), *range(127, 160), 0x2028, 0x202E, 0x200B, 0xD800, 0xFEFF)
    ]
    assert shown("".join(obeyed)) == "\ufffd" * len(obeyed)
    for kept in ("größe 10 °C, x\u0302, 温度", "a\u00a0b\u202fc"):
        assert shown(kept) == kept
    assert one_line("a\n  b\x1b[31m") == "a b\ufffd[31m"


def test_tables_keep_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb\x1b", 3)
    assert capsys.readouterr().out == "a\nb\ufffd\n3\n"


def test_a_stream_that_cannot_print_a_name_prints_a_sign(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(finished.run, tmp_path / "größe" / "seed0")
    monkeypatch.chdir(tmp_path)
    for arguments, expected in (
        (["report", f"runs={run.parent}"], b"gr??e/report/table.csv"),
        (["evaluate", "runs=größe", "jobs=1"], b"unchanged"),
        (["evaluate", "run=größe"], b"'gr??e' is not a run, but holds 1: gr??e/seed0"),
    ):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # as main changes it
        monkeypatch.setattr(sys, "argv", ["sfbptt", *arguments])
        with pytest.raises(SystemExit):
            main()
        written = b""
        for stream in streams:
            stream.flush()
            written += stream.detach().getvalue()  # type: ignore[attr-defined]
        assert expected in written


@pytest.mark.parametrize("setting", ["outputs", "dataset.path", "dataset.time_unit", "name"])
@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\udcf6"])
def test_what_no_config_could_hold_is_refused_before_work(
    cli: Cli, tmp_path: Path, setting: str, sign: str
) -> None:
    (tmp_path / f"a{sign}b").write_text("x,y\n", errors="surrogateescape")
    before = tree(tmp_path)
    outcome = cli("train", "dataset=csv", f"{setting}='a{sign}b'", cwd=tmp_path, status=2)
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f"sfbptt: {setting}: '")
    assert "a\ufffdb' was given; accepted: " in line
    assert tree(tmp_path) == before


def test_names_beyond_ascii_need_no_quotes(cli: Cli, tmp_path: Path) -> None:
    given = ("name=größe", "dataset=csv", "dataset.columns=[Länge,y]", "outputs=~/ö")
    text = cli("train", *given, "--cfg", "job", cwd=tmp_path, status=0).stdout
    for line in ("name: größe\n", "  - Länge\n", f"outputs: {Path.home()}/ö\n"):
        assert line in text


def test_a_home_is_one_wherever_a_path_is(
    cli: Cli, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SFBPTT_CACHE", "~/cache")
    shutil.copytree(finished.cwd / "outputs", tmp_path / "home" / "o")
    (work := tmp_path / "work").mkdir()
    run = f"~/o/{finished.run.relative_to(finished.cwd / 'outputs')}"
    assert load_run(run).dataset.obs_dim == 3
    for arguments in (
        ("train", *TINY, "outputs=~/o"),
        ("train", *TINY, "-m", "outputs=~/o"),
        ("train", f"from={run}", "outputs=~/o"),
        ("report", "runs=~/o"),
        ("report", "runs=~/o", "out=~/made"),
        ("evaluate", "runs=~/o", "jobs=1"),
    ):
        outcome = cli(*arguments, cwd=work, status=0)
        assert "epoch 1 of" not in outcome.stderr  # nothing was trained
    assert {p.name for p in (tmp_path / "home").iterdir()} == {"o", "made", "cache"}
    assert not any(work.iterdir())
    with pytest.raises(RequestError, match="there is no such home"):
        load_run("~nobody-of-that-name/run")


def test_a_sweep_over_names_has_one_folder(cli: Cli, finished: Finished, tmp_path: Path) -> None:
    """The folder of its records is named by the command, not by each of its runs."""
    for name in ("a", "ß"):
        shutil.copytree(finished.cwd / "outputs" / "run", tmp_path / "outputs" / name)
    last = RunFolder(run_folder(tmp_path, "ß"))
    last.update_manifest(status="trained")  # it is to be measured
    outcome = cli("train", *TINY, "-m", "name=a,ß", cwd=tmp_path, status=0)
    assert "2 runs: 2 finished" in outcome.stderr
    assert "report: " not in outcome.stderr, "there is no folder of these runs alone"
    rows = [line.split()[:2] for line in outcome.stdout.splitlines()]
    assert rows == [["name", "status"], ["a", "finished"], ["ß", "finished"]]
