"""Time until D_stsp is near its floor: the default training against the paper's recipe."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.literal import LiteralTrainer
from benchmarks.ours import lorenz, make_model
from benchmarks.program import SFBPTT, run
from benchmarks.timing import alternate, spread

HELP = "time until D_stsp on the paper's Lorenz system is within a factor of its floor"
WITHIN = 1.3  # times the floor
UPDATES, BATCH, WINDOW, TAU = 30_000, 32, 100, 30  # Mikhaeil et al. (2022)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=40, help="updates that are timed")
    parser.add_argument("overrides", nargs="*", help="further settings of sfbptt train")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ours: seconds of whole trainings and what they reach. Literal: an update times their number.

    The literal update is timed before and after each training, so that both meet the same machine.
    """
    single = torch.from_numpy(lorenz(100_000)).float()
    literal = LiteralTrainer(make_model("lstm"), single, WINDOW, BATCH, TAU)
    updates: list[float] = []
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in arguments.seeds:
            updates += alternate({"literal": literal.update}, arguments.rounds)["literal"]
            runs.append(_train(seed, arguments.overrides, Path(scratch)))
        updates += alternate({"literal": literal.update}, arguments.rounds)["literal"]
    update = spread(updates)
    ours = spread([row["training_seconds"] for row in runs])
    return {
        "within": WITHIN,
        "runs": runs,
        "training_seconds": ours,
        "literal_update_seconds": update,
        "extrapolated_by": UPDATES,
        "literal_seconds": UPDATES * update["median"],
        "literal_over_ours": UPDATES * update["median"] / ours["median"],
    }


def _train(seed: int, overrides: list[str], scratch: Path) -> dict[str, Any]:
    """The default training of one seed: seconds, D_stsp and its floor."""
    command = [SFBPTT, "train", "dataset=lorenz_paper", "model=lstm", f"tau={TAU}", "threads=1"]
    usage = run([*command, f"seed={seed}", f"outputs={scratch}/{seed}", *overrides])
    (manifest,) = (scratch / str(seed)).rglob("run.json")
    found = json.loads((manifest.parent / "evaluation.json").read_text())["metrics"]["d_stsp"]
    value, floor = found["value"], found["floor"]
    return {
        "seed": seed,
        "training_seconds": json.loads(manifest.read_text())["training_seconds"],
        "command_seconds": usage.seconds,
        "d_stsp": value,
        "floor": floor,
        "reached": bool(np.isfinite(value) and value <= WITHIN * floor),
    }


def lines(result: dict[str, Any]) -> list[str]:
    """A line a run, then the comparison."""
    shown = [
        f"seed {row['seed']}: {row['training_seconds']:.1f} s, D_stsp {row['d_stsp']:.3f}, "
        f"floor {row['floor']:.3f}" + ("" if row["reached"] else ": not reached")
        for row in result["runs"]
    ]
    update, by = result["literal_update_seconds"]["median"], result["extrapolated_by"]
    return [
        *shown,
        f"literal: {1e3 * update:.1f} ms an update, times {by}: {result['literal_seconds']:.0f} s, "
        f"{result['literal_over_ours']:.1f} times ours",
    ]
