"""Free generation of one trajectory."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.ours import make_model
from benchmarks.timing import alternate, summary
from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.evaluation.generation import generate

HELP = "free generation of one long trajectory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", default=["lstm", "plrnn"])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds for `steps` free steps of one trajectory, by model."""
    scale = Standardiser(np.zeros(3), np.ones(3))
    models = {name: make_model(name) for name in arguments.models}
    rivals = {
        name: lambda model=model: generate(model, scale, np.ones((1, 1, 3)), arguments.steps)
        for name, model in models.items()
    }
    times = alternate(rivals, arguments.rounds)
    return {"steps": arguments.steps, "latent_dim": 30, "seconds": summary(times)}


def lines(result: dict[str, Any]) -> list[str]:
    """Seconds by model."""
    return [
        f"{name}: {result['steps']} steps in {s['median']:.3f} s "
        f"({s['lower_quartile']:.3f} to {s['upper_quartile']:.3f})"
        for name, s in result["seconds"].items()
    ]
