"""What the past of the data says of the warm-up, and of τ where there is no exponent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sfbptt_cli.common.cache import cached, read_json, write_json
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.determinism import Determinism, determinism
from sfbptt_cli.data.settings import DatasetSettings, SimulatedSettings
from sfbptt_cli.systems.catalogue import find_system

# Raised when the same data give another memory than before.
_VERSION = 8
# Of data that are too short to tell.
_USUAL = 20
# Where one observation is a state, the rest of the model's still has to settle. Of eight systems of
# dysts, 3, 4, 6 and 5 are reconstructed with 0, 2, 5 and 10 steps, D_stsp falling throughout.
LEAST_WARMUP = 10
# Of noisy data, the least gain. On eight systems of dysts with 5% of noise it reconstructs five
# with 40 steps, 0.1 one; 0.3 with the 10 to 14 steps of memory leaves D_stsp at twice theirs.
_LEAST_GAIN = 0.2


class Memory(NamedTuple):
    """What suits data: a warm-up in steps, why, and how far ahead they can be predicted.

    noisy: whether states have to be averaged. noise: standard deviations of the observation noise,
    at most, in those of the variables.
    """

    warmup: int
    reason: str
    horizon: int | None  # in steps; None where the data are too short to tell
    noisy: bool = False
    noise: Sequence[float] = ()


def memory_of(dataset: Dataset) -> Memory:
    """Return what `determinism` finds in the training part, once for the same data."""
    return cached(
        "memory",
        {"version": _VERSION, "data": dataset.fingerprint()},
        ".json",
        lambda: as_memory(determinism([dataset.train[rows] for rows in dataset.trajectories])),
        write_json,
        _read,
    )


def as_memory(found: Determinism | None) -> Memory:
    """Return what was found in the data, in words."""
    if found is None:
        return Memory(_USUAL, "the usual one, as the data are too short to tell", None)
    noise = found.noise.tolist()
    if not found.warmup:
        reason = "one observation tells as much of what comes next as any past does"
        return Memory(0, reason, found.horizon, noise=noise)
    at = int((found.errors[0] / found.errors[-1]).argmax())
    ahead = "1 step" if found.ahead[at] == 1 else f"{found.ahead[at]} steps"
    reason = (
        f"{found.memory + 1} observations predict {ahead} ahead to {found.errors[-1][at]:.2g} of "
        f"the variance, one alone to {found.errors[0][at]:.2g}"
    )
    return Memory(found.warmup, reason, found.horizon, found.noisy, noise)


def _read(path: Path) -> Memory:
    memory = Memory(*read_json(path))
    steps = (memory.warmup, 1 if memory.horizon is None else memory.horizon)
    whole = all(type(n) is int and n >= 0 for n in steps)
    if (
        not whole
        or type(memory.reason) is not str
        or type(memory.noisy) is not bool
        or not all(type(level) is float and 0 <= level < math.inf for level in memory.noise)
    ):
        raise ValueError("no memory")
    return memory


def suggested_warmup(described: DatasetSettings, memory: Callable[[], Memory]) -> tuple[int, str]:
    """Return a number of steps, at least 10, and the reason."""
    warmup, reason = 0, "simulated data, complete and free of noise"
    if not _is_complete(described):
        warmup, reason = memory()[:2]
    if warmup >= LEAST_WARMUP:
        return warmup, reason
    return LEAST_WARMUP, f"the least, in which the model's state settles; {reason}"


def suggested_gain(
    described: DatasetSettings, memory: Callable[[], Memory], tau: int | None
) -> float | str:
    """Return g = max(0.2, 1 − 4^(−1/τ)) for noisy data, `learned` for others.

    1 − 4^(−1/τ) is what a Kalman filter comes to where errors double in τ steps and nothing but the
    observations is noisy; less cannot hold the state. A model is not exact: hence the least gain.
    """
    if _is_complete(described) or not memory().noisy:
        return "learned"
    return max(_LEAST_GAIN, 1 - 4 ** (-1 / tau)) if tau else _LEAST_GAIN


def noise_of(described: DatasetSettings, memory: Callable[[], Memory]) -> Sequence[float]:
    """Return the standard deviations of the noise, in those of the variables, as far as known."""
    return () if _is_complete(described) else memory().noise


def _is_complete(described: DatasetSettings) -> bool:
    """Whether one observation is a state: every variable of an equation without delay or noise.

    Where phases are seen through sines or cosines, two of them may look the same.
    """
    if not isinstance(described, SimulatedSettings):
        return False
    system = find_system(described.system, described.library)
    seen = described.observed is None or set(described.observed) == set(system.variables)
    return seen and not described.noisy and system.delay is None and system.observe is None
