"""`train from=DIR`: a run repeated from its stored settings alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from conftest import TINY, Cli, results, run_folder

_SETTINGS = (
    *TINY,
    "model=rnn",
    "seed=3",
    "lr_schedule=cosine",
    "regularization.latent_weight=1e-4",
)


@pytest.fixture(scope="module")
def stored(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    from sfbptt_cli.experiment import measure

    cwd = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "draw", lambda run: None)
        outcome = cli("train", *_SETTINGS, cwd=cwd)
    assert outcome.status == 0, outcome.stderr
    return run_folder(cwd)


def test_the_repeated_run_is_bit_equal(
    stored: Path, cli: Cli, tmp_path: Path, no_figures: None
) -> None:
    outcome = cli("train", f"from={stored}", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    again = run_folder(tmp_path)
    assert again.parts[-4:] == stored.parts[-4:]
    assert results(again) == results(stored)


def test_overrides_of_the_command_line_win(stored: Path, cli: Cli, tmp_path: Path) -> None:
    given = ("seed=4", "tau=20", "model=lstm", "model.latent_dim=7")
    outcome = cli("train", f"from={stored}", *given, "--cfg", "job", "--resolve", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    composed = yaml.safe_load(outcome.stdout)
    assert (composed["seed"], composed["tau"]) == (4, 20)
    assert composed["model"]["name"] == "lstm"
    assert composed["model"]["latent_dim"] == 7
    assert composed["lr_schedule"]["name"] == "cosine"
    assert composed["epochs"] == 2
    assert composed["outputs"] == "outputs"  # which is never the run's


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
