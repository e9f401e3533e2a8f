"""Choose the forcing interval: τ_pred from the largest exponent, or the best of a small search."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.lyapunov.cached import cached_exponent
from sfbptt_cli.lyapunov.from_data import LONGEST
from sfbptt_cli.lyapunov.settings import NeighbourSettings
from sfbptt_cli.lyapunov.spectrum import doubling_steps, tau_predicted
from sfbptt_cli.training.trainer import Diverged

_ADVICE = "accepted: dataset.lambda_max=… per time unit, or tau=… in steps"


def predicted_tau(field_value: str, dataset: Dataset, evidence: str = "clear") -> tuple[int, str]:
    """Return τ_pred = ln 2 / (λ_max dt) in steps, and the source of λ_max.

    λ_max is that of the dataset where it is known, else an estimate from the training part (its
    first 100,000 steps, or its longest trajectory). With `evidence` weak a rate at which neighbours
    separate suffices, though noise may cause it. Raises RequestError, naming `tau`, where no
    positive exponent is found.
    """
    if dataset.lambda_step is not None:
        if dataset.lambda_step <= 0:
            raise RequestError(
                f"tau: {field_value} needs a positive largest Lyapunov exponent, and that of "
                f"{dataset.name} is {dataset.lambda_max:.4g} ({dataset.lambda_source}); {_ADVICE}"
            )
        source = f"lambda_max {dataset.lambda_max:.4g} from: {dataset.lambda_source}"
        return tau_predicted(dataset.lambda_step), f"ln 2 / (lambda_max dt), {source}"
    series = dataset.longest_training(LONGEST)
    found = cached_exponent(series, dataset.dt, NeighbourSettings())
    apparent = found.low > 0
    if not (found.chaotic or (evidence == "weak" and apparent)):
        more = f", dataset.lambda_evidence=weak (1 / {1 / found.value:.0f} a time unit)"
        raise RequestError(
            f"tau: {field_value} needs a positive largest Lyapunov exponent, and the data show "
            f"none ({found.reason}); {_ADVICE}{more if apparent else ''}"
        )
    doubt = "" if found.chaotic else f"; weak evidence: {found.reason}"
    tau = tau_predicted(found.value * dataset.dt)
    shortest = tau_predicted(found.high * dataset.dt)
    return tau, (
        f"ln 2 / (lambda_max dt), lambda_max {found.value:.4g} estimated from the separation of "
        f"neighbours in the training part, {found.low:.4g} to {found.high:.4g} "
        f"(tau {shortest} to {doubling_steps(found.low * dataset.dt):.0f}){doubt}"
    )


def resolve_tau(
    tau: int | str | None, window: int, dataset: Dataset, evidence: str = "clear"
) -> tuple[int | None, str]:
    """Return the forcing interval in steps and its origin; `auto` is τ_pred = ln 2 / (λ_max dt)."""
    if tau is None or isinstance(tau, int):
        return tau, "tau"
    predicted, source = predicted_tau(tau, dataset, evidence)
    if predicted > window:
        raise RequestError(
            f"tau: {tau} gives {predicted} steps, longer than window = {window}; "
            f"accepted: window={predicted} or more, or a smaller tau"
        )
    return predicted, source


def tau_candidates(predicted: int, window: int, factors: Sequence[float]) -> list[int]:
    """Return τ to try, ascending: τ_pred times each factor, at least 1, at most the window."""
    return sorted({min(window, max(1, round(factor * predicted))) for factor in factors})


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
