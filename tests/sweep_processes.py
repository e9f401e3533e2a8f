"""What tests of sweeps share: processes whose training is slow, without work for the cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fault_processes import heed_sigint

# A run of 2 epochs of TINY, made 20 epochs of 10 updates.
LONG = ("epochs=20", "batches_per_epoch=10", "window=40", "tau=20", "validation.every=10")

# Python runs this at its start; patches of a test do not reach the processes of a launcher.
_SITE = """
import importlib.abc, importlib.util, os, sys, time

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "sfbptt_cli.commands.train":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def patched(module):
            execute(module)
            from sfbptt_cli.experiment import measure as measurement, training as run_training
            measurement.draw = lambda run: None
            run_training._CHECKPOINT_SECONDS = 0.0
            update = module.Trainer.update

            def slow(trainer, starts):
                time.sleep(float(os.environ["SFBPTT_TEST_SLEEP"]))
                update(trainer, starts)

            module.Trainer.update = slow

        spec.loader.exec_module = patched
        return spec

sys.meta_path.insert(0, Slow())
"""

SFBPTT = str(Path(sys.executable).parent / "sfbptt")


def start(cwd: Path, *arguments: str, sleep: float = 0.0, **more: str) -> subprocess.Popen[str]:
    """`sfbptt train -m …` in a session of its own, `sleep` seconds an update."""
    site = cwd.parent / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE)
    environment = {**os.environ, "PYTHONPATH": str(site), "SFBPTT_TEST_SLEEP": str(sleep), **more}
    return subprocess.Popen(
        [SFBPTT, "train", "-m", *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_sigint,
    )


def latest(cwd: Path) -> Path:
    """The folder of the last sweep."""
    return max((cwd / "outputs" / "run" / ".sweeps").iterdir())


def records(sweep: Path) -> dict[int, dict[str, Any]]:
    """What each job that has begun said last, by its number."""
    return {
        int(path.stem.split()[1]): json.loads(path.read_text()) for path in sweep.glob("job *.json")
    }


def manifest(run: Path) -> dict[str, Any]:
    """run.json, empty before there is one."""
    path = run / "run.json"
    return json.loads(path.read_text()) if path.exists() else {}


def wait(condition: Callable[[], Any], seconds: float = 240) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def checkpoints(run: Path) -> dict[str, bytes]:
    """The bytes that must not depend on what disturbed a run."""
    names = (
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "metrics.csv",
        "evaluation.json",
    )
    return {name: (run / name).read_bytes() for name in names}
