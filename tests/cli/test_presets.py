"""Every preset and every choice makes updates; combinations that make no sense are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import composed

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.config.store import GROUPS
from sfbptt_cli.experiment.training import prepare
from sfbptt_cli.training.loop import update

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PRESETS = sorted(p.stem for p in (CONFIGS / "experiment").glob("*.yaml"))
DATASETS = sorted(p.stem for p in (CONFIGS / "dataset").glob("*.yaml"))
RECORDED = {"npy", "csv", "temperature"}
SMALL = ("epochs=1", "batches_per_epoch=2", "batch_size=4", "evaluation.prediction_steps=5")
SIMULATED = (
    "dataset.train_steps=1200",
    "dataset.test_steps=550",
    "dataset.floor_trajectories=1",
    "dataset.transient=100",
)
SHORT = (*SMALL, *SIMULATED, "window=40", "tau=10")


def make_updates(*overrides: str) -> None:
    """Build what the overrides choose, and train until the parameters move.

    At its first update SOAP only begins its average of the gradients' products.
    """
    plain = composed("train", *overrides)
    config = typed_config(plain)
    for group, _, choice in (override.partition("=") for override in overrides):
        if group in GROUPS and choice != "null":
            chosen = getattr(config, group)
            kind = chosen.source if group == "dataset" else choice
            assert (chosen.name, type(chosen)) == (choice, GROUPS[group][kind])
    (run,) = prepare(config, plain, [Path("nowhere")], {"overrides": ["seed=0"]})
    before = [p.detach().clone() for p in run.trainer.model.parameters()]
    assert [update([run.trainer]) for _ in range(2)] == [[None], [None]]
    after = [*run.trainer.model.parameters()]
    assert all(torch.isfinite(p).all() for p in after)
    assert any(not torch.equal(p, q) for p, q in zip(before, after, strict=True))
    assert np.isfinite(run.trainer.progress.loss)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains(preset: str) -> None:
    text = (CONFIGS / "experiment" / f"{preset}.yaml").read_text()
    recorded = any(f"/dataset: {name}\n" in text for name in RECORDED)
    make_updates(f"experiment={preset}", *SMALL, *(() if recorded else SIMULATED))


def _pairs(one: str, other: str) -> list[tuple[str, str]]:
    """Every choice of both groups at least once; all pairs would be as many minutes of tests."""
    ones, others = list(GROUPS[one]), list(GROUPS[other])
    longest = range(max(len(ones), len(others)))
    return [(ones[i % len(ones)], others[i % len(others)]) for i in longest]


@pytest.mark.parametrize(("model", "forcing"), _pairs("model", "forcing"))
def test_every_model_and_every_method_trains(model: str, forcing: str) -> None:
    tau = "tau=10" if forcing in ("sparse", "truncated") else "tau=null"
    make_updates(*SHORT, f"model={model}", f"forcing={forcing}", tau)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_trains(dataset: str, tmp_path: Path) -> None:
    settings = (*SMALL, "window=40", "tau=10", f"dataset={dataset}")
    if dataset == "dysts":
        pytest.importorskip("dysts", reason="the extra dysts is not installed")
        settings += ("dataset.system=Thomas",)
    if dataset in ("npy", "csv"):
        settings += (f"dataset.path={tmp_path}/series.{dataset}",)
        series = np.random.default_rng(0).normal(size=(1_200, 2))
        np.save(tmp_path / "series.npy", series)
        np.savetxt(tmp_path / "series.csv", series, delimiter=",", header="x,y", comments="")
    # Without an exponent it would be computed, for seconds.
    make_updates(*settings, "dataset.lambda_max=1", *(() if dataset in RECORDED else SIMULATED))


@pytest.mark.parametrize(
    ("one", "other"), [("optimizer", "tau_schedule"), ("lr_schedule", "alpha")]
)
def test_every_optimizer_and_every_schedule_trains(one: str, other: str) -> None:
    forcing = ("forcing=generalized", "tau=null") if other == "alpha" else ()
    for chosen, with_it in _pairs(one, other):
        make_updates(*SHORT, *forcing, f"{one}={chosen}", f"{other}={with_it}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("forcing=none tau=10", "tau: 10 was given; accepted: null, as forcing=none has no"),
        ("forcing=generalized tau_schedule=random tau=null", "tau_schedule: random was given"),
        ("tau_schedule=annealed forcing=windowed tau=null", "tau_schedule: annealed was given"),
        ("alpha=constant", "alpha: constant was given; accepted: null, as forcing=sparse has"),
        ("regularization.manifold_weight=1", "regularization.manifold_weight"),
        ("model.readout=identity model.latent_dim=2", "model.latent_dim: 2"),
        ("regularization.manifold_fraction=.3", "regularization.manifold_fraction"),
        ("validation.every=0 validation.steps=500", "validation.steps: 500 was given; accepted: "),
        (
            "dataset=temperature dataset.dimension=1 dataset.lag=3",
            "dataset.lag: 3 was given; accepted: auto where dataset.dimension is 1",
        ),
        (
            "dataset=csv dataset.path=x.csv dataset.max_gap=3",
            "dataset.max_gap: 3 was given; accepted: 10 where dataset.missing is refuse",
        ),
        (
            "dataset=csv dataset.path=x.csv dataset.time_format=%d",
            "dataset.time_format: %d was given; accepted: auto where dataset.time_column is null",
        ),
    ],
)
def test_combinations_that_make_no_sense_are_refused(overrides: str, message: str) -> None:
    small = SHORT if "dataset=" not in overrides else (*SMALL, "window=40")
    with pytest.raises(RequestError) as refused:
        make_updates(*small, *overrides.split())
    assert str(refused.value).startswith(message)
