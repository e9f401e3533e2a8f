"""Models trained together against each by itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.ours import lorenz, make_model, make_trainer, updates
from benchmarks.timing import alternate, ratio, summary
from sfbptt_cli.training.trainer import Trainer

HELP = "updates of several models together against one after the other"
WINDOW, TAU = 120, 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", default=["lstm", "rnn", "plrnn"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 8], help="of the ensembles")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 32])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=15)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds an update of all K models, together and one after the other."""
    series = lorenz(20_000)
    results = []
    for name in arguments.models:
        for K in arguments.sizes:
            for batch in arguments.batches:

                def trainers(name: str = name, K: int = K, batch: int = batch) -> list[Trainer]:
                    return [
                        make_trainer(make_model(name), series, WINDOW, batch, TAU, arguments.device)
                        for _ in range(K)
                    ]

                rivals = {
                    "together": _finished(updates(*trainers())),
                    "apart": _finished(*(updates(trainer) for trainer in trainers())),
                }
                times = alternate(rivals, arguments.rounds)
                results.append(
                    {
                        "model": name,
                        "ensemble": K,
                        "batch": batch,
                        "seconds": summary(times),
                        "apart_over_together": ratio(times, "apart", "together"),
                    }
                )
    return {"device": arguments.device, "window": WINDOW, "tau": TAU, "results": results}


def _finished(*calls: Callable[[], None]) -> Callable[[], None]:
    """Return a function that makes the calls one after the other and waits for the device."""

    def call() -> None:
        for each in calls:
            each()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return call


def lines(result: dict[str, Any]) -> list[str]:
    """Milliseconds a model."""
    shown = [f"{result['device']}: model, K, batch, ms a model together, apart, apart/together"]
    for row in result["results"]:
        together, apart = (
            1e3 * row["seconds"][who]["median"] / row["ensemble"] for who in ("together", "apart")
        )
        over = row["apart_over_together"]["median"]
        shown.append(
            f"{row['model']:6} {row['ensemble']:4} {row['batch']:5} "
            f"{together:9.2f} {apart:9.2f} {over:7.2f}"
        )
    return shown
