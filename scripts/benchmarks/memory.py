"""How much memory training and measuring take, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ours import lorenz, series_file
from benchmarks.program import SCRIPTS, SFBPTT, run

HELP = "resident memory of training and measuring, in child processes"
_TINY = (
    "threads=1",
    "tau=30",
    "epochs=1",
    "batches_per_epoch=5",
    "validation.every=0",
    "evaluation.lyapunov_steps=100",
    "evaluation.dimension_steps=100",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, default=10_000_000, help="steps of the long series")
    parser.add_argument("--steps", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--points", type=int, default=10_000, help="of the mixtures")
    parser.add_argument("--updates", type=int, default=20_000)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Megabytes: the most that was resident, and what was anonymous at the end, by case."""
    with tempfile.TemporaryDirectory() as scratch:
        series = str(series_file(Path(scratch, "series.npy"), arguments.series))
        results = {
            "imports alone": _case("imports"),
            f"training, {arguments.series} steps on disk": _case("training", series, "20"),
            f"GMM distance, {arguments.points} points": _case("gmm", str(arguments.points)),
            f"{arguments.updates} updates": _case("growth", str(arguments.updates)),
        }
        for steps in arguments.steps:
            results[f"sfbptt train, evaluation of {steps} steps"] = _evaluation(scratch, steps)
    return {"megabytes": results}


def _case(name: str, *given: str) -> dict[str, float]:
    usage = run([sys.executable, "-m", "benchmarks.memory_cases", name, *given], cwd=SCRIPTS)
    return {"most": usage.megabytes, **json.loads(usage.said)}


def _evaluation(scratch: str, steps: int) -> dict[str, float]:
    """A whole run of the program, whose training is negligible."""
    path = Path(scratch, f"{steps}.npy")
    np.save(path, np.tile(lorenz(20_000), (-(-2 * (steps + 2_000) // 20_000), 1)))
    command = [SFBPTT, "train", "dataset=npy", f"dataset.path={path}", "dataset.train_fraction=0.5"]
    command += [f"outputs={scratch}/{steps}", f"evaluation.steps={steps}", *_TINY]
    return {"most": run(command).megabytes}


def lines(result: dict[str, Any]) -> list[str]:
    """Megabytes by case."""
    return [
        f"{case}: " + ", ".join(f"{what} {value:.1f}" for what, value in found.items())
        for case, found in result["megabytes"].items()
    ]
