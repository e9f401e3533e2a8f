"""Exponents as a table for people and pipes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.numbers import singular
from sfbptt_cli.lyapunov.exponents import Exponents

_ADVICE = "accepted: dataset.lambda_max=… where it is known, or tau=… in steps"


def exponent_table(
    name: str, found: Exponents, truth: Exponents | None = None, every: bool = True
) -> str:
    """Format the exponents, with those of the system if given, and what follows from them.

    Without `every`, those that matter: as many as the dimension needs, one more, three at least.
    """
    unit = singular(found.time_unit)
    lines = [f"{name}: {found.source}"]
    if truth is not None:
        lines.append(f"system: {truth.source}")
    header = f"{'':>4}  {f'per {unit}':>14}  {'± s.e.':>9}  {'per step':>10}"
    known = not np.isnan(found.values).all()
    if known:
        lines.append(header + ("" if truth is None else f"  {'system':>10}"))
    count = (len(found.values) if every else _that_matter(found.values)) * known
    for i, value in enumerate(found.values[:count]):
        error = "" if found.errors is None else f"{found.errors[i]:.2g}"
        row = f"{i + 1:>4}  {value:>14.5g}  {error:>9}  {value * found.dt:>10.4g}"
        if truth is not None and i < len(truth.values):
            row += f"  {truth.values[i]:>10.5g}"
        lines.append(row)
    if known and (left := len(found.values) - count) > 0:
        lines.append(f"and {left} more, down to {found.values[-1]:.4g}, in lyapunov.json")
    if found.errors is None and math.isfinite(found.low):
        lines.append(f"range of lambda_max: {found.low:.4g} to {found.high:.4g} per {unit}")
    if found.complete and found.divergence is not None:
        total = found.values.sum()
        lines.append(f"sum {total:.6g}; mean divergence of the field {found.divergence:.6g}")
    if found.dimension is not None:
        of_system = None if truth is None else truth.dimension
        compared = "" if of_system is None else f" (system {of_system:.4g})"
        lines.append(f"Kaplan-Yorke dimension {found.dimension:.4g}{compared}")
    return "\n".join([*lines, *_consequences(found)])


def _that_matter(values: NDArray[np.float64]) -> int:
    """Return how many exponents have a sum of at least 0, and two more; three at least."""
    return max(3, int((np.cumsum(values) >= 0).sum()) + 2)


def recommendation(found: Exponents, train: str) -> str:
    """Return the last line: which τ to train with, and the command, `train` with it."""
    tau = found.tau()
    if tau is None:
        return (
            f"recommended: tau=auto, the steps ahead that the data can be predicted: {train} "
            "tau=auto"
        )
    return f"recommended: tau={tau['value']}: {train} tau={tau['value']}"


def _consequences(found: Exponents) -> list[str]:
    tau = found.tau()
    if tau is None:
        return [f"no chaos shown: {found.reason}", f"tau_pred: none; {_ADVICE}"]
    time = 1 / float(found.values[0])
    upper = tau.get("high")
    return [
        f"Lyapunov time 1 / lambda_max: {time:.4g} {found.time_unit} = {time / found.dt:.4g} steps",
        f"tau_pred = ln 2 / (lambda_max dt): {tau['value']} steps "
        f"({tau['low']} to {'no limit' if upper is None else upper})",
    ]


def heuristics_table(others: dict[str, int | None]) -> str:
    """Format a line for each of the other choices of τ."""
    return "\n".join(
        f"{name.replace('_', ' ')}: {'none' if steps is None else f'{steps} steps'}"
        for name, steps in others.items()
    )
