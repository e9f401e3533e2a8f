"""The largest value of every setting that memory grows with.

Far beyond what anybody trains, and small enough that a configuration from elsewhere, or a slip of
the keyboard, is refused before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfbptt_cli.common.checks import require

_STEPS = 10_000_000
_MANY = 100_000

TRAIN = {
    "ensemble": 10_000,
    "window": _MANY,
    "batch_size": _MANY,
    "batches_per_epoch": 1_000_000,
    "epochs": 1_000_000,
    "threads": 1_024,
}
TAU_SEARCH = {"epochs": 1_000_000}
VALIDATION = {"steps": _STEPS, "trajectories": _MANY, "every": 1_000_000}
# Matrices of a model then have at most 67 million entries, 270 MB.
MODEL = {"latent_dim": 4_096, "bases": 4_096, "hidden_dim": 16_384}
EVALUATION = {
    "steps": _STEPS,
    "transient": _STEPS,
    "bins": 1_000,  # a dimension; cells are numbered by 64-bit integers
    "gmm_points": _MANY,
    "gmm_samples": _MANY,
    "spectrum_smoothing": 1_000,  # four times as many on both sides of a frequency are summed
    "prediction_steps": _MANY,
    "valid_prediction_starts": _MANY,
    "lyapunov_steps": _STEPS,
    "dimension_steps": _STEPS,
}
SIMULATED = {
    "train_steps": _STEPS,
    "test_steps": _STEPS,
    "floor_trajectories": 100,
    "transient": _STEPS,
    "lag": 1_000_000,
    "dimension": 1_000,
}
# Of train_steps and all trajectories as long as test_steps.
SIMULATED_STEPS = 100_000_000
TABLE = {
    "skip_rows": 1_000_000,
    "yearly_cycle": 1_000,
    "daily_cycle": 1_000,
    "smoothing": 1e6,
    "lag": 1_000_000,
    "dimension": 1_000,
}
LYAPUNOV = {
    "exponents": 4_096,
    "steps": _STEPS,
    "transient": _STEPS,
    "trajectories": 10_000,
    "theiler": _STEPS,
    "horizon": _STEPS,
    "references": _STEPS,
    "surrogates": 1_000,
}
GRADIENTS = {
    "steps": _STEPS,
    "transient": _STEPS,
    "orbits": 10_000,
    "lengths": 1_000,
    "cycles": 100,
    "starts": _MANY,
}


def refuse_too_large(group: str, config: object, largest: Mapping[str, float]) -> None:
    """RequestError for a number of `config` beyond its entry in `largest`."""
    for name, limit in largest.items():
        value: Any = getattr(config, name, None)
        if isinstance(value, (int, float)):
            accepted = f"a number of at most {limit:,.0f}"
            require(value <= limit, f"{group}.{name}".lstrip("."), value, accepted)
