"""The largest Lyapunov exponent of a simulated system: given, published, or from its equations."""

from __future__ import annotations

from collections.abc import Mapping

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.lyapunov.cached import cached_spectrum
from sfbptt_cli.lyapunov.settings import OrbitSettings
from sfbptt_cli.systems.system import System, known_exponent

# Trajectories that the exponent is averaged over, for 1% in some seconds; a field that is evaluated
# state by state takes a hundred times as long.
_TRAJECTORIES = 128
_TRAJECTORIES_OF_MANY = 64  # of more variables than 10
_TRAJECTORIES_ONE_BY_ONE = 8
_MANY = 10


def largest_known_exponent(
    system: System, parameters: Mapping[str, float], dt: float, given: float | None
) -> tuple[float | None, str]:
    """Return λ_max per time unit and its source; None and the reason where there is none.

    It is `dataset.lambda_max`, else the published value, else that of the tangent flow of the
    equations, computed once and cached. There is none where the equations cannot be followed.
    """
    if given is not None:
        return given, "dataset.lambda_max"
    if (known := known_exponent(system, parameters)) is not None:
        return known.value, known.source
    trajectories = _TRAJECTORIES if len(system.variables) <= _MANY else _TRAJECTORIES_OF_MANY
    if not system.vectorised:
        trajectories = _TRAJECTORIES_ONE_BY_ONE
    settings = OrbitSettings(exponents=1, trajectories=trajectories)
    try:
        found = cached_spectrum(system, parameters, dt, settings)
    except RunFailed as failed:
        return None, f"not found from the equations: {failed}"
    error = float(found.standard_errors[0])
    return float(found.exponents[0]), f"tangent flow of the equations (QR), ± {error:.1g}"
