"""The long-run behaviour of a generated trajectory, in a word."""

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

# Standard deviations of truth from its centre: no attractor reaches so far, any blow-up does.
_DIVERGED_DISTANCE = 1e3
# Standard deviations of truth: still moving less than this at the end is standing still. Far
# above float32 rounding (1e-7), far below any oscillation worth reporting.
_FIXED_POINT_MOTION = 1e-4
_FIXED_POINT_TAIL = 0.1  # fraction of the steps, at the end
# Standard errors by which an exponent has to exceed zero.
_CHAOS_STANDARD_ERRORS = 2.0
# Per step, natural log: along 10⁴ to 10⁵ steps the zero exponent of a cycle is estimated as a
# number of order 1/steps; the Lorenz system at dt = 0.01 has 0.011.
_CHAOS_MIN_EXPONENT = 1e-4


class Verdict(StrEnum):
    """What a generation does in the long run."""

    CHAOTIC = "chaotic"
    CYCLE = "cycle"
    FIXED_POINT = "fixed point"
    DIVERGED = "diverged"


def verdict(
    generated: npt.ArrayLike,
    scale: npt.ArrayLike,
    lyapunov: float,
    standard_error: float,
    centre: npt.ArrayLike = 0.0,
) -> Verdict:
    """Return whether a generation diverged, came to rest, is chaotic, or cycles.

    The first that holds:

    - diverged: a non-finite value, |x − centre| > 10³ · scale somewhere, or no exponent (NaN),
      as every trajectory behind it left the finite numbers;
    - fixed point: over the last tenth of the steps the standard deviation is below 10⁻⁴ · scale
      in every dimension;
    - chaotic: lyapunov > max(2 · standard_error, 10⁻⁴ per step);
    - cycle: everything else that keeps moving in bounds, periodic or quasi-periodic. A spiral
      that has not come to rest by the end counts here too; longer generations separate them.

    Args:
        generated: (S, N), data units, S at least 2, transient discarded.
        scale, centre: (N,), standard deviation and mean of truth, data units.
        lyapunov: largest exponent of the generating model, natural log, per step; −∞ is a
            superstable cycle.
        standard_error: of lyapunov, per step; infinite where one trajectory left none.
    """
    generated, scale = np.asarray(generated), np.asarray(scale)
    with np.errstate(over="ignore"):
        # Not-a-number is not within the limit either.
        bounded = (np.abs(generated - centre) <= _DIVERGED_DISTANCE * scale).all()
    if not bounded or math.isnan(lyapunov):
        return Verdict.DIVERGED
    # Two steps at least: the standard deviation of one is always 0.
    tail = generated[-max(2, int(_FIXED_POINT_TAIL * len(generated))) :]
    if (tail.std(axis=0) < _FIXED_POINT_MOTION * scale).all():
        return Verdict.FIXED_POINT
    error = standard_error if math.isfinite(standard_error) else 0.0
    chaotic = lyapunov > max(_CHAOS_STANDARD_ERRORS * error, _CHAOS_MIN_EXPONENT)
    return Verdict.CHAOTIC if chaotic else Verdict.CYCLE
