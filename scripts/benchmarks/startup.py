"""How long the command line takes to answer."""

from __future__ import annotations

import argparse
import subprocess
from typing import Any

from benchmarks.program import SFBPTT
from benchmarks.timing import alternate, summary

HELP = "wall time of --help and of a mistaken override"
CALLS = {"help": (["--help"], 0), "wrong override": (["train", "tua=3"], 2)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each call, whose exit status is checked."""

    def call(given: list[str], status: int) -> None:
        finished = subprocess.run([SFBPTT, *given], capture_output=True, check=False)
        if finished.returncode != status:
            raise SystemExit(f"sfbptt {' '.join(given)} ended with {finished.returncode}")

    rivals = {name: lambda call_of=call_of: call(*call_of) for name, call_of in CALLS.items()}
    return {"seconds": summary(alternate(rivals, arguments.rounds))}


def lines(result: dict[str, Any]) -> list[str]:
    """Seconds by call."""
    return [f"{name}: {s['median']:.2f} s" for name, s in result["seconds"].items()]
