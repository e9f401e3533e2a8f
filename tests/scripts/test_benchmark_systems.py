"""The tables of many systems: halves, rows that are kept, the rule that is fitted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from benchmarks.systems import (  # pyright: ignore[reportMissingImports]
    BUILT_IN,
    Table,
    _why,
    distance,
    half_of,
    read,
    shares,
)
from benchmarks.tau_rule import (  # pyright: ignore[reportMissingImports]
    Best,
    best_of,
    by_factor,
    fitted,
)


def test_a_system_is_in_one_half_whatever_its_spelling() -> None:
    assert half_of("MackeyGlass") == half_of("mackey_glass")
    assert {half_of(name) for name in BUILT_IN} == {"first", "second"}


def test_rows_that_a_table_has_are_not_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    made: list[str] = []

    def row(name: str) -> dict[str, float]:
        made.append(name)
        return {"tau": 0.25 + len(made)}

    for name in ("b", "a"):
        Table(path, ("system",)).once({"system": name}, lambda name=name: row(name))
    again = Table(path, ("system",)).once({"system": "b"}, lambda: row("b"))
    assert made == ["b", "a"]
    assert again == {"system": "b", "tau": "1.25"}
    assert path.read_text() == "system,tau\na,2.25\nb,1.25\n"


@pytest.mark.parametrize(("a", "b"), [(np.log(0.5), 1.0), (1.2, 0.6)])
def test_the_rule_is_a_power_law(a: float, b: float) -> None:
    predicted = np.array([20.0, 60.0, 110.0, 300.0, 900.0])
    best = np.exp(a) * predicted**b
    pairs = zip(predicted.tolist(), best.tolist(), strict=True)
    rule = fitted([Best("flow", 3, 0.0, x, y, 0.9 * y, 1.1 * y, 1.0) for x, y in pairs])
    assert [rule["a"], rule["b"], rule["scatter"]] == pytest.approx([a, b, 1.0])
    assert rule["factor"] == pytest.approx(np.median(best / predicted))
    within = np.abs(rule["factor"] * predicted / best - 1) <= 0.1
    assert rule["within"] == pytest.approx(within.mean())
    within = np.abs(predicted / best - 1) <= 0.1
    assert rule["tau_pred_within"] == pytest.approx(within.mean())


def test_a_range_holds_the_whole_steps_that_were_trained() -> None:
    trained = [(10.0, 6.0), (17.0, 10.0), (100.0, 60.0)]  # .6 of 17 was rounded from 10.2
    rule = fitted([Best("flow", 3, 0.0, x, y, 0.5 * y, y, 1.0) for x, y in trained])
    assert rule["factor"] == pytest.approx(0.6)
    assert rule["within"] == 1.0
    assert rule["tau_pred_within"] == 0.0


def test_a_factor_is_compared_with_tau_pred_system_by_system() -> None:
    """Of a, .6 has half of what 1 has; of b 4 times that, and 64 where it is lost: 16."""
    rows = [
        {
            "system": system,
            "seed": seed,
            "factor": factor,
            "tau": tau,
            "d_stsp": str(d),
            "d_stsp_floor": "1",
            "dynamics": dynamics,
            "result": "reconstructed" if d <= 2 else "in part",
            "training_seconds": "3",
        }
        for system, seed, factor, tau, d, dynamics in [
            ("a", "0", "0.6", "6", 1, "chaotic"),
            ("a", "0", "1.0", "10", 2, "chaotic"),
            ("b", "0", "0.6", "12", 4, "chaotic"),
            ("b", "1", "0.6", "12", 9, "torus"),
            ("b", "0", "1.0", "20", 1, "chaotic"),
        ]
    ]
    found = [Best("a", 3, 0.0, 10, 6, 6, 10, 1.0), Best("b", 3, 0.0, 20, 20, 20, 20, 1.0)]
    short, predicted = by_factor(rows, found).values()
    logs = np.log([1 / 2, (4 * 64) ** 0.5])
    assert short["log_ratio"] == pytest.approx(logs.mean())
    assert short["error"] == pytest.approx(abs(logs[1] - logs[0]) / 2)
    assert (short["good"], predicted["good"]) == (1, 2)
    assert predicted["log_ratio"] == predicted["error"] == 0
    assert short["seeds"]["0"].startswith("1 of 2 reconstructed; 1 in part; 0 not chaotic")
    assert short["seeds"]["1"].startswith("0 of 1 reconstructed; 1 in part; 1 not chaotic")


def test_a_system_that_no_tau_reconstructs_says_nothing_of_tau(tmp_path: Path) -> None:
    head = "system,noise,tau,tau_pred,variables,d_stsp,d_stsp_floor,dynamics"
    near = [
        f"{name},0.0,{tau},60,3,{d},0.1,chaotic"
        for name in "ab"
        for tau, d in ((30, 0.1), (60, 0.4))
    ]
    near += ["b,0.0,60,60,3,0.1,0.1,chaotic", "b,0.0,30,60,3,0.1,0.1,torus"]  # other seeds
    lost = ["c,0.0,30,90,3,9.0,0.1,chaotic", "c,0.0,,90,3,,,failed", "d,0.0,30,90,3,0.1,0.1,torus"]
    (tmp_path / "tau.csv").write_text("\n".join([head, *near, *lost]))
    found = best_of(read(tmp_path / "tau.csv"))
    assert [(best.system, best.tau, best.shortest, best.distance) for best in found] == [
        ("a", 30, 30, pytest.approx(1.0)),
        ("b", 60, 60, pytest.approx(2.0)),  # of 4 and 1 times the floor; 1 and 64 is 8
    ]


def test_a_model_without_chaos_is_not_near() -> None:
    near = {"dynamics": "chaotic", "d_stsp": "0.3", "d_stsp_floor": "0.1", "result": "in part"}
    cycle = {**near, "dynamics": "cycle", "result": "not reconstructed"}
    failed = {**near, "dynamics": "failed", "d_stsp": "", "result": "not reconstructed"}
    rows = [near, cycle, failed]
    assert [distance(row) for row in rows] == pytest.approx([3.0, np.inf, np.inf])
    seconds = ("14", "15", "")
    told = shares([{**r, "training_seconds": s} for r, s in zip(rows, seconds, strict=True)])
    assert told == (
        "0 of 3 reconstructed; 1 in part; 2 not chaotic, diverged or failed; "
        "median 14.5 s of training"
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("x ended with -9: ", "took more than 7 s of CPU time"),
        ("x ended with 1: sfbptt: too stiff", "sfbptt: too stiff"),
        ("dataset.system: a clock", "dataset.system: a clock"),
    ],
)
def test_why_a_system_was_not_followed(said: str, reason: str) -> None:
    assert _why(SystemExit(said), ("prlimit", "--cpu=7")) == reason
