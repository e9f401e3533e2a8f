"""The exponents of a system, of data or of a model, and the τ that follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.numbers import singular, word_or_number
from sfbptt_cli.common.progress import progress
from sfbptt_cli.data.contexts import states_at
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.data.time_scales import autocorrelation_time, first_minimum_of_mutual_information
from sfbptt_cli.lyapunov.cached import cached_exponent, cached_spectrum
from sfbptt_cli.lyapunov.from_data import LONGEST, DataExponent
from sfbptt_cli.lyapunov.model_spectrum import model_spectrum
from sfbptt_cli.lyapunov.settings import NeighbourSettings, OrbitSettings
from sfbptt_cli.lyapunov.spectrum import Spectrum, kaplan_yorke_dimension, tau_predicted
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.system import System, complete_parameters

Array = NDArray[np.float64]

# Logarithm of the growth of tangent vectors, over a whole trajectory, that only chaos explains.
_LEAST_GROWTH = 3.0


@dataclass(frozen=True)
class Exponents:
    """Lyapunov exponents per time unit, largest first, with standard errors or a range."""

    source: str
    values: Array  # (K,)
    errors: Array | None  # (K,), standard errors; None for recorded data, which have a range
    dt: float
    time_unit: str
    low: float  # of the largest
    high: float
    complete: bool = False  # all there are, so that they have a sum and a dimension
    divergence: float | None = None  # mean of ∇·f, which the sum must be
    chaotic: bool = True
    reason: str = ""  # why not
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def dimension(self) -> float | None:
        """Return the Kaplan-Yorke dimension, where the known exponents decide it."""
        if len(self.values) > 1 and (self.complete or self.values.sum() < 0):
            return kaplan_yorke_dimension(self.values)
        return None

    def tau(self) -> dict[str, int] | None:
        """Return τ_pred = ln 2 / (λ_max dt) in steps, with its range; None without chaos."""
        if not self.chaotic:
            return None
        ends = {"value": float(self.values[0]), "low": self.high}
        if self.low > 0:
            ends["high"] = self.low
        return {name: tau_predicted(value * self.dt) for name, value in ends.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the content of lyapunov.json."""
        largest, values = float(self.values[0]), [word_or_number(v) for v in self.values]
        errors = None if self.errors is None else [word_or_number(e) for e in self.errors]
        return {
            "source": self.source,
            "unit": f"per {singular(self.time_unit)}",
            "exponents": values,
            "standard_errors": errors,
            "lambda_max": values[0],
            "lambda_max_range": [word_or_number(self.low), word_or_number(self.high)],
            "lambda_max_per_step": word_or_number(largest * self.dt),
            "lyapunov_time": word_or_number(1 / largest) if self.chaotic else None,
            "kaplan_yorke_dimension": self.dimension,
            "sum": word_or_number(float(self.values.sum())) if self.complete else None,
            "mean_divergence": self.divergence,
            "chaotic": self.chaotic,
            "reason": self.reason,
            "tau_pred": self.tau(),
            **self.details,
        }


def system_with(name: str, library: str, exponents: int | None) -> System:
    """Return the system; raise RequestError unless it has so many exponents (None: all)."""
    system = find_system(name, library)
    if system.delay is not None and exponents is None:
        raise RequestError(
            f"exponents: null was given; accepted for {name}, a delay equation: a number, as it "
            "has infinitely many"
        )
    if system.delay is None and (exponents or 0) > len(system.variables):
        raise RequestError(
            f"exponents: {exponents} was given; accepted: 1 to {len(system.variables)}, or null"
        )
    return system


def from_equations(
    described: SimulatedSettings, dataset: Dataset, settings: OrbitSettings
) -> Exponents:
    """Return the spectrum of a simulated system along its tangent flow."""
    system = system_with(described.system, described.library, settings.exponents)
    parameters = complete_parameters(system, described.parameters)
    spectrum = cached_spectrum(system, parameters, dataset.dt, settings)
    return _significant(
        f"tangent flow of the equations, QR, {settings.trajectories} trajectories of "
        f"{settings.steps} steps",
        spectrum,
        dataset,
        settings.steps,
        complete=len(spectrum.exponents) == len(system.variables) and system.delay is None,
    )


