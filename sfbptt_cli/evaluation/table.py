"""An evaluation in words and as a table, at most 80 columns wide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sfbptt_cli.common.numbers import number_of, number_text
from sfbptt_cli.common.tables import aligned, labelled
from sfbptt_cli.evaluation.verdict import dynamics_of, result_of

# The metrics of evaluation.json, with the words for them.
METRICS: dict[str, str] = {
    "d_stsp": "D_stsp",
    "d_h": "D_H",
    "d_stsp_paper2022": "D_stsp (paper2022)",
    "d_h_paper2022": "D_H (paper2022)",
    "prediction_error": "prediction error",
    "valid_prediction_time": "valid prediction time",
    "lambda_max": "lambda_max",
    "kaplan_yorke_dimension": "Kaplan-Yorke dimension",
}
PAPER = ("d_stsp_paper2022", "d_h_paper2022")
_HEADER = ("", "model", "truth", "floor", "times the floor")
_LONGEST = 31  # of a row's name, so that the table has 80 columns
_LEAST = 1e-6  # a floor of less is that of a system that repeats itself exactly


def table(entry: Mapping[str, Any], paper2022: bool = False) -> str:
    """Format result and dynamics in a sentence each, then a row a metric.

    `paper2022` also shows the distances by the estimators of the paper's code.
    """
    found = result_of(entry)
    rows: list[tuple[str, ...]] = [_HEADER]
    for name, metric in entry["metrics"].items():
        if name in PAPER and not paper2022:
            continue
        numbers = (metric["value"], metric.get("truth"), metric.get("floor"), _times(metric))
        rows.append((_name(name, metric), *(number_text(x) for x in numbers)))
    words = [
        *labelled("result", f"{found.result}: {found.reason}"),
        *labelled("dynamics", f"{dynamics_of(entry)}: {_behaviour(entry)}"),
    ]
    return "\n".join([*words, "", aligned(rows, right=(1, 2, 3, 4))])


def _times(metric: Mapping[str, Any]) -> float | None:
    floor = number_of(metric.get("floor") or 0.0)
    return number_of(metric["value"]) / floor if floor > _LEAST else None


def _name(name: str, metric: Mapping[str, Any]) -> str:
    """Return the name of a row, with the settings or the unit that it cannot be read without."""
    label, notes = METRICS.get(name) or str(name), [*_notes(name, metric)]
    if name == "valid_prediction_time":
        label = "predicted for"
    text = f"{label} ({', '.join(notes)})" if notes else label
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _notes(name: str, metric: Mapping[str, Any]) -> Iterator[str]:
    if name == "d_stsp":
        yield "GMM" if metric["estimator"] == "gmm" else f"{metric['bins']} bins"
        if "lag" in metric:
            yield f"{metric['dimension']} delays"
    elif name == "prediction_error":
        yield f"{metric['steps']} steps"
    elif name in ("lambda_max", "valid_prediction_time"):
        yield str(metric["unit"])


def _behaviour(entry: Mapping[str, Any]) -> str:
    """Return in words what the free run does."""
    exponent = entry["metrics"]["lambda_max"]
    number, error = number_text(exponent["value"]), exponent.get("standard_error")
    if isinstance(error, float) and math.isfinite(error):
        number += f" ± {error:.1g}"
    rate = f"lambda_max is {number} {exponent['unit']}"
    return {
        "chaotic": f"near states separate, {rate}",
        "torus": f"two frequencies that never meet again, {rate}, zero within its error",
        "cycle": f"the free run repeats, {rate}",
        "fixed point": "the free run comes to rest",
        "diverged": "the free run leaves all bounds",
    }.get(dynamics_of(entry), rate)
