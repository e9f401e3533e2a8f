"""The forcing interval τ over training, by name.

Each schedule is built from `tau` (steps), the number of `updates` of the whole training, the
`window` (T, steps) and the `seed`, and gives τ (steps) at update 0, 1, 2, …; none has a state.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TauAt = Callable[[int], int]


def constant(tau: int, *, updates: int, window: int, seed: int) -> TauAt:
    """Keep τ at every update."""
    return lambda update: tau


def annealed(tau: int, *, updates: int, window: int, seed: int, part: float) -> TauAt:
    """Raise τ from 1 linearly over the fraction `part` of training, in (0, 1]; then keep it.

    Over the whole of training as published (Mikhaeil et al. 2022).
    """
    rise = max(1, round(part * updates))
    return lambda update: 1 + (tau - 1) * min(update + 1, rise) // rise


def uniform(tau: int, *, updates: int, window: int, seed: int, half_width: int) -> TauAt:
    """Draw τ uniformly from τ - half_width … τ + half_width (steps), within 1 … window.

    A function of seed and update alone. Mikhaeil et al. (2022), half-widths 10 to 70 at τ = 30.
    """
    lowest, highest = max(1, tau - half_width), min(window, tau + half_width)

    def tau_at(update: int) -> int:
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, update)))
        return int(generator.integers(lowest, highest, endpoint=True))

    return tau_at


TAU_SCHEDULES: dict[str, Callable[..., TauAt]] = {
    "constant": constant,
    "annealed": annealed,
    "random": uniform,
}
