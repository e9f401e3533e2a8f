"""The scripts and the packages: what happens before any of our Python runs.

The environment is made by a stand-in for Python that writes down what pip is asked for and
installs a stand-in for sfbptt; everything else about the scripts is real.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash") or "bash"

STAND_IN = f"""#!{BASH}
case "$1 $2" in
"-m venv")
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    ;;
"-m pip")
    printf '%s\\n' "$*" >>pip.log
    sleep "${{PIP_SECONDS-0}}"
    [ ! -e pip-fails ] || exit 1
    [ ! -e pip-is-killed ] || {{ kill -KILL "$PPID"; exit 1; }}
    printf '#!{BASH}\\necho "sfbptt in $PWD:$(printf " <%%s>" "$@")"\\n' >.venv/bin/sfbptt
    chmod +x .venv/bin/sfbptt
    ;;
"-m pytest") echo "$*, in $PWD" ;;
*) exec {shlex.quote(sys.executable)} "$@" ;;
esac
"""


def _executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the scripts alone, in a folder with a space, without an environment."""
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    _executable(root / "python", STAND_IN)
    return root


def _start(script: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    root = script.resolve().parent.parent
    return subprocess.Popen(
        [str(script), *arguments],
        cwd=root.parent,
        env={**os.environ, "PYTHON": str(root / "python"), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _call(script: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    process = _start(script, *arguments, **variables)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def _installations(checkout: Path) -> list[str]:
    """What pip was asked to install, a word for each time it was called."""
    return [line.split()[-1] for line in (checkout / "pip.log").read_text().splitlines()]


def test_run_keeps_folder_and_arguments_and_installs_once(checkout: Path) -> None:
    link = checkout.parent / "bin" / "sfbptt-run"
    link.parent.mkdir()
    link.symlink_to(checkout / "scripts" / "run")
    for script, said in ((checkout / "scripts" / "run", 1), (link, 0)):
        status, out, err = _call(script, "train", "name=two words", "")
        assert status == 0
        assert out == f"sfbptt in {checkout.parent}: <train> <name=two words> <>\n"
        assert err.count("\n") == err.count("minutes") == said
    assert _installations(checkout) == ["."]
    _executable(checkout / ".venv/bin/sfbptt", f"#!{BASH}\nexit 130\n")
    assert _call(checkout / "scripts" / "run")[0] == 130


def test_an_environment_serves_those_before_it_but_not_the_reverse(checkout: Path) -> None:
    for name in ("run", "test", "run"):
        assert _call(checkout / "scripts" / name)[0] == 0
    assert _installations(checkout) == [".", ".[dev]"]
    environment = checkout / "scripts" / "environment"
    for name in ("docs", "dev", "run"):
        assert _call(environment, name)[0] == 0
    assert _installations(checkout) == [".", ".[dev]", ".[dev,docs]"]
    status, out, _ = _call(checkout / "scripts" / "test", "-n", "0", "tests/test_scripts.py")
    assert status == 0
    assert out.endswith(f"-n 0 tests/test_scripts.py, in {checkout}\n")
    assert len(_installations(checkout)) == 3


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed(checkout: Path, name: str) -> None:
    _call(checkout / "scripts" / "test")
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    marker = checkout / ".venv" / "marker"
    marker.touch()
    assert "updating" in _call(checkout / "scripts" / "run")[2]
    assert _installations(checkout) == [".[dev]", ".[dev]"]
    assert marker.exists()


def test_moved_checkout_is_installed_again(checkout: Path) -> None:
    _call(checkout / "scripts" / "run")
    moved = checkout.rename(checkout.with_name("moved"))
    assert "making" in _call(moved / "scripts" / "run")[2]
    assert _installations(moved) == [".", "."]


@pytest.mark.parametrize("accident", ["pip-fails", "pip-is-killed"])
@pytest.mark.parametrize("updating", [False, True])
def test_interrupted_installation_is_repeated(
    checkout: Path, accident: str, updating: bool
) -> None:
    run = checkout / "scripts" / "run"
    before = (checkout / "constraints.txt").read_text()
    if updating:
        _call(run)
        (checkout / "constraints.txt").write_text(before + "# changed\n")
    (checkout / accident).touch()
    status, out, err = _call(run)
    assert status != 0
    assert out == ""
    assert ("tries again" in err) == (accident == "pip-fails")
    # Not even the requirements of the last complete installation are trusted now.
    (checkout / "constraints.txt").write_text(before)
    (checkout / accident).unlink()
    status, _, err = _call(run)
    assert status == 0
    assert "making" in err
    assert _call(run)[2] == ""
    assert len(_installations(checkout)) == 2 + updating


def test_two_calls_at_once_install_once(checkout: Path) -> None:
    both = [_start(checkout / "scripts" / "run", PIP_SECONDS="1") for _ in range(2)]
    errors = sorted(process.communicate(timeout=60)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "making" in errors[0]
    assert "waiting" in errors[1]
    assert _installations(checkout) == ["."]


def _python_that(does: str, path: Path) -> Path:
    """An interpreter that runs what it is told to, after some code of ours."""
    command = shlex.join([sys.executable, "-c", f"import sys; {does}; exec(sys.argv[-1])"])
    return _executable(path, f'#!{BASH}\nexec {command} "$@"\n')


def test_unsuitable_python_on_the_path(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "env", "readlink", "dirname", "cat", "cksum", "rm"):
        (tools / name).symlink_to(shutil.which(name) or pytest.fail(f"{name} is missing"))
    _python_that("sys.version_info = (3, 8, 10)", tools / "python3")
    _executable(tools / "python3.13", f"#!{BASH}\nexit 127\n")
    for name in ("run", "test"):
        status, out, err = _call(checkout / "scripts" / name, PATH=str(tools), PYTHON="")
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert "needs Python 3.11 or newer" in err
        assert "python3 (3.8.10)" in err
        assert "python3.13 (does not start)" in err
    assert not (checkout / ".venv").exists()


def test_unsuitable_python_that_was_asked_for(checkout: Path, tmp_path: Path) -> None:
    old = _python_that("sys.version_info = (3, 10, 1)", tmp_path / "old")
    # As Debian ships it: ensurepip is in a package of its own.
    bare = _python_that("sys.modules['ensurepip'] = None", tmp_path / "python")
    missing = tmp_path / "missing"
    named = {old: f"{old} (3.10.1)", missing: f"no {missing}", bare: "without venv"}
    for python, words in named.items():
        status, out, err = _call(checkout / "scripts" / "run", PYTHON=str(python))
        assert (status, out) == (2, "")
        assert words in err


def test_wheel_by_way_of_the_source_archive(tmp_path: Path) -> None:
    """`build` makes the wheel from the archive, so this proves both complete."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (archive,) = tmp_path.glob("sfbptt-*.tar.gz")
    (wheel,) = tmp_path.glob("sfbptt-*.whl")
    with tarfile.open(archive) as tar:
        archived = {name.partition("/")[2] for name in tar.getnames()}
    with zipfile.ZipFile(wheel) as zipped:
        packed = set(zipped.namelist())

    configs = {path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml")}
    modules = {path.relative_to(ROOT) for path in (ROOT / "sfbptt_cli").rglob("*.py")}
    assert configs
    assert modules
    assert {str(path) for path in configs | modules} <= archived
    assert {str(path) for path in modules} <= packed
    assert {f"sfbptt_cli/{path}" for path in configs} <= packed
    assert not {name for name in archived if name.startswith((".ci", ".venv", "outputs"))}

    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", target, wheel], check=True, capture_output=True)
    found = subprocess.run(
        [sys.executable, "-c", "import sfbptt_cli as s; print(s.__file__, s.__version__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert found == [str(target / "sfbptt_cli/__init__.py"), wheel.name.split("-")[1]]
