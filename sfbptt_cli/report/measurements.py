"""What evaluation.json, which anybody may have written, holds of a run's measurements."""

from __future__ import annotations

import math
from types import NoneType
from typing import Any, NamedTuple

from sfbptt_cli.common.numbers import number_of
from sfbptt_cli.evaluation.settings import MOST_SMOOTHING
from sfbptt_cli.evaluation.table import METRICS as NAMES
from sfbptt_cli.evaluation.table import PAPER
from sfbptt_cli.evaluation.verdict import result_of
from sfbptt_cli.storage.evaluations import settings_of
from sfbptt_cli.storage.run_folder import RunFolder

METRICS = {**NAMES, "lambda_max": "λ_max"}
USUAL = [name for name in METRICS if name not in PAPER]  # what people see unless they choose others
SHARE = "reconstructed"  # the share of runs that reconstruct; drawn as the metrics are
# Of a metric: words, and the sizes that its estimator was given.
_HOW = ("estimator", "bins", "sigma", "points", "samples", "smoothing", "steps", "threshold")
_LARGEST = 1e100  # that a picture or a mean can hold


class Metric(NamedTuple):
    """One number of evaluation.json; a part that is not known is NaN."""

    value: float  # may be infinite
    floor: float
    floor_low: float
    floor_high: float
    truth: float  # of lambda_max: the system's
    standard_error: float
    unit: str
    settings: tuple[tuple[str, Any], ...]  # how it was measured: bins, estimator, …


class Measurement(NamedTuple):
    """One entry of evaluation.json."""

    settings: tuple[tuple[str, Any], ...]  # of the evaluation, and what `auto` led to; sorted
    dynamics: str
    result: str  # reconstructed, in part, not reconstructed
    reason: str
    metrics: dict[str, Metric]


def read_measurements(folder: RunFolder) -> list[Measurement]:
    """Return the entries of evaluation.json, the run's own first."""
    if not folder.evaluation_file.is_file():
        raise ValueError("damaged: run.json says finished, but there is no evaluation.json")
    content = folder.evaluation()
    others = content.pop("others", [])
    return [_measurement(entry) for entry in (content, *others)]


def _measurement(entry: Any) -> Measurement:
    if not isinstance(entry, dict):
        raise ValueError("damaged: an entry of evaluation.json is no mapping")
    dynamics, stored = entry.get("dynamics", entry.get("verdict")), entry.get("metrics")
    if not isinstance(dynamics, str) or not dynamics.isprintable() or not isinstance(stored, dict):
        raise ValueError("damaged: evaluation.json has no dynamics and metrics")
    metrics = {name: _metric(name, stored[name]) for name in METRICS if name in stored}
    settings = {f"evaluation.{key}": x for key, x in settings_of(entry).items() if key}
    plain = all(isinstance(x, (str, int, float, NoneType)) for x in settings.values())
    if not plain or type(steps := entry.get("steps", 0)) is not int:
        raise ValueError("damaged: evaluation.json was measured with no plain settings")
    settings |= {f"{METRICS[n]}: {k}": x for n, m in metrics.items() for k, x in m.settings}
    if (chosen := settings.get(f"{METRICS['d_stsp']}: estimator")) is not None:
        settings["evaluation.estimator"] = chosen  # by auto, or as given: the same measurement
    # Those that a test trajectory allows are all of it, but for the warm-up.
    wanted = settings.get("evaluation.steps")
    settings["measured steps"] = steps if isinstance(wanted, int) and steps >= wanted else "all"
    try:
        result, reason = result_of(entry)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("damaged: evaluation.json: its metrics give no result") from error
    return Measurement(tuple(sorted(settings.items())), dynamics, result, reason, metrics)


def _metric(name: str, stored: Any) -> Metric:
    where = f"damaged: evaluation.json: {name}"
    if not isinstance(stored, dict) or "value" not in stored:
        raise ValueError(f"{where} has no value")
    ends = stored.get("floor_range") or (None, None)
    if not isinstance(ends, (list, tuple)) or len(ends) != 2:
        raise ValueError(f"{where} has no floor_range of two numbers")
    numbers = [stored["value"], stored.get("floor"), *ends]
    numbers += [stored.get("truth"), stored.get("standard_error")]
    settings = tuple((key, stored[key]) for key in _HOW if key in stored)
    if not all(isinstance(value, (str, int, float)) for _, value in settings):
        raise ValueError(f"{where} was measured with no plain settings")
    smoothing = stored.get("smoothing", 1.0)
    if not (stored_number(smoothing, where) <= MOST_SMOOTHING):
        raise ValueError(f"{where} was smoothed over {smoothing} frequencies")
    unit = str(stored.get("unit", ""))
    return Metric(*(stored_number(x, where) for x in numbers), unit=unit, settings=settings)


def stored_number(value: Any, where: str) -> float:
    """Return a stored number, or the number of a word; None is NaN."""
    if value is None:
        return math.nan
    try:
        number = number_of(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if math.isfinite(number) and abs(number) > _LARGEST:
        raise ValueError(f"{where} is {number:g}, beyond {_LARGEST:g}")
    return number
