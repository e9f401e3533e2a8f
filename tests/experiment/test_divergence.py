"""Divergence is stated in words: in training, in an evaluation, in metrics.csv."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY, Cli, run_folder

from sfbptt_cli.data.windows import Windows
from sfbptt_cli.experiment import training as run_training
from sfbptt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from sfbptt_cli.training.trainer import Batch, Trainer

# Epochs of three updates; the D_stsp of one of them is no concern of these tests.
LONG = (*TINY, "epochs=6", "validation.every=3")


def status(run: Path) -> str:
    return json.loads((run / "run.json").read_text())["status"]


def poison(
    monkeypatch: pytest.MonkeyPatch, update: int, value: float, after: bool
) -> list[tuple[Windows, torch.Tensor]]:
    """Before that update, or by its step, a parameter becomes `value`; return its windows."""
    seen: list[tuple[Windows, torch.Tensor]] = []
    real = Trainer.next_batch

    def poisoned(trainer: Trainer) -> Batch:
        def harm(*_: object) -> None:
            with torch.no_grad():
                next(trainer.model.parameters()).view(-1)[0] = value

        batch = real(trainer)
        if trainer.updates == update:
            seen.append((trainer.windows, batch.x))
            if after:
                trainer.optimizer.register_step_post_hook(harm)
            else:
                harm()
        return batch

    monkeypatch.setattr(Trainer, "next_batch", poisoned)
    return seen


def test_a_training_that_diverges_says_where_and_what_is_left(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_training, "_CHECKPOINT_SECONDS", 0.0)
    harms = (
        (math.nan, False, "loss nan, gradient norm nan"),
        (math.inf, True, "parameters not finite after loss "),
        (math.nan, True, "parameters not finite after loss "),
    )
    for again, (value, after, said) in enumerate(harms):
        with monkeypatch.context() as patch:
            # The last update of its epoch: after it a checkpoint is due.
            seen = poison(patch, 11, value, after)
            outcome = cli("train", *LONG, "seed=7", cwd=tmp_path)
        assert (outcome.status, outcome.stdout) == (1, "")
        run = run_folder(tmp_path)
        line = outcome.stderr.splitlines()[-1]
        assert line.startswith("sfbptt: outputs/run/lorenz/")
        assert f"diverged in epoch 4, update 3: {said}" in line
        assert line.endswith(f"; the last good checkpoint is {run.relative_to(tmp_path)}/"
                             "checkpoints/last.safetensors")  # fmt: skip
        # The windows can be drawn again from what the line says.
        found = re.search(r"row (\d+) of SeedSequence\((\d+), spawn_key=\((\d+), (\d+)\)\)", line)
        assert found
        row, seed, *key = map(int, found.groups())
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(key)))
        ((windows, x),) = seen
        drawn = generator.integers(2000 - 10 - 100, size=(3, len(x)))
        assert torch.equal(windows.batch(drawn[row]), x)
        assert status(run) == "diverged"
        last = load_checkpoint(run / "checkpoints" / "last.safetensors")
        assert last["progress"]["epoch"] == 3
        assert all(p.isfinite().all() for p in last["model"].values())
        # It goes on from there, which is said, and diverges again.
        warned = "it diverged after those; with the same data and settings it will again"
        assert outcome.stderr.count(warned) == min(again, 1)
        assert outcome.stderr.count("continuing ") == min(again, 1)


def test_without_a_checkpoint_that_is_said(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("train", *TINY, "optimizer.learning_rate=1e38", cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (1, "")
    line = outcome.stderr.splitlines()[-1]
    assert "diverged in epoch 1" in line
    assert line.endswith("; no checkpoint yet")
    run = run_folder(tmp_path)
    assert status(run) == "diverged"
    assert {p.name for p in run.iterdir()} == {".lock", "config.yaml", "run.json"}


def _words(value: Any, path: str = "") -> list[str]:
    """Every place in JSON that holds nothing, or a word for not-a-number."""
    if isinstance(value, dict):
        return [w for k, v in value.items() for w in _words(v, f"{path}.{k}")]
    if isinstance(value, list):
        return [w for v in value for w in _words(v, path)]
    return [path] if value is None or value in ("nan", "NaN", "null", "") else []


def test_a_model_that_diverges_when_free_is_measured_in_words(
    cli: Cli, tmp_path: Path, no_figures: None
) -> None:
    assert cli("train", *TINY, "model=plrnn", cwd=tmp_path).status == 0
    run = run_folder(tmp_path)
    best = run / "checkpoints" / "best.safetensors"
    content = load_checkpoint(best)
    for growth in (1.02, 1.5, 1e6):  # slowly, fast, at once
        content["model"]["A"].fill_(growth)
        save_checkpoint(best, content)
        outcome = cli("evaluate", f"run={run}", cwd=tmp_path, status=0)
        assert "\ndynamics  diverged: the free run leaves all bounds\n" in outcome.stdout
        assert not re.search(r"(?i)\b(nan|none|null)\b|-inf", outcome.stdout)
        stored = json.loads((run / "evaluation.json").read_text())
        assert stored["dynamics"] == "diverged"
        assert _words(stored["metrics"]) == []
        exponent = stored["metrics"]["lambda_max"]["value"]
        assert exponent == "diverged" or exponent > 0
