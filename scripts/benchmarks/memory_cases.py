"""`python -m benchmarks.memory_cases CASE …`: what a child process of `benchmark memory` does.

Prints its anonymous memory at the end, in megabytes: resident pages of a mapped file, which the
system takes back when it needs them, do not count.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.ours import lorenz, make_model, make_trainer, updates
from sfbptt_cli.metrics.state_space import d_stsp_gmm


def anonymous() -> float:
    """Anonymous resident memory of this process now, in megabytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in status if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def imports() -> dict[str, float]:
    """Nothing: Python, torch and the package."""
    return {}


def training(path: str, count: str) -> dict[str, float]:
    """Updates on a series that stays on disk."""
    series = np.load(path, mmap_mode="r")
    update = updates(make_trainer(make_model("lstm"), series, 120, 32, 30))
    for _ in range(int(count)):
        update()
    return {}


def gmm(points: str) -> dict[str, float]:
    """D_stsp by mixtures of so many Gaussians."""
    n = int(points)
    states = lorenz(2 * n)
    return {"d_stsp": d_stsp_gmm(states[:n], states[n:], points=n)}


def growth(count: str) -> dict[str, float]:
    """Many small updates: what they leave behind, after a tenth of them and after all."""
    update = updates(make_trainer(make_model("lstm"), lorenz(5_000), 30, 4, 15))
    for _ in range(int(count) // 10):
        update()
    early = anonymous()
    for _ in range(int(count) - int(count) // 10):
        update()
    return {"grown": anonymous() - early}


if __name__ == "__main__":
    torch.set_num_threads(1)
    cases = {case.__name__: case for case in (imports, training, gmm, growth)}
    found = cases[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"anonymous": anonymous(), **found}))
