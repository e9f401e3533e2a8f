"""The result of entries of evaluation.json whose numbers are known."""

from __future__ import annotations

from typing import Any

import pytest

from sfbptt_cli.evaluation.verdict import Result, dynamics_of, result_of


def entry(
    d_stsp: float | str = 0.1,
    d_h: float | str = 0.05,
    exponent: float | str = 0.9,
    dynamics: str = "chaotic",
    truth: float | None = 0.9,
    d_stsp_floor: float = 0.1,
    **changes: Any,
) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "d_stsp": {"value": d_stsp, "floor": d_stsp_floor},
        "d_h": {"value": d_h, "floor": 0.04},
        "lambda_max": {
            "value": exponent,
            "standard_error": 0.01,
            "truth": truth,
            "resolution": 0.02,
        },
    }
    return {"dynamics": dynamics, "recorded": truth is None, "metrics": metrics, **changes}


@pytest.mark.parametrize(
    ("changes", "result", "reason"),
    [
        ({"d_stsp": 0.2, "d_h": 0.08}, Result.RECONSTRUCTED, "D_stsp is 2 times its floor"),
        ({"d_stsp": 0.21}, Result.IN_PART, "D_stsp is 2.1 times its floor"),
        ({"d_stsp": 1.0, "d_h": 0.5}, Result.IN_PART, "10 times its floor and D_H is 12.5 times"),
        ({"d_stsp": 1.01}, Result.NOT, "D_stsp is 10.1 times its floor"),
        ({"d_stsp": 17.0}, Result.NOT, "D_stsp is 170 times its floor"),
        ({"d_stsp": "infinite"}, Result.NOT, "D_stsp is infinitely far"),
        ({"d_h": 0.081}, Result.IN_PART, "D_H is 2.02 times its floor"),
        ({"exponent": 1.03}, Result.RECONSTRUCTED, "D_stsp is 1 times its floor"),
        ({"exponent": 1.04}, Result.IN_PART, "lambda_max is 1.04 where the system has 0.9"),
        ({"dynamics": "cycle"}, Result.NOT, "runs into a cycle, the system is chaotic"),
        ({"dynamics": "fixed point"}, Result.NOT, "runs into a fixed point, the system is"),
        ({"dynamics": "diverged", "exponent": "diverged"}, Result.NOT, "runs into infinity"),
        # Systems that are not chaotic; an exponent of 0.001 is zero within 1 / (steps followed).
        ({"truth": 0.001, "exponent": 0.0, "dynamics": "cycle"}, Result.RECONSTRUCTED, "D_stsp"),
        ({"truth": 0.0, "exponent": 0.3}, Result.NOT, "chaos, the system is a torus or a cycle"),
        ({"truth": -0.3, "exponent": -0.1, "dynamics": "cycle"}, Result.RECONSTRUCTED, "D_stsp"),
        (
            {"d_stsp_floor": 0.0, "d_stsp": 0.02},
            Result.RECONSTRUCTED,
            "D_stsp is 0 times its floor",
        ),
        ({"d_stsp_floor": 0.0, "d_stsp": 0.03}, Result.NOT, "infinitely far from its floor"),
        # Recorded data, whose system is not known.
        ({"truth": None}, Result.RECONSTRUCTED, "D_stsp is 1 times its floor"),
        ({"truth": None, "d_stsp": 0.11}, Result.IN_PART, "D_stsp is 1.1 times its floor"),
        ({"truth": None, "d_stsp": 0.21}, Result.NOT, "D_stsp is 2.1 times its floor"),
        (
            {"truth": None, "d_h": 0.1, "dynamics": "cycle"},
            Result.RECONSTRUCTED,
            "D_H is 0.1 (0.1 is",
        ),
        ({"truth": None, "d_h": 0.11}, Result.IN_PART, "D_H is 2.75 times its floor"),
        ({"truth": None, "dynamics": "fixed point"}, Result.NOT, "runs into a fixed point"),
        # Recorded data with a λ_max that was given.
        ({"recorded": True, "d_stsp": 0.15}, Result.IN_PART, "D_stsp is 1.5 times its floor"),
        ({"recorded": True, "exponent": 1.5}, Result.IN_PART, "lambda_max is 1.5"),
    ],
)
def test_result_and_reason(changes: dict[str, Any], result: Result, reason: str) -> None:
    found = result_of(entry(**changes))
    assert found.result is result
    assert reason in found.reason


def test_an_entry_of_an_earlier_version_has_a_verdict() -> None:
    before = entry(d_stsp=0.15)
    before["verdict"] = before.pop("dynamics")
    del before["recorded"], before["metrics"]["lambda_max"]["resolution"]
    assert dynamics_of(before) == "chaotic"
    assert result_of(before).result is Result.RECONSTRUCTED
