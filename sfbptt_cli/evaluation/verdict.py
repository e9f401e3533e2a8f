"""The long-run behaviour of a generated trajectory, in a word."""

from enum import StrEnum

import numpy as np
import numpy.typing as npt

# Standard deviations of truth from its centre: no attractor reaches so far, any blow-up does.
DIVERGED_DISTANCE = 1e3
# Standard deviations of truth: still moving less than this at the end is standing still. Far
# above float32 rounding (1e-7), far below any oscillation worth reporting.
FIXED_POINT_MOTION = 1e-4
FIXED_POINT_TAIL = 0.1  # fraction of the steps, at the end
MIN_STEPS = 20  # below this the tail has a single step, whose standard deviation is always 0
# Standard errors by which an exponent has to exceed zero.
CHAOS_STANDARD_ERRORS = 2.0
# Per step, natural log: along 10⁴ to 10⁵ steps the zero exponent of a cycle is estimated as a
# number of order 1/steps; the Lorenz system at dt = 0.01 has 0.011.
CHAOS_MIN_EXPONENT = 1e-4


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
    """Decide whether a generation diverged, came to rest, is chaotic, or cycles.

    The first that holds:

    - diverged: a non-finite value, or |x − centre| > 10³ · scale somewhere;
    - fixed point: over the last tenth of the steps the standard deviation is below 10⁻⁴ · scale
      in every dimension;
    - chaotic: lyapunov > max(2 · standard_error, 10⁻⁴ per step);
    - cycle: everything else that keeps moving in bounds, periodic or quasi-periodic. A spiral
      that has not come to rest by the end counts here too; longer generations separate them.

    Args:
        generated: (S, N), data units, S at least 20, transient discarded.
        scale: (N,), standard deviation of truth, data units.
        lyapunov: largest exponent of the generating model, natural log, per step. Not looked at,
            and free to be not-a-number, when the generation diverged or stands still.
        standard_error: of lyapunov, per step.
        centre: (N,), mean of truth, data units. To be given where the data lie far from zero,
            such as temperatures in kelvin.

    Raises:
        ValueError: generated not (time, variable) or too short, scale or centre of another shape,
            scale not positive and finite, or an exponent that is needed and not-a-number.
    """
    generated = np.asarray(generated, dtype=np.float64)
    if generated.ndim != 2 or len(generated) < MIN_STEPS or generated.shape[1] == 0:
        raise ValueError(
            f"generated has shape {generated.shape}; expected (time, variable),"
            f" at least {MIN_STEPS} steps"
        )
    scale, centre = np.asarray(scale, dtype=np.float64), np.asarray(centre, dtype=np.float64)
    if scale.shape != generated.shape[1:] or not ((scale > 0) & (scale < np.inf)).all():
        raise ValueError(
            f"scale={scale}; expected {generated.shape[1]} positive finite values, one a variable"
        )
    if centre.shape not in ((), scale.shape):
        raise ValueError(f"centre has shape {centre.shape}; expected {scale.shape}")
    if _diverged(generated, scale, centre):
        return Verdict.DIVERGED
    tail = generated[-int(FIXED_POINT_TAIL * len(generated)) :]
    if (tail.std(axis=0) < FIXED_POINT_MOTION * scale).all():
        return Verdict.FIXED_POINT
    # An exponent of -inf is a superstable cycle; not-a-number fails every comparison.
    if not lyapunov < np.inf or not 0 <= standard_error < np.inf:
        raise ValueError(
            f"lyapunov={lyapunov}, standard_error={standard_error};"
            " expected numbers below infinity, the error not negative"
        )
    if lyapunov > max(CHAOS_STANDARD_ERRORS * standard_error, CHAOS_MIN_EXPONENT):
        return Verdict.CHAOTIC
    return Verdict.CYCLE


def _diverged(
    generated: npt.NDArray[np.float64],
    scale: npt.NDArray[np.float64],
    centre: npt.NDArray[np.float64],
) -> bool:
    """Whether any value is non-finite or further than DIVERGED_DISTANCE from the centre."""
    # Not-a-number is not within the limit either.
    with np.errstate(over="ignore"):
        return not bool((np.abs(generated - centre) <= DIVERGED_DISTANCE * scale).all())
