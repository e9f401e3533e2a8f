"""Models that are trained together against each trained by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from forcing_cases import make_method
from small_training import TAU, curve, make_trainer, never, train

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.forcing.alpha import Adaptive, Annealed
from sfbptt_cli.forcing.catalogue import METHODS
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.sparse import Sparse
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.training.loop import Member, fit, update
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise
from sfbptt_cli.training.settings import RegularizationSettings
from sfbptt_cli.training.trainer import Diverged, Trainer

_DRIVEN = curve(N=2, K=1)


def _trainer(seed: int, **changes: Any) -> Trainer:
    return make_trainer(seed, epochs=2, batches=3, dtype=torch.float64, **changes)


def _assert_same(together: list[Trainer], alone: list[Trainer]) -> None:
    for one, other in zip(together, alone, strict=True):
        assert one.updates == other.updates
        assert one.progress.loss == pytest.approx(other.progress.loss, rel=1e-10)
        for a, b in zip(one.progress.history, other.progress.history, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-10)
        for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-8, atol=1e-10)


def _alone(trainers: list[Trainer]) -> list[Trainer]:
    for trainer in trainers:
        train(trainer)
    return trainers


def _own_tau(seed: int) -> dict[str, Any]:
    """At each update those with the same τ share it; here τ depends on the seed."""
    return {
        "method": Sparse(lambda number: (3, 5, 5)[seed] + number % 2),
        "noise": TeacherNoise(0.1, seed=seed),
        "penalty": Regularizer(RegularizationSettings(latent_weight=1e-2)),
    }


def _adaptive(seed: int) -> dict[str, Any]:
    """An adaptive α is each model's own."""
    return {"method": Generalized(Adaptive(1.0, "product", 0.999, every=1))}


# From a seed to what its trainer has.
_CASES: dict[str, Callable[[int], dict[str, Any]]] = {
    **{name: lambda seed, name=name: {"model": name} for name in MODELS},
    **{
        f"{name} with a warm-up and inputs": lambda seed, name=name: {
            "model": name,
            "dataset": _DRIVEN,
            "warmup": 3,
        }
        for name in ("lstm", "plrnn")
    },
    "an identity readout": lambda seed: {"model": "shallow_plrnn", "readout": "identity"},
    **{
        f"{name} with inputs": lambda seed, name=name: {"model": name, "dataset": _DRIVEN}
        for name in ("lstm", "gru", "rnn", "plrnn", "al_rnn")
    },
    **{f"method {m}": lambda seed, m=m: {"method": make_method(m, TAU)} for m in METHODS},
    "annealed alpha": lambda seed: {"method": Generalized(Annealed(1.0, 0.1))},
    "adaptive alpha": _adaptive,
    "tau, noise and a penalty": _own_tau,
}


@pytest.mark.parametrize("case", _CASES)
def test_every_model_is_that_of_its_seed(case: str) -> None:
    together, alone = ([_trainer(s, **_CASES[case](s)) for s in range(3)] for _ in range(2))
    fit([Member(trainer) for trainer in together], never)
    _assert_same(together, _alone(alone))
    firsts = [next(trainer.model.parameters()) for trainer in together]
    assert not torch.equal(firsts[0], firsts[1])
    if case == "adaptive alpha":
        assert len({trainer.method.state_dict()["alpha"] for trainer in together}) == 3


def test_one_that_diverges_leaves_the_others_as_they_would_be() -> None:
    together = [_trainer(seed) for seed in range(3)]
    with torch.no_grad():
        together[1].model.readout.weight.fill_(float("nan"))
    errors: list[Diverged] = []
    fit([Member(trainer, failed=errors.append) for trainer in together], never)
    (error,) = errors
    assert "epoch 1, update 1: " in str(error)
    assert together[1].updates == 0
    _assert_same(together[::2], _alone([_trainer(0), _trainer(2)]))


def test_a_readout_that_lost_its_rank_is_found_among_many() -> None:
    trainers = [_trainer(seed) for seed in range(3)]
    with torch.no_grad():
        trainers[2].model.readout.weight[0] = 0
    errors = update(trainers)
    assert errors[:2] == [None, None]
    assert "lost rank" in str(errors[2])
    assert [trainer.updates for trainer in trainers] == [1, 1, 0]


def test_members_go_on_from_where_each_stands() -> None:
    together = [_trainer(seed) for seed in range(2)]
    with pytest.raises(Interrupted):  # one is ahead, in its second epoch
        train(together[0], stop=lambda: together[0].updates == 4)
    fit([Member(trainer) for trainer in together], never)
    _assert_same(together, _alone([_trainer(seed) for seed in range(2)]))


def test_a_stop_saves_every_member_that_is_not_done() -> None:
    together, saved = [_trainer(seed) for seed in range(3)], []
    _alone(together[:1])
    members = [
        Member(t, save=lambda which, n=n: saved.append((n, which))) for n, t in enumerate(together)
    ]
    with pytest.raises(Interrupted, match="epoch 1 of 2"):
        fit(members, lambda: True)
    assert saved == [(1, "last"), (2, "last")]