def from_model(
    model: LatentModel, standardiser: Standardiser, dataset: Dataset, settings: OrbitSettings
) -> Exponents:
    """Return the spectrum of a model over its whole state, along free runs from test data."""
    steps, transient, count = settings.steps, settings.transient, settings.exponents
    if (count or 0) > model.state_dim:
        raise RequestError(f"exponents: {count} was given; accepted: 1 to {model.state_dim}")
    first, last = model.warmup, len(dataset.test) - 1
    starts = np.linspace(first, last, settings.trajectories).astype(int)
    s = inputs = None
    if dataset.inputs is not None:
        if transient + steps > last - first:
            raise RequestError(
                f"steps: {steps} after {transient} were given; accepted for a driven model: at "
                f"most the {last - first} test steps in all"
            )
        starts[:] = first  # every start is driven by the same inputs
        inputs = dataset.inputs.test
        s = torch.from_numpy(inputs[first + 1 : first + 1 + transient + steps])
    state = states_at(model, standardiser, dataset.test, starts, inputs)
    with progress(steps * len(starts), "exponents") as bar:
        found = model_spectrum(
            model, state, steps, transient, count, s=s, seed=settings.seed, tick=bar.update
        )
    return _significant(
        f"tangent map of the model, QR, {found.trajectories} trajectories of {steps} steps",
        found._replace(
            exponents=found.exponents / dataset.dt,
            standard_errors=found.standard_errors / dataset.dt,
        ),
        dataset,
        steps,
        complete=len(found.exponents) == model.state_dim,
    )


def _significant(
    source: str, spectrum: Spectrum, dataset: Dataset, steps: int, complete: bool
) -> Exponents:
    """Return the exponents, chaotic where the largest is above 0 by two standard errors.

    It also has to be more than the growth of a quasi-periodic orbit's tangent vectors, a power of
    time, gives in so many steps.
    """
    values, errors = spectrum.exponents, spectrum.standard_errors
    low, high = (float(values[0] + sign * 2 * errors[0]) for sign in (-1, 1))
    growth = float(values[0]) * dataset.dt * steps
    chaotic, reason = bool(low > 0 and growth > _LEAST_GROWTH), ""  # a dt may be one of numpy
    if math.isnan(values[0]):
        reason = "every trajectory diverges"
    elif low <= 0:
        reason = "the largest exponent is not above 0 by two standard errors"
    elif not chaotic:
        reason = f"tangent vectors grow by e^{growth:.2g} in {steps} steps, no more than on a torus"
    return Exponents(
        source=source,
        values=values,
        errors=errors,
        dt=dataset.dt,
        time_unit=dataset.time_unit,
        low=low,
        high=high,
        complete=complete,
        divergence=spectrum.divergence,
        chaotic=chaotic,
        reason=reason,
    )


def from_data(dataset: Dataset, settings: NeighbourSettings) -> tuple[Exponents, DataExponent]:
    """Return λ_max by the neighbours in the training part, and what it was read from."""
    series = dataset.longest_training(LONGEST)
    found = cached_exponent(series, dataset.dt, settings)
    names = ("fit", "lag", "dimension", "theiler", "references")
    details = {
        "samples": len(series),
        **{name: getattr(found, name) for name in names},
        "separation_curve": [part.tolist() for part in found.curve],
    }
    exponents = Exponents(
        source=f"separation of neighbours in {len(series)} steps of the training part",
        values=np.array([found.value]),
        errors=None,
        dt=dataset.dt,
        time_unit=dataset.time_unit,
        low=found.low,
        high=found.high,
        chaotic=found.chaotic,
        reason=found.reason,
        details=details,
    )
    return exponents, found


def heuristics(dataset: Dataset) -> dict[str, int | None]:
    """Return the other choices of τ in use, in steps, of the training part."""
    series = dataset.longest_training(LONGEST)
    return {
        "first_minimum_of_mutual_information": first_minimum_of_mutual_information(series),
        "autocorrelation_below_1/e": autocorrelation_time(series),
    }
