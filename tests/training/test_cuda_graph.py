"""Recorded updates: on a GPU as CUDA graphs; here the recording is a function that works again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_training import curve, make_trainer, train

from sfbptt_cli.forcing.alpha import Adaptive
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.sparse import Sparse
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.models.readout import LinearReadout
from sfbptt_cli.training import cuda_graph
from sfbptt_cli.training.cuda_graph import Record, Recordings
from sfbptt_cli.training.loop import update
from sfbptt_cli.training.loss import differentiate
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise
from sfbptt_cli.training.settings import RegularizationSettings
from sfbptt_cli.training.trainer import Trainer

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")

_UPDATES = 12


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


def _trainer(seed: int = 0, **changes: Any) -> Trainer:
    soap = {"optimizer": "soap"}
    settings = {"epochs": 1, "batches": _UPDATES, "optimizer": soap, "clip_norm": 0.1}
    return make_trainer(seed, **{**settings, **changes})


def _assert_equal(one: Trainer, other: Trainer) -> None:
    assert one.progress == other.progress
    for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(p, q)


def _assert_same_updates(settings: Callable[[], dict[str, Any]], record: Record) -> None:
    """Recorded and called updates give the same bits."""
    gradient = Recordings(differentiate, record)
    recorded, called = _trainer(**settings()), _trainer(**settings())
    for _ in range(_UPDATES):
        assert update([recorded], gradient) == update([called]) == [None]
    _assert_equal(recorded, called)


def _penalised() -> dict[str, Any]:
    noise, penalty = (
        TeacherNoise(0.1, seed=0),
        Regularizer(RegularizationSettings(latent_weight=1e-2)),
    )
    return {"noise": noise, "penalty": penalty, "clip_value": 0.01}


# Settings, recordings, replays; an adaptive α looks at the numbers of every update.
_CASES: dict[str, tuple[Callable[[], dict[str, Any]], int, int]] = {
    "plain": (dict, 1, 12),
    "noise": (_penalised, 1, 12),
    "inputs": (lambda: {"dataset": curve(N=2, K=1)}, 1, 12),
    "two taus": (lambda: {"method": Sparse(lambda number: 3 + number % 2)}, 2, 12),
    "adaptive alpha": (
        lambda: {"method": Generalized(Adaptive(1.0, "product", 0.999, every=1))},
        0,
        0,
    ),
}


@pytest.mark.parametrize(("settings", "recordings", "replays"), _CASES.values(), ids=_CASES)
def test_replayed_updates_are_those_of_the_call(
    settings: Callable[[], dict[str, Any]], recordings: int, replays: int
) -> None:
    tape = Tape()
    _assert_same_updates(settings, tape)
    assert (tape.recordings, tape.replays) == (recordings, replays)


def test_no_more_recordings_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graph, "_MOST_RECORDINGS", 2)
    tape = Tape()
    _assert_same_updates(lambda: {"method": Sparse(lambda number: 1 + number)}, tape)
    assert (tape.recordings, tape.replays) == (2, 2)


def test_what_cannot_be_recorded_is_called(caplog: pytest.LogCaptureFixture) -> None:
    attempts = []

    def refuse(work: Callable[[], None]) -> Callable[[], None]:
        work()  # up to where it fails
        attempts.append(1)
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    with caplog.at_level(logging.WARNING, logger="sfbptt"):
        _assert_same_updates(dict, refuse)
    assert len(attempts) == 1
    (said,) = caplog.messages
    assert said.endswith("CUDA graph: operation not permitted when stream is capturing")


def test_a_replay_that_diverges() -> None:
    trainer, gradient = _trainer(), Recordings(differentiate, Tape())
    assert update([trainer], gradient) == [None]
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    (error,) = update([trainer], gradient)
    assert "update 2: loss nan" in str(error)


def test_ensembles_are_recorded_for_each_set_of_members() -> None:
    tape = Tape()
    gradient = Recordings(differentiate, tape)
    recorded, called = ([_trainer(seed) for seed in range(3)] for _ in range(2))
    for chosen in (slice(3), slice(3), slice(2)):
        expected = [None] * len(recorded[chosen])
        assert update(recorded[chosen], gradient) == update(called[chosen]) == expected
    for one, other in zip(recorded, called, strict=True):
        _assert_equal(one, other)
    assert (tape.recordings, tape.replays) == (2, 3)


@gpu
@pytest.mark.parametrize("model", MODELS)
def test_a_graph_makes_the_updates_of_the_call(model: str) -> None:
    recorded, called = (_trainer(model=model, device="cuda") for _ in range(2))
    train(recorded)
    for _ in range(_UPDATES):
        update([called])
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
