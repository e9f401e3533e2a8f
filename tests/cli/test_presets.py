"""Every preset and every sensible combination of choices trains; the others are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import TINY, Cli

from sfbptt_cli.config.schema import SCHEMAS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PRESETS = sorted(p.stem for p in (CONFIGS / "experiment").glob("*.yaml"))
DATASETS = sorted(p.stem for p in (CONFIGS / "dataset").glob("*.yaml"))
RECORDED = {"npy", "csv", "temperature"}
FAST = (
    *(s for s in TINY if not s.startswith(("tau=", "window=", "dataset.", "epochs", "batches"))),
    "epochs=1",
    "batches_per_epoch=2",
    "batch_size=4",
)
SIMULATED = tuple(s for s in TINY if s.startswith("dataset."))

pytestmark = pytest.mark.usefixtures("no_figures")


def _train(cli: Cli, cwd: Path, *overrides: str) -> dict[str, object]:
    outcome = cli("train", *FAST, *overrides, cwd=cwd)
    assert outcome.status == 0, outcome.stderr
    (manifest,) = (cwd / "outputs").rglob("run.json")
    run = json.loads(manifest.read_text())
    assert run["status"] == "finished"
    return run


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains(cli: Cli, tmp_path: Path, preset: str) -> None:
    text = (CONFIGS / "experiment" / f"{preset}.yaml").read_text()
    recorded = any(f"/dataset: {name}\n" in text for name in RECORDED)
    _train(cli, tmp_path, f"experiment={preset}", *(() if recorded else SIMULATED))


def _pairs(one: str, other: str) -> list[tuple[str, str]]:
    """Every choice of both groups at least once; all pairs would be as many minutes of tests."""
    ones, others = list(SCHEMAS[one]), list(SCHEMAS[other])
    longest = range(max(len(ones), len(others)))
    return [(ones[i % len(ones)], others[i % len(others)]) for i in longest]


@pytest.mark.parametrize(("model", "forcing"), _pairs("model", "forcing"))
def test_every_model_and_every_method_trains(
    cli: Cli, tmp_path: Path, model: str, forcing: str
) -> None:
    tau = ("tau=10",) if forcing in ("sparse", "truncated") else ()
    _train(cli, tmp_path, *SIMULATED, "window=40", f"model={model}", f"forcing={forcing}", *tau)


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name not in RECORDED])
def test_every_system_trains(cli: Cli, tmp_path: Path, dataset: str) -> None:
    extra = ()
    if dataset == "dysts":
        pytest.importorskip("dysts", reason="the extra dysts is not installed")
        extra = ("dataset.system=Thomas",)
    _train(cli, tmp_path, *SIMULATED, "tau=10", "window=40", f"dataset={dataset}", *extra)


@pytest.mark.parametrize(("optimizer", "schedule"), _pairs("optimizer", "tau_schedule"))
def test_every_optimizer_and_every_schedule_of_tau_trains(
    cli: Cli, tmp_path: Path, optimizer: str, schedule: str
) -> None:
    settings = ("tau=12", "window=40", f"optimizer={optimizer}", f"tau_schedule={schedule}")
    _train(cli, tmp_path, *SIMULATED, *settings)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("forcing=none", "tau=10"), "tau: 10 was given; accepted: null, as forcing=none has no"),
        (("forcing=generalized", "tau_schedule=random"), "tau_schedule: random was given"),
        (("tau_schedule=annealed", "forcing=windowed"), "tau_schedule: annealed was given"),
        (("tau=10", "regularization.manifold_weight=1"), "regularization.manifold_weight"),
        (("tau=10", "model.readout=identity", "model.latent_dim=2"), "model.latent_dim: 2"),
        (("tau=10", "regularization.manifold_fraction=.3"), "regularization.manifold_fraction"),
        (("tau=10", "validation.every=0"), "validation.steps: 500 was given; accepted: null"),
        (
            ("tau=10", "dataset=temperature", "dataset.dimension=1", "dataset.lag=3"),
            "dataset.lag: 3 was given; accepted: auto where dataset.dimension is 1",
        ),
        (
            ("tau=10", "dataset=csv", "dataset.path=x.csv", "dataset.max_gap=3"),
            "dataset.max_gap: 3 was given; accepted: 10 where dataset.missing is refuse",
        ),
        (
            ("tau=10", "dataset=csv", "dataset.path=x.csv", "dataset.time_format=%d"),
            "dataset.time_format: %d was given; accepted: auto where dataset.time_column is null",
        ),
    ],
)
def test_combinations_that_make_no_sense_are_refused(
    cli: Cli, tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    outcome = cli("train", *FAST, "window=40", *overrides, cwd=tmp_path)
    assert outcome.status == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()
