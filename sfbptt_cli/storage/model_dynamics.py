"""Fixed points, cycles and exponents of a run's model, from gradients.json and lyapunov.json.

Anybody may have written those files: a missing or wrong field is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.documents import read_json
from sfbptt_cli.common.numbers import number_of

Array = NDArray[np.float64]

_STABILITIES = ("stable", "neutral", "saddle", "unstable")
# Distance of |eigenvalue| from one that rounding explains, as in the search for cycles.
_NEUTRAL = 1e-8
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
        """Return `fixed point`, or `cycle` with its order."""
        return "fixed point" if self.order == 1 else f"cycle of order {self.order}"


@dataclass(frozen=True)
class Gradients:
    """gradients.json; rates per step, NaN where they are undecided."""

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


def read_gradients(folder: Path, variables: int | None) -> Gradients | None:
    """Read gradients.json of a run; None where there is none.

    `variables` is the number of observed variables, None where it is not known. Raises RequestError
    where the file cannot be read, ValueError for a wrong field.
    """
    if not (path := folder / "gradients.json").exists():
        return None
    content = read_json(path, "run")
    settings = content.get("settings")
    searched = settings.get("cycles") if isinstance(settings, dict) else None
    cycles = _list(content.get("cycles"), "cycles")
    rates = ("growth_rate", "growth_rate_standard_error")
    rates += ("lambda_max", "lambda_max_standard_error")
    return Gradients(
        *(_number(content.get(name), name) for name in rates),
        cycles=tuple(_cycle(x, f"cycles[{i}]", variables) for i, x in enumerate(cycles)),
        searched=searched if type(searched) is int else None,
    )


def read_spectrum(folder: Path) -> Spectrum | None:
    """Read lyapunov.json of a run; None where there is none. Raises as `read_gradients` does."""
    if not (path := folder / "lyapunov.json").exists():
        return None
    content = read_json(path, "run")
    system, unit = content.get("system"), content.get("unit")
    _require(system is None or isinstance(system, dict), "system", system)
    _require(isinstance(unit, str) and len(unit) <= _LONGEST_WORD, "unit", unit)
    return Spectrum(_exponents(content), _exponents(system) if system else (), str(unit))


def _exponents(content: dict[str, Any]) -> tuple[float, ...]:
    stored = _list(content.get("exponents"), "exponents")
    return tuple(_number(value, "exponents: one") for value in stored)


def _cycle(entry: Any, name: str, variables: int | None) -> ModelCycle:
    _require(isinstance(entry, dict), name, entry)
    order, stability = entry.get("order"), entry.get("stability")
    _require(type(order) is int and order >= 1, f"{name}: order", order)
    _require(stability in _STABILITIES, f"{name}: stability", stability)
    observed = _table(entry.get("observed"), f"{name}: observed")
    points, numbers = observed.shape
    if points != order or numbers != (variables or numbers):
        raise ValueError(f"{name}: observed has {points} points of {numbers} variables")
    eigenvalues = _table(entry.get("eigenvalues"), f"{name}: eigenvalues")
    if eigenvalues.shape[1] != 2:
        raise ValueError(f"{name}: eigenvalues are no pairs of real and imaginary part")
    with np.errstate(over="ignore"):
        sizes = np.hypot(*eigenvalues.T)
    growing = int((sizes > 1 + _NEUTRAL).sum())
    return ModelCycle(order, stability, observed, float(sizes.max()), growing)


def _table(stored: Any, name: str) -> Array:
    """Return rows of finite numbers, all of the same length, at least one of each."""
    rows = stored if isinstance(stored, list) else []
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    alike = all(isinstance(row, list) and len(row) == width for row in rows)
    _require(width > 0 and alike, name, stored)
    table = np.array([[_number(value, name) for value in row] for row in rows])
    if not np.isfinite(table).all():
        raise ValueError(f"{name} is not finite")
    return table


def _list(stored: Any, name: str) -> list[Any]:
    _require(isinstance(stored, list), name, stored)
    return stored


def _number(value: Any, name: str) -> float:
    try:
        return number_of(value)
    except ValueError:
        raise _wrong(name, value) from None


def _require(right: bool, name: str, value: Any) -> None:
    if not right:
        raise _wrong(name, value)


def _wrong(name: str, value: Any) -> ValueError:
    """Return the error for a wrong value, which it gives in few words."""
    text = "missing" if value is None else repr(value)
    text = text if len(text) <= _LONGEST_WORD else f"{text[:_LONGEST_WORD]}…"
    return ValueError(f"{name} is {text}")
