"""`train from=DIR`: a run repeated from its stored settings alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sweep_processes import checkpoints

from tests.conftest import TINY, Cli

_SETTINGS = (
    *TINY,
    "model=rnn",
    "seed=3",
    "optimizer.schedule=cosine",
    "regularization.latent_weight=1e-4",
)


@pytest.fixture(scope="module")
def stored(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    outputs = tmp_path_factory.mktemp("first")
    outcome = cli("train", *_SETTINGS, f"outputs={outputs}", cwd=outputs)
    assert outcome.status == 0, outcome.stderr
    return next(outputs.rglob("run.json")).parent


def _only_run(folder: Path) -> Path:
    (manifest,) = folder.rglob("run.json")
    return manifest.parent


def test_the_repeated_run_is_bit_equal(stored: Path, cli: Cli, tmp_path: Path) -> None:
    outcome = cli("train", f"from={stored}", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    again = _only_run(tmp_path / "outputs")
    assert again.parts[-4:] == stored.parts[-4:]
    assert checkpoints(again) == checkpoints(stored)


def test_what_is_given_beside_it_goes_before(stored: Path, cli: Cli, tmp_path: Path) -> None:
    given = ("seed=4", "tau=20", "model=lstm", "model.latent_dim=7")
    outcome = cli("train", f"from={stored}", *given, "--cfg", "job", "--resolve", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    composed = yaml.safe_load(outcome.stdout)
    assert (composed["seed"], composed["tau"]) == (4, 20)
    assert composed["model"]["name"] == "lstm"
    assert composed["model"]["latent_dim"] == 7
    assert composed["optimizer"]["schedule"] == "cosine"
    assert composed["epochs"] == 2


def test_the_folder_of_outputs_is_not_taken_from_the_run(
    stored: Path, cli: Cli, tmp_path: Path
) -> None:
    outcome = cli("train", f"from={stored}", "--cfg", "job", cwd=tmp_path)
    assert yaml.safe_load(outcome.stdout)["outputs"] == "outputs"


def test_a_folder_without_a_run_is_refused(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("train", f"from={tmp_path}", cwd=tmp_path)
    assert outcome.status == 2
    assert outcome.stderr.startswith(f"sfbptt: from: '{tmp_path}' is not a run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("epochs: 0", "epochs: 0 was given; accepted: a whole number of at least 1"),
        ("name: ${oc.env:HOME}", "name: '${oc.env:HOME}' was given; accepted: a value"),
    ],
)
def test_settings_that_are_no_good_are_refused_by_name(
    line: str, reason: str, stored: Path, cli: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    text = (stored / "config.yaml").read_text()
    key = line.partition(":")[0]
    kept = [row for row in text.splitlines() if not row.startswith(f"{key}:")]
    (folder / "config.yaml").write_text("\n".join([*kept, line]))
    outcome = cli("train", f"from={folder}", cwd=tmp_path)
    assert outcome.status == 2
    assert outcome.stderr == f"sfbptt: from: '{folder}': {reason}\n"
