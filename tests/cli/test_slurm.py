"""A sweep on a real Slurm of one node: preemption, time limit, cancellation, death.

It lasts about two minutes, nearly all of it waiting.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TINY, Cli, results
from fault_processes import SFBPTT, heed_sigint, latest, records, wait

from sfbptt_cli.storage.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(name)]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"there is no Slurm here ({', '.join(MISSING)})"
)

# Python runs this at its start: patches of a test do not reach the jobs of a cluster.
_SITE = """
import importlib.abc, importlib.util, os, sys

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "sfbptt_cli.commands.train":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def patched(module):
            execute(module)
            from fault_processes import slow_down
            slow_down(float(os.environ["SFBPTT_TEST_SLEEP"]))

        spec.loader.exec_module = patched
        return spec

sys.meta_path.insert(0, Slow())
"""
# A minute of training where an update waits for 0.3 seconds.
LONG = (
    "epochs=20",
    "batches_per_epoch=10",
    "window=40",
    "tau=20",
    "validation.every=10",
    "model=rnn",
)
SLURM = (
    "hydra/launcher=slurm",
    "hydra.launcher.mem_gb=1",
    "hydra.launcher.timeout_min=5",
    "hydra.launcher.signal_delay_s=55",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm whose node has room for six jobs; they mostly wait."""
    folder = tmp_path_factory.mktemp("slurm")
    for parent in folder.parents:  # munge wants to reach its socket
        if parent.owner() == "root" and parent != Path("/") and "pytest" in parent.name:
            parent.chmod(0o755)
    script = str(ROOT / "scripts" / "slurm")
    subprocess.run([script, "start", str(folder / "node"), "6"], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "node" / "slurm.conf"))
        try:
            yield
        finally:
            subprocess.run([script, "stop", str(folder / "node")], check=True)


def start(cwd: Path, *arguments: str, sleep: float = 0.0) -> subprocess.Popen[str]:
    """`sfbptt train -m …` in a session of its own, `sleep` seconds an update."""
    site = cwd.parent / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE)
    paths = f"{site}:{ROOT / 'tests'}"
    return subprocess.Popen(
        [SFBPTT, "train", "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, "SFBPTT_TEST_SLEEP": str(sleep)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_sigint,
    )


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run_of(cwd: Path, seed: int) -> Path:
    found = list((cwd / "outputs" / "run").glob(f"*/*/*/seed{seed}"))
    return found[0] if found else cwd / "nothing yet"


def epochs(cwd: Path, seed: int) -> int:
    path = run_of(cwd, seed) / "metrics.csv"
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def preempt_one(cwd: Path) -> int:
    """Let a job of the partition `high` push a run out; return the number of that run."""
    before = {
        number for number, record in records(latest(cwd)).items() if record["status"] == "requeued"
    }
    slurm("sbatch", "-p", "high", "-c", "1", "--mem=1", "-o", "/dev/null", "--wrap", "sleep 3")

    def requeued() -> set[int]:
        found = records(latest(cwd)).items()
        return {n for n, record in found if record["status"] == "requeued"} - before

    wait(requeued)
    (number,) = requeued()
    assert RunFolder(run_of(cwd, number)).manifest()["status"] == "requeued"
    return number


def test_a_disturbed_array(
    cluster: None, cli: Cli, cwd: Path, tmp_path: Path, no_figures: None
) -> None:
    arguments = (*TINY, *LONG, *SLURM, "seed=range(6)")
    sweep = start(cwd, *arguments, sleep=0.3)
    try:
        wait(lambda: all(epochs(cwd, seed) >= 1 for seed in range(6)))
        array = min(slurm("squeue", "-h", "-o", "%A", "-t", "RUNNING").split(), key=int)
        preempted = preempt_one(cwd)
        limited, cancelled, crashed, *_ = (seed for seed in range(6) if seed != preempted)
        reached = epochs(cwd, preempted)
        wait(lambda: epochs(cwd, preempted) > reached)
        again = preempt_one(cwd)  # the youngest, which is the one that has just begun again
        # A minute from its start, of which it is told up to 55 + 30 seconds before.
        slurm("scontrol", "update", f"JobId={array}_{limited}", "TimeLimit=1")
        slurm("scancel", f"{array}_{cancelled}")
        os.kill(records(latest(cwd))[crashed]["process"], signal.SIGKILL)
        stdout, stderr = sweep.communicate(timeout=240)
    finally:
        sweep.kill()
    assert sweep.returncode == 1, stderr
    lost = {cancelled, crashed}
    assert statuses(stdout) == {n: "died" if n in lost else "finished" for n in range(6)}, stderr
    assert stderr.count("sfbptt: seed=") == 2
    assert "sacct" not in stderr, "this Slurm keeps no accounts"
    assert stderr.startswith("6 runs go to Slurm as sfbptt-run; ")
    logs = {n: (latest(cwd) / f"job {n}.log").read_text() for n in range(6)}
    assert again == preempted
    assert logs[preempted].count("continuing ") == 2
    assert logs[limited].count("continuing ") >= 1
    finished = {n: results(run_of(cwd, n)) for n in range(6) if n not in lost}

    # The same command makes only what is missing.
    sweep = start(cwd, *arguments)
    stdout, stderr = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, stderr
    assert statuses(stdout) == dict.fromkeys(range(6), "finished")
    assert records(latest(cwd)).keys() == lost
    assert {n: results(run_of(cwd, n)) for n in finished} == finished

    quiet = tmp_path / "undisturbed"
    quiet.mkdir()
    for seed in (preempted, limited, cancelled, crashed):
        cli("train", *TINY, *LONG, f"seed={seed}", cwd=quiet, status=0)
        assert results(run_of(quiet, seed)) == results(run_of(cwd, seed))


def statuses(printed: str) -> dict[int, str]:
    """Return the status of each seed, from the table."""
    return {int(line.split()[0]): line.split()[1] for line in printed.splitlines()[1:]}


def test_ctrl_c_leaves_the_array_in_the_queue(cluster: None, cwd: Path) -> None:
    """Only the watching ends; the same command then finds the runs finished."""
    arguments = (*TINY, *LONG, *SLURM, "seed=range(2)")
    sweep = start(cwd, *arguments, sleep=0.05)
    wait(lambda: all(epochs(cwd, seed) >= 1 for seed in range(2)))
    os.killpg(sweep.pid, signal.SIGINT)
    stdout, stderr = sweep.communicate(timeout=120)
    assert (sweep.returncode, stdout) == (130, ""), stderr
    assert stderr.splitlines()[-1].startswith("sfbptt: interrupted; the jobs stay in the queue")
    wait(lambda: {r["status"] for r in records(latest(cwd)).values()} == {"finished"})
    again = start(cwd, *arguments)
    stdout, stderr = again.communicate(timeout=120)
    assert again.returncode == 0, stderr
    assert statuses(stdout) == dict.fromkeys(range(2), "finished")
    assert not records(latest(cwd))
