"""Our quick start beside that of another program, on the same data, measured alike."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.program import SFBPTT, run
from benchmarks.timing import spread
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.metrics.spectrum import d_h
from sfbptt_cli.metrics.state_space import d_stsp_binned

HELP = "quick starts of other programs, each in an environment of its own, beside ours"
_PEER, _STEPS = "neuralrnn==0.4.0", 100_000
_SMOOTHING = 20.0  # of D_H


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=1)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of training, D_stsp and D_H of both on our Lorenz data, with one thread."""
    with tempfile.TemporaryDirectory() as scratch:
        python = Path(scratch, "environment", "bin", "python")
        run([sys.executable, "-m", "venv", str(python.parent.parent)])
        run([str(python), "-m", "pip", "install", "-q", _PEER])
        rounds = [_round(Path(scratch, str(k)), python) for k in range(arguments.rounds)]
    results = {
        who: {what: spread([one[who][what] for one in rounds]) for what in rounds[0][who]}
        for who in rounds[0]
    }
    return {"peer": _PEER, "steps": _STEPS, "results": results}


def _round(folder: Path, python: Path) -> dict[str, dict[str, float]]:
    folder.mkdir()
    run([SFBPTT, "train", "model=lstm", "tau=30", "threads=1", f"outputs={folder}"])
    ours = Run(next(folder.rglob("run.json")).parent)
    train, test, out = (folder / f"{name}.npy" for name in ("train", "test", "generated"))
    np.save(train, ours.dataset.train)
    np.save(test, ours.dataset.test)
    script = Path(__file__).with_name("peer_neuralrnn.py")
    command = [python, script, train, test, str(_STEPS), out]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    truth = ours.dataset.test[1 : _STEPS + 1]
    metrics = ours.metrics
    return {
        "sfbptt": {
            "training_seconds": ours.folder.manifest()["training_seconds"],
            "d_stsp": metrics["d_stsp"]["value"],
            "d_h": metrics["d_h"]["value"],
            "floor": metrics["d_stsp"]["floor"],
        },
        "peer": {
            "training_seconds": float(said.split()[-1]),
            "d_stsp": d_stsp_binned(truth, np.load(out)).value,
            "d_h": d_h(truth, np.load(out), smoothing=_SMOOTHING),
        },
    }


def lines(result: dict[str, Any]) -> list[str]:
    """Medians of both."""
    shown = []
    for who, found in result["results"].items():
        seconds, distance, spectral = (
            found[what]["median"] for what in ("training_seconds", "d_stsp", "d_h")
        )
        name = who if who == "sfbptt" else result["peer"]
        shown.append(f"{name}: {seconds:.1f} s, D_stsp {distance:.3g}, D_H {spectral:.3g}")
    return shown
