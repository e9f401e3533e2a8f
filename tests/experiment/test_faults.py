"""Nothing is lost: processes that are killed or stopped, full disks, folders that go away.

The faults are real: signals, file systems of a few hundred kilobytes, damaged bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from conftest import PROGRESS, Cli, Outcome, at_update, run_folder
from fault_processes import ENVIRONMENT, SETTINGS, Console, Forked, finish, said
from fault_runs import Tally, differing, disturb, phase, results, run_of, unreadable

from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.experiment import measure as measurement
from sfbptt_cli.experiment import training as run_training
from sfbptt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from sfbptt_cli.storage.run_folder import RunFolder

TRAIN = ("train", *SETTINGS)
# Loaded before the C library: the time of day jumps once a file is there, the monotonic clock does
# not, as when the kernel's clock is set.
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (id == CLOCK_REALTIME && access(getenv("CLOCK_HAS_JUMPED"), F_OK) == 0)
        now->tv_sec -= 400 * 86400;
    return failed;
}
"""


class Undisturbed(NamedTuple):
    """A finished run that nothing disturbed: its working directory, files, and seconds."""

    cwd: Path
    files: dict[str, Any]
    seconds: float


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    finish(Forked, tmp_path_factory.mktemp("imports"), "--version")
    cwd = tmp_path_factory.mktemp("undisturbed")
    seconds = finish(Forked, cwd)
    return Undisturbed(cwd, results(run_folder(cwd)), seconds)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after every epoch."""
    monkeypatch.setattr(run_training, "_CHECKPOINT_SECONDS", 0.0)


def stop(number: signal.Signals) -> Callable[..., None]:
    return lambda *_, **__: os.kill(os.getpid(), number)


@pytest.fixture(scope="module")
def stopped(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a working directory with a run that was stopped in its fourth epoch."""
    cwd = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_training, "_CHECKPOINT_SECONDS", 0.0)
        at_update(patch, 15, stop(signal.SIGTERM))
        assert cli(*TRAIN, cwd=cwd).status == 130
    return cwd


@pytest.fixture
def interrupted(stopped: Path, often: None, no_figures: None, tmp_path: Path) -> Path:
    """Copy it, for runs without figures, which take most of the time."""
    return Path(shutil.copytree(stopped, tmp_path / "work"))


def trained(undisturbed: Undisturbed, cwd: Path) -> Path:
    """Make `cwd` hold a run that was killed after its last checkpoint."""
    shutil.copytree(undisturbed.cwd, cwd)
    folder = RunFolder(run_folder(cwd))
    for path in (folder.evaluation_file, folder.trajectories):
        path.unlink()
    shutil.rmtree(folder.figures)
    folder.update_manifest(status="trained")
    return cwd


def assert_completes(cli: Cli, cwd: Path, undisturbed: Undisturbed) -> Outcome:
    outcome = cli(*TRAIN, cwd=cwd, status=0)
    drawn = (run_folder(cwd) / "figures").exists()
    found = differing(run_folder(cwd), undisturbed.files)
    assert [name for name in found if drawn or not name.startswith("figures/")] == []
    return outcome


def one_line(outcome: Outcome, status: int, *words: str) -> str:
    """Return the only line of standard error that is no progress."""
    lines = [x for x in outcome.stderr.splitlines() if not x.startswith(PROGRESS)]
    assert outcome.status == status, outcome.stderr
    assert len(lines) == 1, outcome.stderr
    assert lines[0].startswith("sfbptt: ")
    assert all(word in lines[0] for word in words), lines[0]
    return lines[0]


# SIGKILL.


