"""Whether a model reconstructs the system that it was trained on, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from sfbptt_cli.common.numbers import number_of


class Result(StrEnum):
    """Whether a model reconstructs the system that it was trained on."""

    RECONSTRUCTED = "reconstructed"
    IN_PART = "in part"
    NOT = "not reconstructed"


class Judgement(NamedTuple):
    """A result and its reason, a part of a sentence."""

    result: Result
    reason: str


# How many times its floor a distance may be, of a simulated system and of recorded data, whose
# floor, between the halves of a record, holds what is not stationary in it.
_WITHIN, _WITHIN_IN_PART = 2.0, 10.0
_RECORDED_WITHIN, _RECORDED_IN_PART = 1.0, 2.0
_RECORDED_D_H = 0.1
# A distance of less is none, whatever its floor: that of a system that repeats itself is 0.
_NONE = 0.02
# By how much of it λ_max may be off.
_EXPONENT = 0.15
_EXPONENT_STANDARD_ERRORS = 2.0


def dynamics_of(entry: Mapping[str, Any]) -> str:
    """Return the dynamics of an entry of evaluation.json; earlier versions called it verdict."""
    return entry["dynamics"] if "dynamics" in entry else entry["verdict"]


def result_of(entry: Mapping[str, Any]) -> Judgement:
    """Return the result of an entry of evaluation.json, and why.

    - reconstructed: D_stsp and D_H at most twice their floors, the dynamics are of the system's
      kind, and λ_max is within 15% of the system's, or within two standard errors. Of recorded
      data: D_stsp at most its floor, D_H at most twice its floor or 0.1, neither diverged nor at
      rest.
    - in part: of the system's kind, and D_stsp at most ten times its floor; of recorded data twice.

    A distance of at most 0.02 is near enough, whatever its floor.
    """
    metrics, does = entry["metrics"], dynamics_of(entry)
    exponent = metrics.get("lambda_max", {})
    recorded = bool(entry.get("recorded", exponent.get("truth") is None))
    kinds = _kinds_of_system(exponent)
    if does not in kinds:
        wanted = "" if recorded else f", the system is {_either(kinds)}"
        return Judgement(Result.NOT, f"the model runs into {_article(does)}{wanted}")
    within, in_part = (_WITHIN, _WITHIN_IN_PART)
    if recorded:
        within, in_part = (_RECORDED_WITHIN, _RECORDED_IN_PART)
    d_stsp = _ratio(metrics["d_stsp"])
    near, text = _near("D_stsp", metrics["d_stsp"], within, _NONE)
    enough = _RECORDED_D_H if recorded else _NONE
    found = [(near, text), _near("D_H", metrics["d_h"], _WITHIN, enough)]
    faults = [text for right, text in found if not right]
    if (off := _exponent_off(exponent)) is not None:
        faults.append(f"lambda_max is {off}")
    if not faults:
        return Judgement(Result.RECONSTRUCTED, _listed([text for _, text in found]))
    in_part_at_least = near or d_stsp <= in_part
    return Judgement(Result.IN_PART if in_part_at_least else Result.NOT, _listed(faults))


def _kinds_of_system(exponent: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the dynamics that a system with this λ_max may have; unknown: all that moves."""
    truth = exponent.get("truth")
    if truth is None:
        return ("chaotic", "torus", "cycle")
    zero = exponent.get("resolution", 0.0)
    if truth > zero / 10:
        return ("chaotic",)
    return ("torus", "cycle") if truth >= -zero else ("cycle", "fixed point")


def _exponent_off(exponent: Mapping[str, Any]) -> str | None:
    """Return by how much λ_max misses the system's; None where it does not, or that is unknown."""
    truth = exponent.get("truth")
    if truth is None:
        return None
    value, error = number_of(exponent["value"]), number_of(exponent.get("standard_error", 0.0))
    error = error if math.isfinite(error) else 0.0
    zero = exponent.get("resolution", 0.0)
    within = max(_EXPONENT * abs(truth), _EXPONENT_STANDARD_ERRORS * error, zero)
    if abs(value - truth) <= within or (truth < 0 and value < 0):
        return None
    return f"{value:.3g} where the system has {truth:.3g}"


def _ratio(metric: Mapping[str, Any]) -> float:
    """Return how many times its floor a distance is; NaN where that cannot be said."""
    value, floor = number_of(metric["value"]), number_of(metric.get("floor", "nan"))
    if floor <= 0:
        return 0.0 if value <= _NONE else math.inf
    return value / floor


def _near(name: str, metric: Mapping[str, Any], within: float, enough: float) -> tuple[bool, str]:
    """Return whether a distance is near enough: within its floors, or small; and why, in words."""
    value, ratio = number_of(metric["value"]), _ratio(metric)
    if value <= enough and not ratio <= within:
        return True, f"{name} is {value:.3g} ({enough:g} is near enough)"
    return ratio <= within, f"{name} is {_times(ratio)}"


def _times(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "infinitely far from its floor" if ratio > 0 else "not to be compared with a floor"
    return f"{max(0.0, ratio):.3g} times its floor"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _either(kinds: tuple[str, ...]) -> str:
    return " or ".join(kind if kind == "chaotic" else f"a {kind}" for kind in kinds)


def _article(found: str) -> str:
    """Return the dynamics as what a model runs into."""
    return {"chaotic": "chaos", "diverged": "infinity"}.get(found, f"a {found}")
