"""`sfbptt train ensemble=K` against the runs of each seed alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY, Cli, at_update

from sfbptt_cli.storage.checkpoint import load_checkpoint
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.training.trainer import Trainer

# Not the default optimizer: it turns rounding, in directions without a gradient, into whole steps.
_TRAIN = ("train", *TINY, "model=rnn", "optimizer=adam")


def _folders(outputs: Path) -> list[RunFolder]:
    return [RunFolder(path.parent) for path in sorted(outputs.rglob("run.json"))]


def _same_numbers(ours: RunFolder, alone: RunFolder) -> None:
    for mine, other in ((ours.best, alone.best), (ours.last, alone.last)):
        first, second = (load_checkpoint(path)["model"] for path in (mine, other))
        assert first.keys() == second.keys()
        for key in first:
            torch.testing.assert_close(first[key], second[key], rtol=1e-4, atol=1e-5)
    for row, expected in zip(ours.history(), alone.history(), strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    scores = [f.evaluation()["metrics"]["prediction_error"]["value"] for f in (ours, alone)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


def test_an_ensemble_is_the_runs_of_its_seeds(
    cli: Cli, tmp_path: Path, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = cli(*_TRAIN, "seed=4", "ensemble=3", "name=together", cwd=tmp_path, status=0)
    ours = _folders(tmp_path / "outputs" / "together")
    assert [f.path.name for f in ours] == ["seed4", "seed5", "seed6"]
    for folder in ours:
        seed = folder.path.name.removeprefix("seed")
        assert cli(*_TRAIN, f"seed={seed}", "outputs=alone", cwd=tmp_path).status == 0
        (alone,) = (f for f in _folders(tmp_path / "alone") if f.path.name == folder.path.name)
        config = folder.config_file.read_text().replace("name: together", "name: run")
        assert config == alone.config_file.read_text().replace("outputs: alone", "outputs: outputs")
        _same_numbers(folder, alone)
        assert folder.manifest()["trained_with_seeds"] == [4, 5, 6]
        assert str(folder.path.relative_to(tmp_path)) in together.stdout
    # Finished members are found, alone and together; nothing is trained again.
    monkeypatch.setattr(Trainer, "next_batch", None)
    assert cli(*_TRAIN, "seed=5", "name=together", cwd=tmp_path).status == 0
    again = cli(*_TRAIN, "seed=4", "ensemble=3", "name=together", cwd=tmp_path)
    assert (again.status, again.stdout) == (0, together.stdout)


def test_a_stopped_ensemble_goes_on(
    cli: Cli, tmp_path: Path, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tmp_path / "undisturbed"
    assert cli(*_TRAIN, "ensemble=2", f"outputs={expected}", cwd=tmp_path).status == 0
    with monkeypatch.context() as patch:
        at_update(patch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
        stopped = cli(*_TRAIN, "ensemble=2", cwd=tmp_path)
    assert stopped.status == 130
    assert "seed0 and 1 more stopped in epoch 2 of 2 by SIGTERM" in stopped.stderr
    folders = _folders(tmp_path / "outputs")
    assert [f.manifest()["status"] for f in folders] == ["interrupted"] * 2
    assert cli(*_TRAIN, "ensemble=2", cwd=tmp_path).status == 0
    for ours, whole in zip(folders, _folders(expected), strict=True):
        assert ours.manifest()["status"] == "finished"
        _same_numbers(ours, whole)


@pytest.mark.parametrize("then_stopped", [False, True])
def test_a_member_that_diverges_does_not_end_the_others(
    cli: Cli,
    tmp_path: Path,
    no_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    then_stopped: bool,
) -> None:
    next_batch = Trainer.next_batch

    def harm(trainer: Trainer) -> Any:
        if trainer.updates == 2 and trainer.windows._seed == 1:
            with torch.no_grad():
                trainer.model.readout.weight.fill_(float("nan"))
        return next_batch(trainer)

    monkeypatch.setattr(Trainer, "next_batch", harm)
    if then_stopped:
        at_update(monkeypatch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
    outcome = cli(*_TRAIN, "ensemble=3", cwd=tmp_path)
    folders = _folders(tmp_path / "outputs")
    end = "interrupted" if then_stopped else "finished"
    assert [f.manifest()["status"] for f in folders] == [end, "diverged", end]
    if not then_stopped:
        assert outcome.status == 1
        line = outcome.stderr.splitlines()[-1]
        assert "/seed1 diverged in epoch 1, update 3: " in line
        assert "SeedSequence(1, spawn_key=(1, 0))" in line


def test_a_sweep_of_ensembles_shows_medians(cli: Cli, tmp_path: Path, no_figures: None) -> None:
    sweep = (*_TRAIN, "-m", "tau=10,30", "ensemble=3", "model.latent_dim=4")
    outcome = cli(*sweep, cwd=tmp_path, status=0)
    scores: dict[str, list[float]] = {}
    for folder in _folders(tmp_path / "outputs" / "run"):
        tau = str(folder.manifest()["tau"])
        scores.setdefault(tau, []).append(folder.evaluation()["metrics"]["d_stsp"]["value"])
    assert {tau: len(values) for tau, values in scores.items()} == {"10": 3, "30": 3}
    for row in outcome.stdout.splitlines()[1:3]:
        tau, status, d_stsp, _ = row.split()
        assert status == "finished"
        assert float(d_stsp) == pytest.approx(sorted(scores[tau])[1], rel=1e-3)
    again = cli(*sweep, cwd=tmp_path)
    assert "2 finished (2 before)" in again.stderr