def test_killed_at_any_moment_a_run_continues_to_the_same_bytes(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    generator, tally = np.random.default_rng(3), Tally()
    for number, starts in enumerate(((Forked, Forked, Forked), (Console, Forked))):
        cwd = tmp_path / f"run{number}"
        cwd.mkdir()
        for start in starts:
            disturb(start, cwd, undisturbed.seconds, (signal.SIGKILL,), generator, tally)
        finish(Forked, cwd)
        tally.failures += differing(run_folder(cwd), undisturbed.files)
    assert tally.failures == []
    assert sum(tally.counts.values()) > 0


def test_the_check_of_files_sees_damage(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The tests above can fail."""
    cwd = Path(shutil.copytree(undisturbed.cwd, tmp_path / "copy"))
    run = run_folder(cwd)
    assert unreadable(run) == []
    assert phase(run) == "end"
    files = [p for p in run.rglob("[!.]*") if p.is_file()]
    for path in {p.suffix if p.parent == run / "figures" else p: p for p in files}.values():
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if path.suffix != ".yaml" else b"x")
        assert len(unreadable(run)) == 1, path
        if path.name != "run.json":
            assert differing(run, undisturbed.files) == [str(path.relative_to(run))]
        path.write_bytes(whole)


def test_what_killed_writers_left_is_removed_by_the_next_holder_of_the_lock(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    run = run_folder(Path(shutil.copytree(undisturbed.cwd, tmp_path / "copy")))
    remains = [
        run / ".metrics-abcd_123.csv",
        run / ".trajectories-zzzzzzzz.h5",
        RunFolder(run).last.with_name(f".last-12345678{RunFolder(run).last.suffix}"),
        run / "figures" / ".attractor-qwertyui.png",
    ]
    others = [run / ".notes-abcdefgh.txt", run / ".metrics-abc.csv", run / "metrics-abcdefgh.csv"]
    for path in (*remains, *others):
        path.write_text("half")
    with RunFolder(run).lock():
        assert not any(path.exists() for path in remains)
        remains[0].write_text("being written")
        with pytest.raises(RequestError, match="another process works"), RunFolder(run).lock():
            pass
        assert remains[0].exists()
    assert all(path.exists() for path in others)


# Damaged checkpoints.


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


@pytest.mark.parametrize(
    ("names", "continued"), [(("last",), "previous"), (("last", "previous"), "best")]
)
def test_a_damaged_checkpoint_is_passed_over_for_an_earlier_one(
    cli: Cli, interrupted: Path, undisturbed: Undisturbed, names: tuple[str, ...], continued: str
) -> None:
    folder = RunFolder(run_folder(interrupted))
    updates = [load_checkpoint(p)["schedule"]["last_epoch"] for p in (folder.last, folder.previous)]
    assert updates == [15, 12]
    paths = [getattr(folder, name) for name in names]
    for path in paths:
        truncate(path)
    outcome = assert_completes(cli, interrupted, undisturbed)
    (line,) = [x for x in outcome.stderr.splitlines() if x.startswith("damaged: ")]
    earlier = getattr(folder, continued).relative_to(interrupted)
    assert line.endswith(f"; continuing from '{earlier}'")
    assert all(f"checkpoints/{path.name}' (" in line for path in paths)


def test_with_every_checkpoint_damaged_the_run_is_refused(cli: Cli, interrupted: Path) -> None:
    folder = RunFolder(run_folder(interrupted))
    paths = (folder.last, folder.previous, folder.best)
    for path in paths:
        truncate(path)
    before = {path: path.read_bytes() for path in paths}
    outcome = cli(*TRAIN, cwd=interrupted)
    named = [f"{path.name}'" for path in (folder.last, folder.best)]
    one_line(outcome, 2, "checkpoint: damaged", *named, "overwrite=true trains")
    assert {path: path.read_bytes() for path in paths} == before


def test_a_checkpoint_of_another_model_is_refused_and_not_passed_over(
    cli: Cli, interrupted: Path
) -> None:
    folder = RunFolder(run_folder(interrupted))
    content = load_checkpoint(folder.last)
    name = next(iter(content["model"]))
    content["model"][name] = torch.zeros(2, 2)
    save_checkpoint(folder.last, content)
    before = folder.last.read_bytes()
    outcome = cli(*TRAIN, cwd=interrupted)
    one_line(outcome, 2, f"{folder.last.name}'", "overwrite=true trains the run again")
    assert folder.last.read_bytes() == before


# Disks.


class Disk:
    """A file system of its own, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, left: int) -> None:
        """Leave so many bytes."""
        self.free()
        found = os.statvfs(self.path)
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_bsize - left)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_full_at_a_checkpoint(
    cli: Cli, interrupted: Path, undisturbed: Undisturbed, disk: Disk
) -> None:
    cwd = Path(shutil.copytree(interrupted, disk.path / "work"))
    folder = RunFolder(run_folder(cwd))
    before = folder.last.read_bytes()
    folder.previous.unlink()  # replacing it would make room
    for left in (0, 8192, len(before) - 4096):
        disk.fill(left)
        line = one_line(cli(*TRAIN, cwd=cwd), 1, "No space left on device")
        assert folder.last.read_bytes() == before
        assert unreadable(folder.path) == []
        folder.previous.unlink(missing_ok=True)
    assert any(f"/checkpoints/{path.name}'" in line for path in (folder.last, folder.best))
    disk.free()
    assert_completes(cli, cwd, undisturbed)


