"""The YAML files: every command composes, every preset and every choice makes updates."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import Cli, composed

from sfbptt_cli.cli.configs import config_folder
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import COMMANDS, TrainSettings
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.config.store import GROUPS
from sfbptt_cli.experiment.training import prepare
from sfbptt_cli.training.loop import update

CONFIGS = config_folder()
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
    run = prepare(config, plain, Path("nowhere"), {})
    before = [p.detach().clone() for p in run.trainer.model.parameters()]
    update(run.trainer)
    update(run.trainer)
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
    size = ("model.latent_dim=3",) if forcing == "generalized" else ()
    make_updates(*SHORT, f"model={model}", f"forcing={forcing}", tau, *size)


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
        ("regularization.manifold_weight=1", "regularization.manifold_weight"),
        ("model.readout=identity model.latent_dim=2", "model.latent_dim: 2"),
        (
            "dataset=temperature dataset.lag=3",
            "dataset.lag: 3 was given; accepted: 1 where dataset.dimension is 1",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(overrides: str, message: str) -> None:
    small = SHORT if "dataset=" not in overrides else (*SMALL, "window=40")
    with pytest.raises(RequestError, match=f"^{message}"):
        make_updates(*small, *overrides.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(cli: Cli, tmp_path: Path, command: str) -> None:
    outcome = cli(command, "--cfg", "job", cwd=tmp_path)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert yaml.safe_load(outcome.stdout).keys() == {
        field.name for field in dataclasses.fields(COMMANDS[command])
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_schema_has_its_choice(group: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (CONFIGS / group).glob("*.yaml")]
    schemas = {schema for text in texts for schema in re.findall(rf"/{group}_schema_(\w+)@", text)}
    assert schemas == GROUPS[group].keys()


def test_yaml_repeats_no_default() -> None:
    """A setting is stated once, in its dataclass; the values of a dataset are its own."""
    for group in GROUPS.keys() - {"dataset"}:
        for path in (CONFIGS / group).glob("*.yaml"):
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            del content["defaults"]
            assert content.get(group, content).keys() - {"tau"} == {"name"}
    for command in COMMANDS:
        assert yaml.safe_load((CONFIGS / f"{command}.yaml").read_text()).keys() == {"defaults"}


def test_what_is_composed_are_the_defaults_of_the_dataclasses() -> None:
    config = composed("train")
    for field in dataclasses.fields(TrainSettings):
        if field.default_factory is not dataclasses.MISSING:
            assert config[field.name] == dataclasses.asdict(field.default_factory())
        elif field.name not in GROUPS:
            assert config[field.name] == field.default
