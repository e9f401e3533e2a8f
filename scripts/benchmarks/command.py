"""How long a user waits: whole commands, from the key that is pressed to the prompt."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.program import SFBPTT, Usage, run
from benchmarks.timing import spread

HELP = "wall time and memory of whole commands; wants a quiet machine"
_TRAIN = ("train", "model=lstm", "tau=30")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds and megabytes of each command, and of its training.

    From nothing means an empty cache folder: data are simulated, floors are computed, and, the
    first time of all, kernels are compiled.
    """
    rounds = [_round() for _ in range(arguments.rounds)]
    names = {name: None for one in rounds for name in one}  # in the order of the first round
    return {
        "commands": {name: _summary([one[name] for one in rounds if name in one]) for name in names}
    }


def _round() -> dict[str, dict[str, float]]:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    for variable in threads:  # the command finds those that a user has
        os.environ.pop(variable, None)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SFBPTT_CACHE"] = f"{scratch}/cache"
        found = {"--help": _ended(["--help"], 0), "a wrong override": _ended(["train", "tua=3"], 2)}
        place = f"outputs={scratch}/outputs"
        found["train, from nothing"] = _of_training(run([SFBPTT, *_TRAIN, place]), scratch)
        again = f"outputs={scratch}/again"
        found["train"] = _of_training(run([SFBPTT, *_TRAIN, again]), f"{scratch}/again")
        folder = str(next(Path(scratch, "again").rglob("run.json")).parent)
        analyses = {
            "evaluate": ["evaluate", f"run={folder}"],
            "lyapunov run=": ["lyapunov", f"run={folder}"],
            "gradients run=": ["gradients", f"run={folder}"],
            "report": ["report", f"runs={scratch}/again"],
        }
        for name, command in analyses.items():
            found[name] = _used(run([SFBPTT, *command]))
    return found


def _ended(command: list[str], status: int) -> dict[str, float]:
    begun = time.perf_counter()
    finished = subprocess.run([SFBPTT, *command], capture_output=True, check=False)
    if finished.returncode != status:
        raise SystemExit(f"sfbptt {' '.join(command)} ended with {finished.returncode}")
    return {"seconds": time.perf_counter() - begun}


def _of_training(usage: Usage, folder: str) -> dict[str, float]:
    manifest = next(Path(folder).rglob("run.json")).read_text(encoding="utf-8")
    return {**_used(usage), "training_seconds": json.loads(manifest)["training_seconds"]}


def _used(usage: Usage) -> dict[str, float]:
    return {"seconds": usage.seconds, "megabytes": usage.megabytes}


def _summary(measured: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {what: spread([one[what] for one in measured]) for what in measured[0]}


def lines(result: dict[str, Any]) -> list[str]:
    """Medians of each command."""
    shown = []
    for name, found in result["commands"].items():
        line = f"{name}: {found['seconds']['median']:.2f} s"
        if "training_seconds" in found:
            line += f", of which training {found['training_seconds']['median']:.1f} s"
        if "megabytes" in found:
            line += f"; {found['megabytes']['median']:.0f} MB"
        shown.append(line)
    return shown
