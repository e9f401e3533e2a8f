"""The largest Lyapunov exponent of a simulated system: given, published, or from its equations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sfbptt_cli.common.cache import cached
from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.lyapunov.equations import spectrum_from_equations
from sfbptt_cli.systems.system import System, known_exponent

# Raised when the same settings give other numbers than before.
_VERSION = 1
# Trajectories that the exponent is averaged over. More than make it exact to 1% in some seconds do
# not pay; a field that is evaluated state by state takes a hundred times as long.
_TRAJECTORIES = 128
_TRAJECTORIES_OF_MANY = 64  # of more variables than 10
_TRAJECTORIES_ONE_BY_ONE = 8
_MANY = 10


def largest_known_exponent(
    system: System, parameters: Mapping[str, float], dt: float, given: float | None
) -> tuple[float | None, str]:
    """λ_max per time unit and where it comes from: `dataset.lambda_max`, else the published value,
    else the tangent flow of the equations, which is computed once and cached.

    None and the reason where the equations cannot be followed.
    """
    if given is not None:
        return given, "dataset.lambda_max"
    if (known := known_exponent(system, parameters)) is not None:
        return known.value, known.source
    trajectories = _TRAJECTORIES if len(system.variables) <= _MANY else _TRAJECTORIES_OF_MANY
    if not system.vectorised:
        trajectories = _TRAJECTORIES_ONE_BY_ONE

    def compute() -> tuple[float, float]:
        spectrum = spectrum_from_equations(
            system, parameters, dt, vectors=1, trajectories=trajectories
        )
        return float(spectrum.exponents[0]), float(spectrum.standard_errors[0])

    settings = {
        "version": _VERSION,
        "equations": system.text(),
        "start": [list(system.start), list(system.spread)],
        "parameters": dict(parameters),
        "dt": dt,
        "trajectories": trajectories,
    }
    name = f"{system.name}-lambda"
    try:
        value, error = cached(name, settings, ".json", compute, _write, _read)
    except RunFailed as failed:
        return None, f"not found from the equations: {failed}"
    return value, f"tangent flow of the equations (QR), ± {error:.1g}"


def _write(path: Path, result: tuple[float, float]) -> None:
    content = {"lambda_max": result[0], "standard_error": result[1]}
    path.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def _read(path: Path) -> tuple[float, float]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return float(content["lambda_max"]), float(content["standard_error"])
