"""A sweep over two processes against the same runs one after another."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.program import SFBPTT, run
from benchmarks.timing import alternate, ratio, summary

HELP = "short runs over two processes against one; wants a quiet machine"
_PARALLEL = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--taus", nargs="+", default=["5", "10", "20", "30", "50", "70", "100"])
    parser.add_argument("--seeds", nargs="+", default=["0", "1"])
    parser.add_argument("--epochs", type=int, default=8, help="of each run")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="further settings of sfbptt train")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every τ times every seed, one thread a run."""
    swept = [f"tau={','.join(arguments.taus)}", f"seed={','.join(arguments.seeds)}"]
    common = ["threads=1", f"epochs={arguments.epochs}", *arguments.overrides]
    with tempfile.TemporaryDirectory() as scratch:
        count = 0

        def sweep(*launcher: str) -> None:
            nonlocal count
            count += 1  # into a folder of its own: finished runs are not made again
            run([SFBPTT, "train", "-m", *swept, f"outputs={scratch}/{count}", *common, *launcher])

        # The data are simulated once, before the clock runs.
        run([SFBPTT, "train", "tau=30", f"outputs={scratch}/0", *common, "epochs=1"])
        rivals = {"one": sweep, "two": lambda: sweep(*_PARALLEL)}
        times = alternate(rivals, arguments.rounds, warm=False)
        runs = len(list(Path(scratch, "1").rglob("run.json")))
    return {
        "runs": runs,
        "settings": [*swept, *common],
        "seconds": summary(times),
        "one_over_two": ratio(times, "one", "two"),
    }


def lines(result: dict[str, Any]) -> list[str]:
    """Seconds of both, and how many times as fast two processes are."""
    one, two = (result["seconds"][name]["median"] for name in ("one", "two"))
    faster = result["one_over_two"]["median"]
    runs = f"{result['runs']} runs"
    return [f"{runs}: {one:.1f} s in one process, {two:.1f} s in two, {faster:.2f} times as fast"]
