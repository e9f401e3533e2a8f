"""Recorded updates: on a GPU as CUDA graphs; here the recording is a function that works again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import as_dataset

from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.sparse import Sparse
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.models.readout import LinearReadout
from sfbptt_cli.training import cuda_graph
from sfbptt_cli.training.cuda_graph import Record
from sfbptt_cli.training.ensemble import Ensemble
from sfbptt_cli.training.optimizers import build_optimizer
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise
from sfbptt_cli.training.trainer import Diverged, Trainer

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


class Tape:
    """Records by remembering; what is recorded is not to be called from anywhere else."""

    def __init__(self) -> None:
        self.recordings = 0
        self.replays = 0

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        self.recordings += 1
        work()

        def replay() -> None:
            self.replays += 1
            work()

        return replay


def _trainer(
    record: Record | None, seed: int = 0, model: str = "lstm", device: str = "cpu", **changes: Any
) -> Trainer:
    t = 0.1 * np.arange(400)
    series = np.stack([np.sin(t), 2 + np.cos(t), np.sin(2 * t)], axis=1)
    built = MODELS[model](3, 5, torch.Generator().manual_seed(seed)).to(device)
    optimizer, schedule = build_optimizer(built.parameters(), "soap", 1e-2, "onecycle", 0.3, 12)
    settings: dict[str, Any] = {
        "model": built,
        "windows": Windows(
            as_dataset(series), Standardiser.of(series), 12, 4, 6, seed, torch.device(device)
        ),
        "method": Sparse(),
        "tau_at": lambda update: 5,
        "optimizer": optimizer,
        "schedule": schedule,
        "clip_norm": 0.1,
        "epochs": 2,
        "validation": None,
        "validate_every": 0,
        "record": record,
    }
    return Trainer(**{**settings, **changes})


def _fit(trainer: Trainer) -> Trainer:
    trainer.fit(lambda: False, lambda which: None, lambda: None, lambda row: None)
    return trainer


def _assert_equal(one: Trainer, other: Trainer) -> None:
    assert one.progress.history == other.progress.history
    for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(p, q)


def _noise() -> dict[str, Any]:
    return {
        "noise": TeacherNoise(0.1, seed=0),
        "regularizer": Regularizer(latent_weight=1e-2),
        "clip_value": 0.01,
    }


def _two_taus() -> dict[str, Any]:
    return {"tau_at": lambda update: 3 + update % 2}


@pytest.mark.parametrize(
    ("settings", "recordings"),
    [(dict, 1), (_noise, 1), (_two_taus, 2)],
    ids=["plain", "noise", "two taus"],
)
def test_replayed_updates_are_those_of_the_call(
    settings: Callable[[], dict[str, Any]], recordings: int
) -> None:
    tape = Tape()
    _assert_equal(_fit(_trainer(tape, **settings())), _fit(_trainer(None, **settings())))
    assert (tape.recordings, tape.replays) == (recordings, 12)


def test_an_adaptive_alpha_is_not_recorded() -> None:
    """It looks at the numbers of every update."""
    tape = Tape()
    changes: dict[str, Any] = {"method": Generalized(schedule="adaptive", every=1)}
    again: dict[str, Any] = {"method": Generalized(schedule="adaptive", every=1)}
    _assert_equal(_fit(_trainer(tape, **changes)), _fit(_trainer(None, **again)))
    assert tape.recordings == 0


def test_no_more_recordings_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graph, "_MOST_RECORDINGS", 2)
    tape = Tape()
    changing: dict[str, Any] = {"tau_at": lambda update: 1 + update}
    _assert_equal(_fit(_trainer(tape, **changing)), _fit(_trainer(None, **changing)))
    assert (tape.recordings, tape.replays) == (2, 2)


def test_what_cannot_be_recorded_is_called(caplog: pytest.LogCaptureFixture) -> None:
    attempts = []

    def refuse(work: Callable[[], None]) -> Callable[[], None]:
        work()  # up to where it fails
        attempts.append(1)
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    with caplog.at_level(logging.WARNING, logger="sfbptt"):
        _assert_equal(_fit(_trainer(refuse)), _fit(_trainer(None)))
    assert len(attempts) == 1
    (said,) = caplog.messages
    assert said.endswith("CUDA graph: operation not permitted when stream is capturing")


def test_a_replay_that_diverges() -> None:
    trainer = _trainer(Tape())
    trainer.update(trainer.next_starts())
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match="update 2"):
        trainer.update(trainer.next_starts())


def test_ensembles_are_recorded_for_each_set_of_members() -> None:
    tape = Tape()
    recorded, called = ([_trainer(r, seed) for seed in range(3)] for r in (tape, None))
    ensembles = Ensemble(), Ensemble()
    for chosen in (slice(3), slice(3), slice(2)):
        for ensemble, trainers in zip(ensembles, (recorded, called), strict=True):
            assert ensemble.update(trainers[chosen]) == [None] * len(trainers[chosen])
    for one, other in zip(recorded, called, strict=True):
        _assert_equal(one, other)
    assert (tape.recordings, tape.replays) == (2, 3)


@gpu
@pytest.mark.parametrize("model", MODELS)
def test_a_graph_makes_the_updates_of_the_call(model: str) -> None:
    recorded = _fit(_trainer(cuda_graph.cuda_graph, model=model, device="cuda"))
    called = _fit(_trainer(None, model=model, device="cuda"))
    for p, q in zip(recorded.model.parameters(), called.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)


@gpu
def test_a_graph_of_a_readout_without_rank_holds_nan() -> None:
    readout = LinearReadout(2, 3, torch.Generator().manual_seed(0)).to("cuda")
    x, out = torch.ones(1, 2, device="cuda"), torch.empty(1, 3, device="cuda")

    def invert() -> None:
        out.copy_(readout.invert(x).detach())

    replay = cuda_graph.cuda_graph(invert)
    with torch.no_grad():
        readout.weight[0] = 0
    replay()
    assert out.isnan().all()
