"""`sfbptt gradients`: the regimes of the paper's theorems, and what is written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY, Cli, as_dataset

from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.lyapunov.gradient_growth import GradientGrowth, gradient_growth
from sfbptt_cli.lyapunov.settings import GradientsSettings
from sfbptt_cli.models.plrnn import PLRNN


def _linear(angle: float, radius: float) -> tuple[PLRNN, Standardiser]:
    """z' = radius · rotation by `angle`, both rows of units positive: a linear map."""
    model = PLRNN(2, 2, torch.Generator().manual_seed(0), readout="identity").double()
    with torch.no_grad():
        # relu(z) = z where z > 0; far from the axes, h keeps the orbit there.
        model.A.fill_(radius * math.cos(angle))
        turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
        model.W.copy_(turn * radius * math.sin(angle))
        centre = torch.tensor([10.0, 10.0], dtype=torch.float64)
        F = torch.diag(model.A) + model.W
        model.h.copy_(centre - F @ centre)
    return model, Standardiser(np.zeros(2), np.ones(2))


def _growth(angle: float, radius: float, **changes: Any) -> GradientGrowth:
    model, scale = _linear(angle, radius)
    t = np.arange(1_200)
    data = 10 + np.column_stack([np.cos(angle * t), np.sin(angle * t)])
    settings: dict[str, Any] = {
        "run": "-",
        "steps": 1_000,
        "transient": 0,
        "orbits": 4,
        "lengths": 5,
        "cycles": 1,
        "starts": 20,
    }
    config = GradientsSettings(**{**settings, **changes})
    return gradient_growth(model, scale, as_dataset(data), 10, config)


def test_a_contracting_map_vanishes_at_its_rate() -> None:
    growth = _growth(0.3, 0.98)
    assert growth.rate.value == pytest.approx(math.log(0.98), rel=1e-6)
    assert growth.lambda_max.value == pytest.approx(math.log(0.98), rel=1e-4)
    assert growth.regime.startswith("stable cycle or fixed point")
    np.testing.assert_allclose(
        growth.products.values[0], math.log(0.98) * growth.products.steps, atol=1e-8
    )
    (point,) = growth.cycles
    assert point.stability == "stable"
    assert point.largest == pytest.approx(0.98)
    np.testing.assert_allclose(growth.cycles_observed[0], [[10, 10]], atol=1e-8)


def test_a_rotation_neither_vanishes_nor_explodes() -> None:
    growth = _growth(0.3, 1.0)
    assert abs(growth.rate.value) < 1e-9
    assert growth.regime.startswith("cycle or torus")
    assert growth.as_json()["regime"] == growth.regime


def test_products_restart_at_every_forcing() -> None:
    growth = _growth(0.3, 1.02, cycles=0, transient=0, steps=100)
    assert growth.forced_products is not None
    phase = (growth.forced_products.steps - 1) % 10 + 1
    np.testing.assert_allclose(growth.forced_products.values[0], phase * math.log(1.02), atol=1e-9)
    assert growth.rate.value == pytest.approx(math.log(1.02), rel=1e-6)
    assert growth.cycles == []


def test_what_is_written_and_printed(cli: Cli, own_run: Path, tmp_path: Path) -> None:
    settings = ("steps=300", "transient=20", "orbits=2", "lengths=4", "cycles=1", "starts=5")
    outcome = cli("gradients", f"run={own_run}", *settings, cwd=tmp_path, status=0)
    for words in ("regime: ", "lambda_max", "forced every 30 steps", "ln |dL_T|"):
        assert words in outcome.stdout
    written = json.loads((own_run / "gradients.json").read_text())
    assert written["tau"] == 30
    assert written["log_norms"]["loss_gradient"]["T"] == [1, 7, 45, 300]
    assert len(written["log_norms"]["jacobian_product"]["values"]) == 2
    assert written["settings"]["steps"] == 300
    assert (own_run / "figures/gradients.png").stat().st_size > 3_000
    assert not (own_run / "figures/gradients.pdf").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("regime", "begins"), [("cycle", "stable cycle"), ("torus", "cycle or torus")]
)
def test_the_presets_of_the_regimes(
    cli: Cli, tmp_path: Path, no_figures: None, regime: str, begins: str
) -> None:
    small = [s for s in TINY if s.startswith("evaluation.")]
    cli(
        "train",
        f"experiment=regime_{regime}",
        "threads=1",
        "epochs=6",
        *small,
        cwd=tmp_path,
        status=0,
    )
    (run,) = (tmp_path / "outputs").rglob("seed0")
    cli("gradients", f"run={run}", "steps=2000", "orbits=2", "cycles=0", cwd=tmp_path, status=0)
    written = json.loads((run / "gradients.json").read_text())
    assert written["regime"].startswith(begins)
    # The gradient of the loss does not explode with T in either.
    losses = written["log_norms"]["loss_gradient"]["values"][0]
    assert losses[-1] < losses[0] + math.log(2_000**2)


def test_jacobian_norms_join_the_history(cli: Cli, tmp_path: Path, no_figures: None) -> None:
    settings = (*TINY, "validation.every=2", "validation.jacobian_norms=true")
    assert cli("train", *settings, cwd=tmp_path).status == 0
    (path,) = (tmp_path / "outputs").rglob("metrics.csv")
    header, first, second = (line.split(",") for line in path.read_text().splitlines())
    assert header[-2:] == ["log_jacobian_tau", "log_jacobian_window"]
    assert first[-2:] == ["", ""]
    tau, window = map(float, second[-2:])
    # An untrained LSTM contracts: the product over 100 steps is smaller than that over 30.
    assert window < tau < 0
