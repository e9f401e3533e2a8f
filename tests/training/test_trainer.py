"""The training of one model: its update, its determinism, its resume, its end."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from small_training import BATCHES, EPOCHS, TAU, curve, make_trainer, train, validation_on

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.forcing.alpha import Adaptive, Annealed
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.none import Unforced
from sfbptt_cli.forcing.sparse import Sparse, sparse
from sfbptt_cli.forcing.tau_schedule import TAU_SCHEDULES
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.training.loop import fit, update
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise, latent_l2
from sfbptt_cli.training.settings import RegularizationSettings
from sfbptt_cli.training.trainer import Diverged, Trainer


def _validated(**changes: Any) -> Trainer:
    settings: dict[str, Any] = {"validation": validation_on(curve()), "validate_every": 2}
    return make_trainer(**{**settings, **changes})


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_norm": math.inf},
        {"clip_norm": 1e-3},
        {"clip_norm": math.inf, "clip_value": 1e-3},
        {"clip_norm": 0.1, "clip_value": 1e-3},
        {"penalty": lambda model: 0.1 * latent_l2(model)},
        {"noise": TeacherNoise(0.5, seed=1)},
    ],
    ids=["plain", "norm", "value", "norm and value", "penalty", "noise"],
)
def test_an_update_follows_the_clipped_gradient(changes: dict[str, Any]) -> None:
    """θ ← θ - rate · clip(∇ (mean squared error + penalty)); noise on the teacher alone."""
    sgd = {"optimizer": "sgd", "momentum": 0.0, "rate": 0.5, "schedule": "constant"}
    trainer = make_trainer(optimizer=sgd, dtype=torch.float64, **changes)
    loss_sum = norm_sum = 0.0
    for number in range(2):
        model = copy.deepcopy(trainer.model)
        x = trainer.windows.batch(trainer.windows.starts(0)[number])
        teacher = changes["noise"](x, number) if "noise" in changes else x
        error = (sparse(model, teacher, TAU) - x[:, 1:]).square().mean()
        penalty = changes["penalty"](model) if "penalty" in changes else 0.0
        gradients = torch.autograd.grad(error + penalty, list(model.parameters()))
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))

        update(trainer)
        loss_sum, norm_sum = loss_sum + error.item(), norm_sum + norm
        # The loss without the penalty, the norm before clipping.
        assert trainer.progress.loss == pytest.approx(loss_sum, rel=1e-10)
        assert trainer.progress.gradient_norm == pytest.approx(norm_sum, rel=1e-10)
        scale = min(1.0, changes.get("clip_norm", 1.0) / (norm + 1e-6))  # torch adds 1e-6
        bound = changes.get("clip_value", math.inf)
        pairs = zip(trainer.model.parameters(), model.parameters(), gradients, strict=True)
        for found, before, gradient in pairs:
            expected = before - 0.5 * (scale * gradient).clamp(-bound, bound)
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
        if "clip_norm" in changes and changes["clip_norm"] < 1:
            assert scale < 1
        if "clip_value" in changes:
            assert any((scale * g.abs() > bound).any() for g in gradients)


def _everything() -> dict[str, Any]:
    """Every setting that changes over training or draws something, and a method with a state."""
    return {
        "method": Generalized(Adaptive(1.0, "product", gamma=0.5, every=3)),
        "noise": TeacherNoise(0.1, seed=0),
        "penalty": Regularizer(RegularizationSettings(readout_weight=1e-3), 1e-3),
        "clip_value": 0.01,
    }


def _random_tau() -> dict[str, Any]:
    tau_at = TAU_SCHEDULES["random"](5, updates=20, window=12, seed=0, half_width=4)
    return {"method": Sparse(tau_at), "noise": TeacherNoise(0.1, seed=0)}


class _Drawing(Unforced):
    """Draws from torch's global stream, as a method of another package may."""

    def __call__(
        self, model: LatentModel, x: torch.Tensor, s: torch.Tensor | None = None
    ) -> torch.Tensor:
        return super().__call__(model, x, s) + 0.01 * torch.randn(())


def _drawing() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"method": _Drawing()}


