"""Choose the forcing interval: τ_pred from the largest exponent, or the best of a small search."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.experiment.memory import Memory
from sfbptt_cli.lyapunov.cached import cached_exponent
from sfbptt_cli.lyapunov.from_data import LONGEST
from sfbptt_cli.lyapunov.settings import NeighbourSettings
from sfbptt_cli.lyapunov.spectrum import doubling_steps, tau_predicted
from sfbptt_cli.training.trainer import Diverged

# τ where the data tell nothing of themselves, as constant ones.
_LAST_RESORT = 30


def predicted_tau(dataset: Dataset, longest: int, memory: Callable[[], Memory]) -> tuple[int, str]:
    """Return an interval in steps, at most `longest`, and where it comes from: the first of these.

    τ_pred = ln 2 / (λ_max dt) by the λ_max of the dataset, where that is known; by an estimate from
    the training part (its first 100,000 steps, or its longest trajectory); by the highest rate at
    which neighbours may separate there, though noise may cause it; the steps ahead that the data
    can be predicted.
    """
    tau, source = _from_exponent(dataset) or _from_memory(memory())
    if tau > longest:
        return longest, f"{source}: {tau} steps, cut to the {longest} that fit"
    return tau, source


def _from_exponent(dataset: Dataset) -> tuple[int, str] | None:
    if dataset.lambda_step is not None:
        if dataset.lambda_step <= 0:
            return None
        source = f"lambda_max {dataset.lambda_max:.4g} from: {dataset.lambda_source}"
        return tau_predicted(dataset.lambda_step), f"ln 2 / (lambda_max dt), {source}"
    found = cached_exponent(dataset.longest_training(LONGEST), dataset.dt, NeighbourSettings())
    if not found.low > 0:  # nor for NaN
        return None
    shortest, longest = (doubling_steps(rate * dataset.dt) for rate in (found.high, found.low))
    measured = (
        f"lambda_max {found.value:.4g} estimated from the separation of neighbours in the training "
        f"part, {found.low:.4g} to {found.high:.4g} (tau {shortest:.0f} to {longest:.0f})"
    )
    if found.chaotic:
        return tau_predicted(found.value * dataset.dt), f"ln 2 / (lambda_max dt), {measured}"
    doubt = f"the shortest, as the evidence is weak: {found.reason}"
    return tau_predicted(found.high * dataset.dt), f"ln 2 / (lambda_max dt), {measured}; {doubt}"


def _from_memory(memory: Memory) -> tuple[int, str]:
    why = "no sign of a positive exponent"
    if memory.horizon is None:
        return _LAST_RESORT, f"{why}, and too few data to tell: the usual {_LAST_RESORT}"
    level = "0.1% of the variance plus twice the error of one step"
    return memory.horizon, f"{why}: the steps ahead that are predicted to {level}"


def tau_candidates(predicted: int, longest: int, factors: Sequence[float]) -> list[int]:
    """Return τ to try, ascending: τ_pred times each factor, from 1 to `longest`."""
    return sorted({min(longest, max(1, round(factor * predicted))) for factor in factors})


def search_tau(
    candidates: Sequence[int],
    score_of: Callable[[int], float],
    known: dict[int, float],
    record: Callable[[dict[int, float]], None],
) -> int:
    """Return the candidate of the lowest score, `score_of` each that is not `known` yet.

    Every score is handed to `record`, with those before it, as soon as it is there, so that an
    interrupted search goes on. A training that diverges scores infinity. Raises RequestError when
    all do.
    """
    scores = dict(known)
    for tau in candidates:
        if tau not in scores:
            try:
                scores[tau] = score_of(tau)
            except Diverged:
                scores[tau] = math.inf
            record(scores)
    best = min(candidates, key=lambda tau: scores[tau])
    if math.isinf(scores[best]):
        raise RequestError(
            f"tau: search found none: training diverged at every tau of {list(candidates)}; "
            "accepted: tau=… in steps, or another optimizer.learning_rate"
        )
    return best