def test_a_disk_that_is_full_after_training(cli: Cli, undisturbed: Undisturbed, disk: Disk) -> None:
    cwd = trained(undisturbed, disk.path / "work")
    folder = RunFolder(run_folder(cwd))
    stored = -(-len(undisturbed.files["trajectories.h5"]) // 4096) * 4096
    # run.json is written before, beside the earlier one.
    steps = {"trajectories.h5": 8192, "evaluation.json": stored, "figures": stored + 16384}
    for at, left in steps.items():
        disk.fill(left)
        line = one_line(cli(*TRAIN, cwd=cwd), 1, "No space left on device")
        assert at in line
        assert unreadable(folder.path) == []
        for path in (folder.last, folder.best):
            expected = undisturbed.files[str(path.relative_to(folder.path))]
            assert path.read_bytes() == expected
        folder.trajectories.unlink(missing_ok=True)
    disk.free()
    assert_completes(cli, cwd, undisturbed)


def test_hdf5_on_a_full_disk_does_not_take_the_process_with_it(disk: Disk) -> None:
    """HDF5 2.0 that writes to the disk itself crashes at some of these sizes, as it closes."""
    from sfbptt_cli.storage.trajectories import read_trajectories, write_trajectories

    path = disk.path / "trajectories.h5"
    series = np.ones((200, 3))
    attributes = {f"note{i}": "x" * 300 for i in range(12)}

    def write() -> None:
        write_trajectories(path, series[None], series, 0.01, "s", ("a", "b", "c"), attributes)

    write()
    needed = path.stat().st_size
    path.unlink()
    for left in range(0, needed, 4096):
        disk.fill(left)
        with pytest.raises(OSError, match="No space left on device") as failed:
            write()
        assert failed.value.filename == str(path)
        assert [p.name for p in disk.path.iterdir()] == ["filler"]
    disk.free()
    write()
    assert len(read_trajectories(path).truth) == 200


def test_a_disk_that_is_full_at_a_report(cli: Cli, undisturbed: Undisturbed, disk: Disk) -> None:
    cwd = Path(shutil.copytree(undisturbed.cwd, disk.path / "work"))
    disk.fill(65536)
    one_line(cli("report", "runs=outputs/run", cwd=cwd), 1, "No space left on device")
    assert differing(run_folder(cwd), undisturbed.files) == []
    disk.free()
    cli("report", "runs=outputs/run", cwd=cwd, status=0)


def test_a_disk_that_is_read_only(
    cli: Cli, interrupted: Path, undisturbed: Undisturbed, disk: Disk
) -> None:
    cwd = Path(shutil.copytree(interrupted, disk.path / "work"))
    disk.remount("ro")
    one_line(cli(*TRAIN, cwd=cwd), 1, "Read-only file system")
    one_line(cli(*TRAIN, "name=other", cwd=cwd), 1, "Read-only file system")
    disk.remount("rw")
    assert_completes(cli, cwd, undisturbed)


# Folders.


@pytest.mark.parametrize("again", [False, True], ids=["removed", "replaced"])
def test_a_folder_that_is_removed_under_the_run(
    cli: Cli,
    undisturbed: Undisturbed,
    often: None,
    no_figures: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    def remove() -> None:
        run = run_folder(tmp_path)
        shutil.rmtree(run)
        if again:  # by another process, which begins the run anew
            run.mkdir()
            (run / ".lock").touch()

    with monkeypatch.context() as patch:
        at_update(patch, 10, remove)
        outcome = cli(*TRAIN, cwd=tmp_path)
    one_line(outcome, 1, "was removed from under the run; the same command starts it again")
    run = run_of(tmp_path)
    assert (run is not None) == again
    assert run is None or [p.name for p in run.iterdir()] == [".lock"]
    assert_completes(cli, tmp_path, undisturbed)


def test_a_new_folder_is_locked_from_its_first_moment(tmp_path: Path) -> None:
    """Nobody comes between claim and lock."""
    run = tmp_path / "run"
    settings = {"tau": 1}
    inside, refused = threading.Barrier(8), []

    def claim() -> None:
        inside.wait()
        try:
            with RunFolder(run).claimed(settings, overwrite=False):
                assert RunFolder(run).config() == settings
                time.sleep(0.2)
        except RequestError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert all("another process works on" in message for message in refused)


def test_a_held_folder_knows_when_it_is_no_longer_its_own(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.claimed({"tau": 1}, overwrite=False):
        folder.update_manifest(status="running")
        shutil.rmtree(folder.path)
        for write in (
            lambda: folder.update_manifest(status="failed"),
            lambda: folder.write_history([{"epoch": 1}]),
        ):
            with pytest.raises(RunFailed, match="was removed from under the run"):
                write()
    assert not folder.path.exists()


# The clock.


@pytest.mark.skipif(shutil.which("cc") is None, reason="a clock that jumps needs a C compiler")
def test_a_clock_that_jumps_changes_no_duration_and_no_result(
    undisturbed: Undisturbed, cwd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumped, library = tmp_path / "jumped", tmp_path / "clock.so"
    (tmp_path / "clock.c").write_text(CLOCK)
    build = ["cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "clock.c"), "-ldl"]
    subprocess.run(build, check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_HAS_JUMPED", str(jumped))
    begun = time.monotonic()
    process = Console(cwd, TRAIN)
    while phase(run_of(cwd)) == "start-up" and process.wait(0.02) is None:
        pass
    jumped.touch()
    assert process.wait(300) == 0, said(cwd)
    passed = time.monotonic() - begun
    run = run_folder(cwd)
    assert differing(run, undisturbed.files) == []
    manifest = json.loads((run / "run.json").read_text())
    assert 0 < manifest["training_seconds"] < passed
    assert manifest["finished"] < manifest["started"]  # so it has jumped


# Stop signals where there is no update to wait for.


# A function that is called at that stage of a run.
STAGES = {
    "start-up": (run_training, "build_dataset"),
    "evaluation": (measurement, "evaluate"),
    "figures": (measurement, "draw_missing"),
}


def interrupt(monkeypatch: pytest.MonkeyPatch, at: str, act: Callable[..., None]) -> None:
    """Call `act` as the run begins to simulate its data, is evaluated, or drawn."""
    owner, name = STAGES[at]
    real = getattr(owner, name)

    def acting(*arguments: Any, **settings: Any) -> Any:
        act()
        return real(*arguments, **settings)

    monkeypatch.setattr(owner, name, acting)


@pytest.mark.parametrize(
    ("at", "where", "number"),
    [
        ("start-up", "as it began", signal.SIGINT),
        ("evaluation", "in its evaluation", signal.SIGTERM),
        ("figures", "in its evaluation", signal.SIGINT),
    ],
)
def test_a_stop_signal_at_any_time_is_one_line(
    cli: Cli,
    tmp_path: Path,
    undisturbed: Undisturbed,
    no_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
    where: str,
    number: signal.Signals,
) -> None:
    cwd = tmp_path / "work"
    if at == "start-up":
        cwd.mkdir()
    else:
        trained(undisturbed, cwd)
    # A shell's background job, as tests may be, ignores SIGINT; so then would the run.
    with handled(signal.SIGINT, signal.default_int_handler), monkeypatch.context() as patch:
        interrupt(patch, at, stop(number))
        outcome = cli(*TRAIN, cwd=cwd)
    line = one_line(outcome, 130, f"stopped {where} by {number.name}; the same command")
    assert line.endswith("; the same command continues it")
    run = run_of(cwd)
    assert (run is None) == (at == "start-up")
    if run is not None:
        assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
        assert unreadable(run) == []
        assert_completes(cli, cwd, undisturbed)


@contextlib.contextmanager
def handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)


def test_a_cluster_s_handler_is_called_during_the_evaluation(
    cli: Cli,
    tmp_path: Path,
    undisturbed: Undisturbed,
    no_figures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As submitit's: SIGTERM is passed over, SIGUSR2 requeues the job and exits."""
    cwd, passed = trained(undisturbed, tmp_path / "work"), list[int]()

    def requeue(*_: object) -> None:
        raise SystemExit(-1)

    with (
        handled(signal.SIGTERM, lambda number, _: passed.append(number)),
        handled(signal.SIGUSR2, requeue),
        monkeypatch.context() as patch,
    ):
        interrupt(patch, "evaluation", stop(signal.SIGTERM))
        interrupt(patch, "figures", stop(signal.SIGUSR2))
        with pytest.raises(AssertionError):  # the status -1 is none that the command line gives
            assert cli(*TRAIN, cwd=cwd).status in (0, 1, 2, 130)
    assert passed == [signal.SIGTERM]
    run = run_folder(cwd)
    assert json.loads((run / "run.json").read_text())["status"] == "requeued"
    assert_completes(cli, cwd, undisturbed)


def test_an_evaluation_that_is_stopped_leaves_the_earlier_one(
    cli: Cli, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cwd = Path(shutil.copytree(undisturbed.cwd, tmp_path / "work"))
    run = run_folder(cwd)
    interrupt(monkeypatch, "evaluation", stop(signal.SIGTERM))
    outcome = cli("evaluate", f"run={run}", cwd=cwd)
    one_line(outcome, 130, "stopped in its evaluation by SIGTERM; the same command measures it")
    assert differing(run, undisturbed.files) == []