@lru_cache
def _undisturbed(settings: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    trainer = _validated(**settings())
    train(trainer)
    return trainer.state_dict()


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        *[(dict, updates) for updates in (0, 4, 5, 7, 19)],
        *[(_everything, updates) for updates in (1, 4, 10)],
        (_random_tau, 7),
        (lambda: {"method": Generalized(Annealed(1.0, 0.1))}, 7),
        (_drawing, 7),
    ],
)
def test_resumed_training_is_bit_equal(
    settings: Callable[[], dict[str, Any]], updates: int
) -> None:
    expected = _undisturbed(settings)
    interrupted = _validated(**settings())
    with pytest.raises(Interrupted, match=f"epoch {updates // BATCHES + 1} of {EPOCHS}"):
        train(interrupted, stop=lambda: interrupted.updates >= updates)
    assert interrupted.updates == updates
    state = copy.deepcopy(interrupted.state_dict())
    resumed = _validated(**settings())
    resumed.load_state_dict(state)
    train(resumed)
    assert _equal(resumed.state_dict(), expected)


def test_history_and_checkpoints() -> None:
    trainer = _validated(diagnose=lambda model, tau: {"log_jacobian_tau": tau or math.nan})
    saved: list[str] = []
    told: list[Any] = []
    counted: list[None] = []
    count = lambda: counted.append(None)  # noqa: E731
    fit(trainer, lambda: False, save=saved.append, updated=count, epoch_done=told.append)
    rows = trainer.progress.history
    assert told == rows
    assert len(counted) == EPOCHS * BATCHES
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["validation_d_stsp"] is None for row in rows] == [True, False, True, False]
    assert [row["log_jacobian_tau"] for row in rows] == [None, TAU, None, TAU]
    assert all(row["tau"] == TAU for row in rows)
    scores = [row["validation_d_stsp"] for row in rows if row["validation_d_stsp"] is not None]
    assert trainer.progress.best_score == min(scores)
    assert saved.count("last") == 4
    assert saved.count("best") == sum(bool(row["best"]) for row in rows)
    assert trainer.done
    assert train(trainer) == []  # nothing is left to do


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([9.0, 3.0, 2.0, 1.0], [1, 2, 3, 4]),
        ([2.0, 3.6, 4.2, 3.9], [1, 2, 4]),  # within twice the lowest the later one is kept
        ([2.0, math.inf, 9.0, 1.0], [1, 4]),
        ([1.0, 1.9, 2.8, 3.5], [1, 2]),  # ties do not add up
    ],
)
def test_best_is_the_latest_epoch_of_nearly_the_lowest_score(
    scores: list[float], kept: list[int]
) -> None:
    remaining = iter(scores)
    trainer = make_trainer(validation=lambda model: next(remaining), validate_every=1)
    train(trainer)
    assert [row["epoch"] for row in trainer.progress.history if row["best"]] == kept


def test_without_validation_the_last_epoch_is_the_best() -> None:
    assert train(make_trainer()) == ["last", "last", "last", "best", "last"]


def test_a_method_without_tau_is_told_where_training_stands() -> None:
    seen: list[tuple[int, int]] = []

    class Recording(Unforced):
        def advance(self, update: int, updates: int) -> None:
            seen.append((update, updates))

    trainer = make_trainer(method=Recording())
    train(trainer)
    assert seen == [(number, EPOCHS * BATCHES) for number in range(EPOCHS * BATCHES)]
    assert [row["tau"] for row in trainer.progress.history] == [None] * EPOCHS


def _overflow(trainer: Trainer) -> None:
    trainer.model.readout.weight.mul_(1e30)  # the loss overflows, the readout has an inverse


def _lose_rank(trainer: Trainer) -> None:
    trainer.model.readout.weight[0] = 0


def _lose(trainer: Trainer) -> None:
    dict(trainer.model.named_parameters())["bias"].fill_(math.nan)


@pytest.mark.parametrize(
    ("settings", "harm", "how"),
    [
        (dict, _overflow, "loss inf"),
        (dict, _lose_rank, "the readout lost rank"),
        (_everything, _lose, "loss nan"),
    ],
)
def test_divergence_is_found_before_the_parameters_are_harmed(
    settings: Callable[[], dict[str, Any]], harm: Callable[[Trainer], None], how: str
) -> None:
    trainer = make_trainer(**settings())
    update(trainer)
    update(trainer)
    with torch.no_grad():
        harm(trainer)
    before = copy.deepcopy(trainer.model.state_dict())
    with pytest.raises(Diverged, match=f"diverged in epoch 1, update 3: {how}"):
        train(trainer)
    for name, value in trainer.model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, equal_nan=True)
    assert trainer.progress.batch == 2


def test_validation_scores_a_lost_model_worse_than_any_on_the_attractor() -> None:
    validation = validation_on(curve())
    untrained, lost = make_trainer().model, make_trainer().model
    with torch.no_grad():
        lost.readout.weight.fill_(0).fill_diagonal_(1e8)
    assert validation(lost) > validation(untrained)
