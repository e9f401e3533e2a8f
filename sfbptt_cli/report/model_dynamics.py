"""What gradients.json and lyapunov.json say of a run's model: fixed points, cycles, exponents.

Anybody may have written those files: what is missing or wrong in them is left out, with a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.documents import read_json
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.numbers import number_of

Array = NDArray[np.float64]

_STABILITIES = ("stable", "neutral", "saddle", "unstable")
# Distance of |eigenvalue| from one that rounding explains, as where the stability was found.
_NEUTRAL = 1e-8
_MOST_REASONS = 3  # told of a file, so that a wrong one does not fill the page
_LONGEST_WORD = 40


@dataclass(frozen=True)
class ModelCycle:
    """A fixed point (order 1) or a cycle of the model."""

    order: int
    stability: str  # stable, neutral, saddle, unstable
    observed: Array  # (order, variable), data units
    largest: float  # modulus of the eigenvalues of the Jacobian over the whole cycle
    growing: int  # eigenvalues of modulus above one

    @property
    def kind(self) -> str:
        """fixed point, or cycle with its order."""
        return "fixed point" if self.order == 1 else f"cycle of order {self.order}"


@dataclass(frozen=True)
class Gradients:
    """gradients.json; rates per step, NaN where they are not known."""

    growth_rate: float  # of ln ‖∂z_T/∂z_1‖ in T
    growth_error: float
    lambda_max: float
    lambda_error: float
    cycles: tuple[ModelCycle, ...]
    searched: int | None  # the highest order that was searched; 0: none


@dataclass(frozen=True)
class Spectrum:
    """lyapunov.json of a model: exponents, largest first."""

    exponents: tuple[float, ...]
    system: tuple[float, ...]  # those of the system; none where they are not known
    unit: str


class _Fields:
    """Fields of a JSON object, and the reasons why some of them are not taken."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.reasons: list[str] = []

    def number(self, key: str) -> float:
        """NaN where it is missing or wrong."""
        try:
            return _number(self.content.get(key))
        except ValueError as error:
            self.reasons.append(f"{key} {error}")
            return math.nan

    def entries(self, key: str) -> list[Any]:
        """Nothing where it is missing or no list."""
        value = self.content.get(key)
        if not isinstance(value, list):
            self.reasons.append(f"{key} {_is(value)}")
            return []
        return value

    def told(self) -> list[str]:
        """The reasons, shortened where there are many."""
        rest = len(self.reasons) - _MOST_REASONS
        return self.reasons[:_MOST_REASONS] + [f"and {rest} more"] * (rest > 0)


def read_gradients(folder: Path, variables: int | None) -> tuple[Gradients | None, list[str]]:
    """gradients.json of a run, None where there is none, and why parts of it are left out.

    `variables` is how many are observed, where that is known: a cycle with others is left out.
    """
    fields, reasons = _open(folder / "gradients.json")
    if fields is None:
        return None, reasons
    cycles = []
    for i, entry in enumerate(fields.entries("cycles")):
        try:
            cycles.append(_cycle(entry, variables))
        except ValueError as error:
            fields.reasons.append(f"cycles[{i}]: {error}")
    settings = fields.content.get("settings")
    searched = settings.get("cycles") if isinstance(settings, dict) else None
    found = Gradients(
        growth_rate=fields.number("growth_rate"),
        growth_error=fields.number("growth_rate_standard_error"),
        lambda_max=fields.number("lambda_max"),
        lambda_error=fields.number("lambda_max_standard_error"),
        cycles=tuple(cycles),
        searched=searched if type(searched) is int else None,
    )
    return found, fields.told()


def read_spectrum(folder: Path) -> tuple[Spectrum | None, list[str]]:
    """lyapunov.json of a run, None where there is none, and why parts of it are left out."""
    fields, reasons = _open(folder / "lyapunov.json")
    if fields is None:
        return None, reasons
    exponents = _exponents(fields, "exponents")
    system: tuple[float, ...] = ()
    if isinstance(stored := fields.content.get("system"), dict):
        of_system = _Fields(stored)
        system = _exponents(of_system, "exponents")
        fields.reasons += [f"system: {reason}" for reason in of_system.reasons]
    elif stored is not None:
        fields.reasons.append(f"system {_is(stored)}")
    unit = fields.content.get("unit")
    if not isinstance(unit, str) or len(unit) > _LONGEST_WORD:
        fields.reasons.append(f"unit {_is(unit)}")
        unit = ""
    return (Spectrum(exponents, system, unit) if exponents else None), fields.told()


def _open(path: Path) -> tuple[_Fields | None, list[str]]:
    if not path.exists():
        return None, []
    try:
        return _Fields(read_json(path, "run")), []
    except RequestError as error:
        return None, [str(error).removeprefix("run: ")]


def _exponents(fields: _Fields, key: str) -> tuple[float, ...]:
    """All of them or none: without one of them the others are no spectrum."""
    try:
        return tuple(_number(value) for value in fields.entries(key))
    except ValueError as error:
        fields.reasons.append(f"{key}: one {error}")
        return ()


def _cycle(entry: Any, variables: int | None) -> ModelCycle:
    if not isinstance(entry, dict):
        raise ValueError(_is(entry))
    order, stability = entry.get("order"), entry.get("stability")
    if type(order) is not int or order < 1:
        raise ValueError(f"order {_is(order)}")
    if stability not in _STABILITIES:
        raise ValueError(f"stability {_is(stability)}")
    observed = _table(entry.get("observed"), "observed")
    if len(observed) != order:
        raise ValueError(f"observed has {len(observed)} points, order is {order}")
    if variables is not None and observed.shape[1] != variables:
        raise ValueError(f"observed has {observed.shape[1]} variables, the run {variables}")
    eigenvalues = _table(entry.get("eigenvalues"), "eigenvalues")
    if eigenvalues.shape[1] != 2:
        raise ValueError("eigenvalues are no pairs of real and imaginary part")
    with np.errstate(over="ignore"):
        sizes = np.hypot(*eigenvalues.T)
    growing = int((sizes > 1 + _NEUTRAL).sum())
    return ModelCycle(order, stability, observed, float(sizes.max()), growing)


def _table(stored: Any, name: str) -> Array:
    """Rows of finite numbers, all of the same length, at least one of each."""
    rows = stored if isinstance(stored, list) else []
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    if not width or any(not isinstance(row, list) or len(row) != width for row in rows):
        raise ValueError(f"{name} {_is(stored)}")
    table = np.array([[_number(value) for value in row] for row in rows])
    if not np.isfinite(table).all():
        raise ValueError(f"{name} is not finite")
    return table


def _number(value: Any) -> float:
    try:
        return number_of(value)
    except ValueError:
        raise ValueError(_is(value)) from None


def _is(value: Any) -> str:
    """What a wrong value is, in few words."""
    if value is None:
        return "is missing"
    text = repr(value)
    return f"is {text}" if len(text) <= _LONGEST_WORD else f"is {text[:_LONGEST_WORD]}…"
