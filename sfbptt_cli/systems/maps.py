"""Maps of the plane: time goes in steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sfbptt_cli.systems.system import Array, KnownExponent, System, Times


def henon(state: Sequence[Any], a: float, b: float) -> Sequence[Any]:
    """x' = 1 − a x² + y, y' = b x (Hénon 1976)."""
    x, y = state
    return [1 - a * x * x + y, b * x]


def delayed_logistic(state: Sequence[Any], a: float) -> Sequence[Any]:
    """x' = a x (1 − y), y' = x: logistic growth that is limited by the population before."""
    x, y = state
    return [a * x * (1 - y), x]


MAPS = (
    System(
        name="henon",
        derivative=henon,
        variables=("x", "y"),
        parameters={"a": 1.4, "b": 0.3},
        start=(0.1, 0.1),
        spread=(0.05, 0.05),
        exponents=(
            KnownExponent(
                {"a": 1.4, "b": 0.3},
                0.41922,
                "Sprott (2003), Chaos and time-series analysis: 0.41922",
                1.258,
            ),
        ),
        citation="Hénon (1976), A two-dimensional mapping with a strange attractor, "
        "Commun. Math. Phys. 50, 69",
        discrete=True,
    ),
    System(
        name="delayed_logistic",
        derivative=delayed_logistic,
        variables=("x", "y"),
        parameters={"a": 2.1},
        start=(0.5, 0.5),
        spread=(0.02, 0.02),
        exponents=(),
        citation="Aronson, Chory, Hall and McGehee (1982), Commun. Math. Phys. 83, 303",
        discrete=True,
    ),
)


def iterate(
    system: System, parameters: Mapping[str, float], start: Array, times: Times
) -> Array | None:
    """Return (steps, N), from `first` steps after start (N,) on; None where a state is lost."""
    first, steps, _ = times
    state: Sequence[float] = start.tolist()
    states = np.empty((steps, len(start)))
    try:
        for i in range(first + steps):
            if i >= first:
                states[i - first] = state
            state = system.derivative(state, **parameters)
    except OverflowError:
        return None
    return states if np.isfinite(states).all() else None
