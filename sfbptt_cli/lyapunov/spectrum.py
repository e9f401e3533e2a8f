"""Lyapunov exponents with their errors, and what follows from them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Spectrum(NamedTuple):
    """Lyapunov exponents, largest first, natural log, with the standard errors of their means.

    Per time unit of a system, per step of a model.
    """

    exponents: Array  # (K,); NaN where no trajectory stays finite
    standard_errors: Array  # (K,), of the mean over the trajectories; infinite for one
    trajectories: int  # that stayed finite
    # Mean of ∇·f along the trajectories, which all N exponents must sum to; None where fewer than
    # N were asked for, for delay equations, for maps and for models.
    divergence: float | None = None


class GrowthRate(NamedTuple):
    """A rate of exponential growth, natural log, per step, with its standard error."""

    value: float
    standard_error: float


def kaplan_yorke_dimension(exponents: Array) -> float:
    """Return D = k + (λ_1 + … + λ_k) / |λ_{k+1}|, k the most exponents whose sum is not negative.

    0 when all are negative, N when the sum of all N is not (Kaplan and Yorke 1979).
    """
    descending = np.sort(exponents)[::-1]
    sums = np.cumsum(descending)
    k = int((sums >= 0).sum())
    if k in (0, len(sums)):
        return float(k)
    return k + float(sums[k - 1] / -descending[k])


def tau_predicted(lambda_step: float) -> int:
    """Return τ_pred = ln 2 / (λ_max · dt), rounded, at least 1 (Mikhaeil et al. 2022, section 4).

    lambda_step is λ_max · dt, the exponent per step. ValueError unless it is positive.
    """
    return max(1, round(doubling_steps(lambda_step)))


def doubling_steps(lambda_step: float) -> float:
    """Return ln 2 / (λ_max · dt), the steps in which a distance doubles.

    Raises ValueError unless the exponent per step is positive.
    """
    if not lambda_step > 0:
        raise ValueError(
            f"lambda_step is {lambda_step}; tau is defined for positive exponents only"
        )
    return math.log(2) / lambda_step
