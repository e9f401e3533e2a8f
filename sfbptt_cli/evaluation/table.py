"""Metrics as a table."""

from __future__ import annotations

from typing import Any

# The metrics of evaluation.json, with the words for them.
METRICS: dict[str, str] = {
    "d_stsp": "D_stsp",
    "d_stsp_gmm": "D_stsp (GMM)",
    "d_h": "D_H",
    "d_stsp_paper2022": "D_stsp (paper2022)",
    "d_h_paper2022": "D_H (paper2022)",
    "prediction_error": "prediction error",
    "valid_prediction_time": "valid prediction time",
    "lambda_max": "lambda_max",
    "kaplan_yorke_dimension": "Kaplan-Yorke dimension",
}


def table(evaluation: dict[str, Any]) -> str:
    """Verdict, then one row a metric: its value, its floor or true value, and what it is."""
    rows: list[tuple[str, str, str, str]] = [("metric", "value", "floor", "note")]
    for name, metric in evaluation["metrics"].items():
        floor: Any = metric.get("floor", metric.get("truth"))
        rows.append(
            (
                METRICS.get(name) or str(name),
                number_text(metric["value"]),
                number_text(floor),
                _note(name, metric),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"{label:<{widths[0]}}  {value:>{widths[1]}}  {floor:>{widths[2]}}  {note}".rstrip()
        for label, value, floor, note in rows
    ]
    return "\n".join([f"verdict: {evaluation['verdict']}", *lines])


def number_text(value: Any) -> str:
    """Four significant digits; a word as it is, a dash for nothing."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.4g}"


def _note(name: str, metric: dict[str, Any]) -> str:
    if name == "d_stsp":
        if metric["estimator"] == "gmm":
            return "GMM"
        return f"{metric['bins']} bins, {100 * metric['outside']:.2g}% outside"
    if name == "prediction_error":
        return f"{metric['steps']} steps, in {metric['unit']}"
    if name == "valid_prediction_time":
        low, high = metric["quartiles"]
        return f"{metric['unit']}, quartiles {low:.3g} to {high:.3g}"
    if name == "lambda_max":
        return f"{metric['unit']}, of the model; under floor: of the system"
    if name == "kaplan_yorke_dimension":
        return "of the model; under floor: of the system"
    return ""
