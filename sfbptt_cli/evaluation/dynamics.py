"""What a generation does in the long run, in a word."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from sfbptt_cli.data.time_scales import principal_component
from sfbptt_cli.lyapunov.spectrum import GrowthRate, Spectrum, kaplan_yorke_dimension

Array = npt.NDArray[np.float64]

# Standard deviations of truth from its centre: no attractor reaches so far, any blow-up does.
_DIVERGED_DISTANCE = 1e3
# Standard deviations of truth: still moving less than this at the end is standing still. Far
# above float32 rounding (1e-7), far below any oscillation worth reporting.
_FIXED_POINT_MOTION = 1e-4
_FIXED_POINT_TAIL = 0.1  # fraction of the steps, at the end
# Standard errors by which an exponent has to exceed zero. Of a cycle, its estimate is zero within
# three in all but one of a thousand; what is between is worth following for longer.
_STANDARD_ERRORS = 3.0
_UNDECIDED_STANDARD_ERRORS = (1.0, 4.0)
# Growth of a distance, natural log, over all the steps that an exponent was followed for: less is
# rounding, and less than one leaves open whether an exponent is zero.
_ROUNDING_GROWTH = 0.01
_ZERO_GROWTH = 1.0
# Steps between maxima: with fewer, as of a map, one zero exponent is what a torus has.
_FLOW = 10
# A cycle repeats within so many standard deviations (root mean square), after at most so many
# maxima.
_REPEATED = 0.01
_LONGEST_PERIOD = 12


class Dynamics(StrEnum):
    """What a generation does in the long run."""

    CHAOTIC = "chaotic"
    TORUS = "torus"
    CYCLE = "cycle"
    FIXED_POINT = "fixed point"
    DIVERGED = "diverged"


def dynamics(
    generated: npt.ArrayLike,
    scale: npt.ArrayLike,
    exponent: GrowthRate,
    steps: int,
    *,
    second_is_zero: bool = True,
    centre: npt.ArrayLike = 0.0,
) -> Dynamics:
    """Return whether a generation diverged, came to rest, is chaotic, quasi-periodic, or cycles.

    The first that holds:

    - diverged: a non-finite value, |x − centre| > 10³ · scale somewhere, or no exponent (NaN),
      as every trajectory behind it left the finite numbers;
    - fixed point: over the last tenth of the steps the standard deviation is below 10⁻⁴ · scale
      in every dimension;
    - chaotic: λ > max(3 standard errors, 0.01 / steps);
    - torus: |λ| ≤ max(3 standard errors, 1 / steps), the second exponent is zero, too (of a flow),
      and the maxima of the principal component do not repeat;
    - cycle: everything else that keeps moving in bounds. A spiral that has not come to rest by the
      end counts here too; longer generations separate them.

    Args:
        generated: (S, N), data units, S at least 2, transient discarded.
        scale, centre: (N,), standard deviation and mean of truth, data units.
        exponent: λ_max of the generating model, natural log, per step; −∞ is a superstable cycle.
            Its error is infinite where one trajectory left none.
        steps: that λ_max was followed for.
        second_is_zero: whether the second exponent is (`is_zero`).
    """
    generated = np.asarray(generated, dtype=np.float64)
    scale, centre = np.asarray(scale), np.asarray(centre)
    with np.errstate(over="ignore"):
        # Not-a-number is not within the limit either.
        bounded = (np.abs(generated - centre) <= _DIVERGED_DISTANCE * scale).all()
    if not bounded or math.isnan(exponent.value):
        return Dynamics.DIVERGED
    # Two steps at least: the standard deviation of one is always 0.
    tail = generated[-max(2, int(_FIXED_POINT_TAIL * len(generated))) :]
    if (tail.std(axis=0) < _FIXED_POINT_MOTION * scale).all():
        return Dynamics.FIXED_POINT
    if exponent.value > max(_uncertain(exponent), _ROUNDING_GROWTH / steps):
        return Dynamics.CHAOTIC
    if is_zero(exponent, steps) and not _repeats(generated, second_is_zero):
        return Dynamics.TORUS
    return Dynamics.CYCLE


def is_zero(exponent: GrowthRate, steps: int) -> bool:
    """Return whether an exponent may be zero: within three errors, or 1 / (steps followed)."""
    return abs(exponent.value) <= max(_uncertain(exponent), _ZERO_GROWTH / steps)


def attractor_dimension(spectrum: Spectrum, steps: int, word: Dynamics) -> float:
    """Return the Kaplan-Yorke dimension; of a cycle or torus, exponents that may be 0 are 0."""
    exponents = spectrum.exponents
    if word in (Dynamics.CYCLE, Dynamics.TORUS):
        pairs = zip(exponents, spectrum.standard_errors, strict=True)
        exponents = np.array([0.0 if is_zero(GrowthRate(*p), steps) else p[0] for p in pairs])
    return kaplan_yorke_dimension(exponents)


def _uncertain(exponent: GrowthRate) -> float:
    error = exponent.standard_error
    return _STANDARD_ERRORS * error if math.isfinite(error) else 0.0


def undecided(exponent: GrowthRate) -> bool:
    """Return whether an exponent is so near to its error that it should be followed for longer."""
    low, high = _UNDECIDED_STANDARD_ERRORS
    error = exponent.standard_error
    return low * error < exponent.value < high * error


def _repeats(generated: Array, second_is_zero: bool) -> bool:
    """Return whether a trajectory (S, N) is periodic, from its second half.

    Its maxima are those of the first principal component, as a Poincaré section: their times and
    the state there, interpolated by parabolas. It is periodic where they come again, within a
    root mean square of 0.01 standard deviations (and intervals), after one to twelve of them; also
    where there are too few of them to tell. A flow that repeats between its samples only has no
    second zero exponent.
    """
    x = generated[len(generated) // 2 :]
    x = x[:, x.std(axis=0) > 0]
    p = principal_component(x)
    at = np.flatnonzero((p[1:-1] > p[:-2]) & (p[1:-1] >= p[2:])) + 1
    if len(at) < 4:
        return True
    before, now, after = p[at - 1], p[at], p[at + 1]
    shift = (before - after) / (2 * (before - 2 * now + after))
    slope, curve = (x[at + 1] - x[at - 1]) / 2, x[at + 1] - 2 * x[at] + x[at - 1]
    states = x[at] + shift[:, None] * slope + shift[:, None] ** 2 / 2 * curve
    intervals = np.diff(at + shift)
    if not second_is_zero and intervals.mean() > _FLOW:
        return True
    section = np.column_stack([states[1:] / x.std(axis=0), intervals / intervals.mean()])
    periods = range(1, 1 + min(_LONGEST_PERIOD, len(section) // 2))
    return any(
        (np.sqrt(((section[n:] - section[:-n]) ** 2).mean(axis=0)) <= _REPEATED).all()
        for n in periods
    )
