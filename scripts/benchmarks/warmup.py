"""What a warm-up costs: one training update with w = 20 against one without."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.ours import lorenz, make_model, make_trainer, updates
from benchmarks.timing import alternate, ratio, summary

HELP = "one training update with a warm-up against one without"
BATCH, TAU, WINDOW, WARMUP = 32, 30, 120, 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", default=["lstm", "gru", "rnn", "plrnn"])
    parser.add_argument("--rounds", type=int, default=60)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """For each model: seconds of an update with and without, and their ratio."""
    series, results = lorenz(20_000), []
    for name in arguments.models:
        rivals = {
            which: updates(make_trainer(make_model(name, warmup=w), series, WINDOW, BATCH, TAU))
            for which, w in (("with", WARMUP), ("without", 0))
        }
        times = alternate(rivals, arguments.rounds)
        results.append(
            {
                "model": name,
                "seconds": summary(times),
                "with_over_without": ratio(times, "with", "without"),
            }
        )
    return {"batch": BATCH, "tau": TAU, "window": WINDOW, "warmup": WARMUP, "results": results}


def lines(result: dict[str, Any]) -> list[str]:
    """Medians in milliseconds, and the ratio."""
    shown = []
    for row in result["results"]:
        ms = [1e3 * row["seconds"][which]["median"] for which in ("with", "without")]
        times = row["with_over_without"]["median"]
        shown.append(
            f"{row['model']:6} {ms[0]:6.2f} ms, without {ms[1]:6.2f} ms: {times:.2f} times"
        )
    return shown
