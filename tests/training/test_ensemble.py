"""Models that are trained together against each trained by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import as_dataset

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.data.dataset import Inputs, Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.forcing.catalogue import METHODS
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.sparse import Sparse
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.training.ensemble import Ensemble, Member, fit_together, losses_together, stepwise
from sfbptt_cli.training.optimizers import build_optimizer
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise
from sfbptt_cli.training.trainer import Diverged, Trainer

_EPOCHS, _BATCHES = 2, 3


def _trainer(seed: int, model: str = "lstm", N: int = 3, K: int = 0, **changes: Any) -> Trainer:
    t = 0.1 * np.arange(400)
    series = np.stack([np.sin(t), 2 + np.cos(t), np.sin(2 * t)], axis=1)[:, :N]
    driving = np.cos(3 * t)[:, None]
    inputs = Inputs(("s",), driving, driving, Standardiser.of(driving)) if K else None
    data = as_dataset(series, inputs=inputs)
    readout = "identity" if model == "shallow_plrnn" else "linear"
    built = MODELS[model](
        N, 5, torch.Generator().manual_seed(seed), input_dim=K, readout=readout
    ).double()
    optimizer, schedule = build_optimizer(
        built.parameters(), "adam", 1e-2, "onecycle", 0.3, _EPOCHS * _BATCHES
    )
    windows = Windows(
        data, Standardiser.of(series), 12, 4, _BATCHES, seed, torch.device("cpu"), torch.float64
    )
    settings: dict[str, Any] = {
        "model": built,
        "windows": windows,
        "method": Sparse(),
        "tau_at": lambda update: 5,
        "optimizer": optimizer,
        "schedule": schedule,
        "clip_norm": 1.0,
        "epochs": _EPOCHS,
        "validation": None,
        "validate_every": 0,
    }
    return Trainer(**{**settings, **changes})


def _alone(trainers: list[Trainer]) -> list[Trainer]:
    for trainer in trainers:
        trainer.fit(lambda: False, lambda which: None, lambda: None, lambda row: None)
    return trainers


def _members(trainers: list[Trainer], failed: Callable[[Diverged], None]) -> list[Member]:
    return [
        Member(trainer, lambda which: None, lambda: None, lambda row: None, failed)
        for trainer in trainers
    ]


def _unexpected(error: Diverged) -> None:
    raise error


def _assert_same(together: list[Trainer], alone: list[Trainer]) -> None:
    for one, other in zip(together, alone, strict=True):
        assert one.updates == other.updates
        assert one.progress.loss == pytest.approx(other.progress.loss, rel=1e-10)
        for a, b in zip(one.progress.history, other.progress.history, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-10)
        for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-8, atol=1e-10)


def _compare(**settings: Any) -> None:
    together = [_trainer(seed, **settings) for seed in range(3)]
    fit_together(_members(together, _unexpected), lambda: False)
    _assert_same(together, _alone([_trainer(seed, **settings) for seed in range(3)]))
    firsts = [next(trainer.model.parameters()) for trainer in together]
    assert not torch.equal(firsts[0], firsts[1])


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_that_of_its_seed(model: str) -> None:
    _compare(model=model)


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn", "plrnn", "al_rnn"])
def test_external_inputs(model: str) -> None:
    _compare(model=model, N=2, K=1)


@pytest.mark.parametrize("name", METHODS)
def test_every_method(name: str) -> None:
    together, alone = ([_trainer(s, method=METHODS[name]()) for s in range(3)] for _ in range(2))
    fit_together(_members(together, _unexpected), lambda: False)
    _assert_same(together, _alone(alone))


@pytest.mark.parametrize("schedule", ["annealed", "adaptive"])
def test_generalized_forcing_that_changes(schedule: str) -> None:
    """An adaptive α is each model's own, and every model gets its own update."""
    together, alone = (
        [_trainer(seed, method=Generalized(schedule=schedule, every=1)) for seed in range(3)]
        for _ in range(2)
    )
    fit_together(_members(together, _unexpected), lambda: False)
    _assert_same(together, _alone(alone))
    alphas = {trainer.method.state_dict().get("alpha") for trainer in together}
    assert len(alphas) == (3 if schedule == "adaptive" else 1)


def test_tau_noise_and_penalties_of_their_own() -> None:
    """At each update those with the same τ share it; here τ depends on the seed."""

    def trainers() -> list[Trainer]:
        return [
            _trainer(
                seed,
                tau_at=lambda update, seed=seed: (3, 5, 5)[seed] + update % 2,
                noise=TeacherNoise(0.1, seed=seed),
                regularizer=Regularizer(latent_weight=1e-2),
            )
            for seed in range(3)
        ]

    together = trainers()
    fit_together(_members(together, _unexpected), lambda: False)
    _assert_same(together, _alone(trainers()))


def test_the_losses_are_those_of_the_models() -> None:
    trainers = [_trainer(seed) for seed in range(4)]
    batches = [trainer.begin(trainer.next_starts()) for trainer in trainers]
    losses = losses_together(
        stepwise(trainers[0].model), [t.model for t in trainers], Sparse(), batches
    )
    for loss, trainer, batch in zip(losses, trainers, batches, strict=True):
        assert loss.item() == pytest.approx(trainer.loss(batch.x, 5).item(), rel=1e-12)


def test_one_that_diverges_leaves_the_others_as_they_would_be() -> None:
    together = [_trainer(seed) for seed in range(3)]
    with torch.no_grad():
        together[1].model.readout.weight.fill_(float("nan"))
    errors: list[Diverged] = []
    fit_together(_members(together, errors.append), lambda: False)
    (error,) = errors
    assert "epoch 1, update 1: " in str(error)
    assert together[1].updates == 0
    _assert_same(together[::2], _alone([_trainer(0), _trainer(2)]))


def test_a_readout_that_lost_its_rank_is_found_among_many() -> None:
    trainers = [_trainer(seed) for seed in range(3)]
    with torch.no_grad():
        trainers[2].model.readout.weight[0] = 0
    errors = Ensemble().update(trainers)
    assert errors[:2] == [None, None]
    assert "lost rank" in str(errors[2])
    assert [trainer.updates for trainer in trainers] == [1, 1, 0]


def test_members_go_on_from_where_each_stands() -> None:
    together = [_trainer(seed) for seed in range(2)]
    for _ in range(4):  # one is ahead, in its second epoch
        together[0].update(together[0].next_starts())
        together[0].conclude(lambda which: None, lambda row: None)
    fit_together(_members(together, _unexpected), lambda: False)
    _assert_same(together, _alone([_trainer(seed) for seed in range(2)]))


def test_a_stop_saves_every_member_that_is_not_done() -> None:
    together, saved = [_trainer(seed) for seed in range(3)], []
    _alone(together[:1])
    members = [
        Member(t, lambda which, n=n: saved.append((n, which)), lambda: None, print, _unexpected)
        for n, t in enumerate(together)
    ]
    with pytest.raises(Interrupted, match="epoch 1 of 2"):
        fit_together(members, lambda: True)
    assert saved == [(1, "last"), (2, "last")]
