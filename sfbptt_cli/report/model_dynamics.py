"""Fixed points, cycles and exponents of a run's model, from gradients.json and lyapunov.json.

Anybody may have written those files: one in which a field is missing or wrong is refused.
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
        """fixed point, or cycle with its order."""
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
    """gradients.json of a run, None where there is none.

    `variables` is how many are observed, where that is known. Raises RequestError where the file
    cannot be read, ValueError for a wrong field.
    """
    if not (path := folder / "gradients.json").exists():
        return None
    content = read_json(path, "run")
    settings = content.get("settings")
    searched = settings.get("cycles") if isinstance(settings, dict) else None
    return Gradients(
        growth_rate=_field(content, "growth_rate"),
        growth_error=_field(content, "growth_rate_standard_error"),
        lambda_max=_field(content, "lambda_max"),
        lambda_error=_field(content, "lambda_max_standard_error"),
        cycles=tuple(
            _cycle(entry, f"cycles[{i}]", variables)
            for i, entry in enumerate(_list(content.get("cycles"), "cycles"))
        ),
        searched=searched if type(searched) is int else None,
    )


def read_spectrum(folder: Path) -> Spectrum | None:
    """lyapunov.json of a run, None where there is none. Raises what `read_gradients` raises."""
    if not (path := folder / "lyapunov.json").exists():
        return None
    content = read_json(path, "run")
    system, unit = content.get("system"), content.get("unit")
    if not (system is None or isinstance(system, dict)):
        raise ValueError(f"system {_is(system)}")
    if not isinstance(unit, str) or len(unit) > _LONGEST_WORD:
        raise ValueError(f"unit {_is(unit)}")
    return Spectrum(_exponents(content), _exponents(system) if system else (), unit)


def _exponents(content: dict[str, Any]) -> tuple[float, ...]:
    stored = _list(content.get("exponents"), "exponents")
    return tuple(_number(value, "exponents: one") for value in stored)


def _cycle(entry: Any, name: str, variables: int | None) -> ModelCycle:
    if not isinstance(entry, dict):
        raise ValueError(f"{name} {_is(entry)}")
    order, stability = entry.get("order"), entry.get("stability")
    if type(order) is not int or order < 1:
        raise ValueError(f"{name}: order {_is(order)}")
    if stability not in _STABILITIES:
        raise ValueError(f"{name}: stability {_is(stability)}")
    observed = _table(entry.get("observed"), f"{name}: observed")
    if len(observed) != order or observed.shape[1] != (variables or observed.shape[1]):
        points, numbers = observed.shape
        raise ValueError(f"{name}: observed has {points} points of {numbers} variables")
    eigenvalues = _table(entry.get("eigenvalues"), f"{name}: eigenvalues")
    if eigenvalues.shape[1] != 2:
        raise ValueError(f"{name}: eigenvalues are no pairs of real and imaginary part")
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
    table = np.array([[_number(value, name) for value in row] for row in rows])
    if not np.isfinite(table).all():
        raise ValueError(f"{name} is not finite")
    return table


def _list(stored: Any, name: str) -> list[Any]:
    if not isinstance(stored, list):
        raise ValueError(f"{name} {_is(stored)}")
    return stored


def _field(content: dict[str, Any], name: str) -> float:
    return _number(content.get(name), name)


def _number(value: Any, name: str) -> float:
    try:
        return number_of(value)
    except ValueError:
        raise ValueError(f"{name} {_is(value)}") from None


def _is(value: Any) -> str:
    """What a wrong value is, in few words."""
    if value is None:
        return "is missing"
    text = repr(value)
    return f"is {text}" if len(text) <= _LONGEST_WORD else f"is {text[:_LONGEST_WORD]}…"
