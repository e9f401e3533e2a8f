"""What the benchmarks compare with computes the same thing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from benchmarks.literal import LiteralModel, LiteralTrainer  # pyright: ignore[reportMissingImports]
from benchmarks.ours import lorenz, make_model, make_trainer, updates  # pyright: ignore[reportMissingImports]
from benchmarks.update import loss_difference  # pyright: ignore[reportMissingImports]

from sfbptt_cli.forcing.sparse import sparse
from sfbptt_cli.training.loop import loss_of
from sfbptt_cli.training.trainer import Batch

_MODELS = pytest.mark.parametrize("name", ["lstm", "rnn", "plrnn"])


@_MODELS
@pytest.mark.parametrize(("window", "tau"), [(100, 30), (90, 30), (20, 30), (7, 1)])
def test_the_literal_loss_is_ours(name: str, window: int, tau: int) -> None:
    x = torch.from_numpy(np.stack([lorenz(400)[i : i + window + 1] for i in (0, 50, 200)]))
    assert loss_difference(make_model(name), x, tau) <= 1e-10


@_MODELS
def test_the_literal_gradient_is_ours(name: str) -> None:
    model = make_model(name).double()
    literal = LiteralModel(model)
    x = torch.from_numpy(lorenz(401)[::4].copy())[None]
    mse_loss(sparse(model, x, 30), x[:, 1:]).backward()
    literal.loss(x, 30).backward()
    ours, theirs = dict(model.named_parameters()), dict(literal.named_parameters())
    recurrent = ("W", "cell.W") if name == "plrnn" else ("weight", "cell.cell.weight_hh")
    for mine, literally in (recurrent, ("readout.weight", "readout.weight")):
        found, expected = ours[mine].grad, theirs[literally].grad
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_both_learn() -> None:
    series = lorenz(2_000)
    ours = make_trainer(make_model("plrnn"), series, 30, 8, 15)
    single = torch.from_numpy(series).float()
    literal = LiteralTrainer(make_model("plrnn"), single, window=30, batch=8, tau=15)
    x = ours.windows.batch(np.arange(0, 1_900, 100))

    def loss() -> float:
        return loss_of(ours, Batch(x, x, None)).item()

    before = literal.model.loss(x, 15).item()
    assert loss() == pytest.approx(before, rel=1e-5)
    update = updates(ours)
    for _ in range(40):
        update()
        literal.update()
    assert literal.model.loss(x, 15).item() < 0.97 * before  # at a rate of 1e-3
    assert loss() < before  # at the beginning of its one-cycle


def test_updates_go_on_after_an_epoch() -> None:
    trainer = make_trainer(make_model("rnn"), lorenz(400), 10, 2, 5)
    update = updates(trainer)
    for _ in range(len(trainer.windows) + 1):
        update()
    assert trainer.updates == 101
