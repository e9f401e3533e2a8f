"""Trajectories under additive noise: dx = f(x) dt + σ dW, one σ a variable."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.systems.runge_kutta import inner_steps, runge_kutta, scale_of, vector_field
from sfbptt_cli.systems.system import Array, System, Times


def integrate_noisy(
    system: System,
    parameters: Mapping[str, float],
    starts: Array,
    diffusion: Array,
    clean: Array,
    times: Times,
    generator: np.random.Generator,
) -> Array:
    """Return trajectories (trajectory, steps, N) from starts (trajectory, N).

    As `integrate`, with independent Wiener processes of `diffusion` (N,), units of the variable per
    square root of a time unit. Strang splitting: over each inner step h half of the noise,
    N(0, h σ² / 2), a Runge-Kutta step of the equations, and the other half; weak order 2, as
    against 1 of Euler and Maruyama. h is half the step that the equations ask for along the states
    `clean` (samples, N). Raises RunFailed where a trajectory leaves the numbers.
    """
    first, steps, dt = times
    field = vector_field(system, parameters)
    inner = 2 * inner_steps(field, clean.T, scale_of(system, clean.T), dt)
    h = dt / inner
    half = (diffusion * math.sqrt(h / 2))[:, None]
    x = starts.T.copy()
    kept = np.empty((steps, *x.shape))
    with np.errstate(all="ignore"):
        for i in range(first + steps):
            if i >= first:
                kept[i - first] = x
            kicks = half * generator.standard_normal((inner, 2, *x.shape))
            for before, after in kicks:
                x = runge_kutta(field, x + before, h) + after
    if not np.isfinite(kept).all():
        raise RunFailed(
            f"dataset: {system.name} with this process noise cannot be integrated with "
            f"{dict(parameters)}, dt = {dt}"
        )
    return kept.transpose(2, 0, 1)
