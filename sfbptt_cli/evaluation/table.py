"""Metrics as a table."""

from __future__ import annotations

from typing import Any

from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.common.tables import aligned
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


def table(evaluation: dict[str, Any]) -> str:
    """Format dynamics and result, then a row a metric: value, floor or true value, a note."""
    rows = [("metric", "value", "floor", "note")]
    for name, metric in evaluation["metrics"].items():
        floor = metric.get("floor", metric.get("truth"))
        value, floor = number_text(metric["value"]), number_text(floor)
        rows.append((METRICS.get(name) or str(name), value, floor, _note(name, metric)))
    found = result_of(evaluation)
    head = f"result: {found.result}: {found.reason}\ndynamics: {dynamics_of(evaluation)}"
    return f"{head}\n{aligned(rows, right=(1, 2))}"


def _note(name: str, metric: dict[str, Any]) -> str:
    if name == "d_stsp":
        delays = ""
        if "lag" in metric:
            delays = f", {metric['dimension']} delays of {metric['lag']} steps"
        if metric["estimator"] == "gmm":
            return f"GMM{delays}"
        return f"{metric['bins']} bins, {100 * metric['outside']:.2g}% outside{delays}"
    if name == "prediction_error":
        error = metric.get("standard_error")  # not in entries of earlier versions
        within = f"± {number_text(error)}, " if isinstance(error, float) else ""
        return f"{within}{metric['steps']} steps, in {metric['unit']}"
    if name == "valid_prediction_time":
        low, high = metric["quartiles"]
        return f"{metric['unit']}, quartiles {low:.3g} to {high:.3g}"
    if name == "lambda_max":
        return f"{metric['unit']}, of the model; under floor: of the system"
    if name == "kaplan_yorke_dimension":
        return "of the model; under floor: of the system"
    return ""
