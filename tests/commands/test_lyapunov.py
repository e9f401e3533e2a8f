"""`sfbptt lyapunov`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from sfbptt_cli.lyapunov.exponent_table import exponent_table
from sfbptt_cli.lyapunov.exponents import Exponents

SHORT = ("steps=2000", "transient=1000", "trajectories=16")


def _written(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "lyapunov.json").read_text())


def test_the_spectrum_of_a_system(cli: Cli, tmp_path: Path) -> None:
    small = ("dataset.train_steps=2000", "dataset.test_steps=500", "dataset.floor_trajectories=1")
    outcome = cli("lyapunov", "dataset=lorenz", *small, *SHORT, cwd=tmp_path, status=0)
    written = json.loads((tmp_path / "outputs/run/lorenz/lyapunov.json").read_text())
    exponents = written["exponents"]
    assert exponents[0] == pytest.approx(0.9057, rel=0.08)  # three standard errors
    assert sum(exponents) == pytest.approx(-13.667, rel=1e-3)
    assert written["mean_divergence"] == pytest.approx(-13.667, rel=1e-4)
    assert written["kaplan_yorke_dimension"] == pytest.approx(2.062, abs=0.005)
    assert written["tau_pred"]["low"] <= 77 <= written["tau_pred"]["high"]
    assert written["settings"]["steps"] == 2000
    for line in ("tau_pred = ln 2 / (lambda_max dt)", "Kaplan-Yorke dimension", "Lyapunov time"):
        assert line in outcome.stdout
    tau = written["tau_pred"]["value"]
    last = outcome.stdout.splitlines()[-1]
    command = f"sfbptt train dataset=lorenz {' '.join(small)} tau={tau}"
    assert last == f"recommended: tau={tau}: {command}"


def test_the_exponent_of_recorded_data_and_its_curve(cli: Cli, tmp_path: Path) -> None:
    x = np.empty((5_000, 1))
    x[0] = 0.4
    for t in range(1, len(x)):
        x[t] = 4 * x[t - 1] * (1 - x[t - 1])
    np.save(tmp_path / "map.npy", x)
    cli("lyapunov", "dataset=npy", f"dataset.path={tmp_path}/map.npy", cwd=tmp_path, status=0)
    folder = tmp_path / "outputs/run/npy"
    written = _written(folder)
    low, high = written["lambda_max_range"]
    assert low < np.log(2) < high
    assert written["chaotic"] is True
    assert (folder / "separation.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("values", "shown"),
    [([1.0, 0.0, -14.0, -20.0, -30.0], 4), ([-1.0] * 9, 3), ([0.1] * 4, 4), ([-1.0, -2.0], 2)],
)
def test_the_exponents_that_matter_are_shown(values: list[float], shown: int) -> None:
    found = _found(values, chaotic=values[0] > 0)
    rows = [line.split() for line in exponent_table("run", found, every=False).splitlines()]
    assert sum(row[0].isdigit() for row in rows if row) == shown
    assert (["and", str(len(values) - shown)] in [row[:2] for row in rows]) == (shown < len(values))


def test_data_without_chaos_are_told_so(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "sine.npy", np.sin(0.05 * np.arange(6_000)))
    outcome = cli(
        "lyapunov", "dataset=npy", f"dataset.path={tmp_path}/sine.npy", cwd=tmp_path, status=0
    )
    assert "no chaos shown: " in outcome.stdout
    assert outcome.stdout.splitlines()[-1].endswith(f"dataset.path={tmp_path}/sine.npy tau=auto")
    assert "tau_pred: none" in outcome.stdout
    assert _written(tmp_path / "outputs/run/npy")["tau_pred"] is None


def test_the_spectrum_of_a_model_beside_its_system(cli: Cli, own_run: Path, tmp_path: Path) -> None:
    settings = ("steps=200", "transient=50", "trajectories=4", "exponents=3")
    outcome = cli("lyapunov", f"run={own_run}", *settings, cwd=tmp_path, status=0)
    written = _written(own_run)
    assert len(written["exponents"]) == 3
    assert written["system"]["lambda_max"] == pytest.approx(0.9057, rel=0.02)
    assert "system" in outcome.stdout
    assert (own_run / "figures/exponents.png").stat().st_size > 5_000
    assert str(own_run / "figures/exponents.png") in outcome.stdout
    assert list(tmp_path.iterdir()) == []


def _found(values: list[float], **changes: Any) -> Exponents:
    errors = np.full(len(values), 0.01)
    settings = {"low": values[0] - 0.02, "high": values[0] + 0.02, **changes}
    return Exponents("test", np.array(values), errors, 0.1, "time units", **settings)


def test_tau_has_the_range_of_its_exponent() -> None:
    assert _found([0.1]).tau() == {"value": 69, "low": 58, "high": 87}
    assert _found([0.1], low=-0.1).tau() == {"value": 69, "low": 58}
    assert _found([-0.1], chaotic=False).tau() is None


def test_a_dimension_needs_exponents_that_decide_it() -> None:
    assert _found([0.5, 0.0]).dimension is None
    assert _found([0.5, 0.0, -2.0]).dimension == pytest.approx(2.25)
    assert _found([0.5, 0.0], complete=True).dimension == 2
