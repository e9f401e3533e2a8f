"""What it takes for the same command to write the same bytes, interrupted or not."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch


def seed_torch(seed: int) -> None:
    """Seed torch's global stream, which differs from process to process.

    Nothing here draws from it, but the models and methods of others may, and checkpoints hold it.
    """
    state = np.random.SeedSequence(seed, spawn_key=(4,)).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0] >> 1))


def canonical(content: Any) -> Any:
    """Content of a checkpoint such that equal values are pickled as equal bytes.

    Pickle writes an object that it meets again as a reference. Which equal strings and containers
    are one object depends on whether they were made here or read from an earlier checkpoint.
    """
    if isinstance(content, dict):
        return {canonical(key): canonical(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        values = map(canonical, content)
        return list(values) if isinstance(content, list) else tuple(values)
    return sys.intern(content) if isinstance(content, str) else content
