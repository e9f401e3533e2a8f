"""The training loop: its gradient, its determinism, its resume, its end."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import as_dataset

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.none import Unforced
from sfbptt_cli.forcing.sparse import Sparse, sparse
from sfbptt_cli.forcing.tau_schedule import TAU_SCHEDULES
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.training.optimizers import build_optimizer
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise, latent_l2
from sfbptt_cli.training.trainer import Diverged, Trainer
from sfbptt_cli.training.validation import Validation

_EPOCHS, _BATCHES = 4, 5


def _series() -> np.ndarray[Any, Any]:
    t = 0.1 * np.arange(600)
    return np.stack([np.sin(t), 2 + np.cos(t), np.sin(2 * t)], axis=1)


def _trainer(seed: int = 0, validate: bool = True, **changes: Any) -> Trainer:
    series = _series()
    scale = Standardiser.of(series)
    model = LSTM(3, 8, torch.Generator().manual_seed(seed))
    optimizer, schedule = build_optimizer(
        model.parameters(), "adam", 1e-2, "onecycle", 0.3, _EPOCHS * _BATCHES
    )
    settings: dict[str, Any] = {
        "model": model,
        "windows": Windows(as_dataset(series), scale, 12, 4, _BATCHES, seed, torch.device("cpu")),
        "method": Sparse(),
        "tau_at": lambda update: 5,
        "optimizer": optimizer,
        "schedule": schedule,
        "clip_norm": 1.0,
        "epochs": _EPOCHS,
        "validation": Validation(as_dataset(series), scale, 100, 3) if validate else None,
        "validate_every": 2,
    }
    return Trainer(**{**settings, **changes})


def _fit(trainer: Trainer, stop: Callable[[], bool] = lambda: False) -> list[str]:
    saved: list[str] = []
    trainer.fit(stop, saved.append, lambda: None, lambda row: None)
    return saved


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def test_training_lowers_the_loss() -> None:
    model = LSTM(3, 8, torch.Generator().manual_seed(0))
    optimizer, schedule = build_optimizer(model.parameters(), "adam", 2e-2, "constant", 0.3, 0)
    trainer = _trainer(
        model=model, optimizer=optimizer, schedule=schedule, epochs=40, validation=None
    )
    _fit(trainer)
    losses = [row["loss"] for row in trainer.progress.history]
    assert losses[-1] is not None
    assert losses[0] is not None
    assert losses[-1] < 0.2 * losses[0]


def test_the_same_seed_gives_the_same_bits() -> None:
    first, again, other = _trainer(0), _trainer(0), _trainer(1)
    for trainer in (first, again, other):
        _fit(trainer)
    assert _equal(first.state_dict(), again.state_dict())
    assert not _equal(first.state_dict(), other.state_dict())


def _everything() -> dict[str, Any]:
    """Every setting that changes over training or draws something, and a method with a state."""
    return {
        "method": Generalized(schedule="adaptive", gamma=0.5, every=3),
        "noise": TeacherNoise(0.1, seed=0),
        "regularizer": Regularizer(latent_weight=1e-3, readout_weight=1e-3),
        "clip_value": 0.01,
    }


def _random_tau() -> dict[str, Any]:
    tau_at = TAU_SCHEDULES["random"](5, updates=20, window=12, seed=0, half_width=4)
    return {"tau_at": tau_at, "noise": TeacherNoise(0.1, seed=0)}


def _annealed() -> dict[str, Any]:
    return {"method": Generalized(schedule="annealed")}


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        *[(dict, updates) for updates in (0, 1, 4, 5, 7, 10, 19)],
        *[(_everything, updates) for updates in (1, 4, 10)],
        *[(_random_tau, updates) for updates in (1, 10)],
        (_annealed, 7),
    ],
)
def test_resumed_training_is_bit_equal(
    settings: Callable[[], dict[str, Any]], updates: int
) -> None:
    undisturbed = _trainer(**settings())
    _fit(undisturbed)
    interrupted = _trainer(**settings())
    with pytest.raises(Interrupted):
        _fit(interrupted, stop=lambda: interrupted.updates >= updates)
    assert interrupted.updates == updates
    resumed = _trainer(**settings())
    resumed.load_state_dict(copy.deepcopy(interrupted.state_dict()))
    _fit(resumed)
    assert _equal(resumed.state_dict(), undisturbed.state_dict())


def test_resuming_depends_on_the_state_of_the_method() -> None:
    trainer = _trainer(**_everything())
    for starts in trainer.windows.starts(0):
        trainer.update(starts)
    state = copy.deepcopy(trainer.state_dict())
    assert 0 < state["method"]["alpha"] < 1
    changed = {**copy.deepcopy(state), "method": {"alpha": 0.123}}
    losses = []
    for resumed_from in (state, changed):
        resumed = _trainer(**_everything())
        resumed.load_state_dict(resumed_from)
        x = resumed.windows.batch(resumed.windows.starts(1)[0])
        losses.append(resumed.loss(x, None).item())
    assert losses[0] != losses[1]


def test_history_and_checkpoints() -> None:
    trainer = _trainer()
    saved = _fit(trainer)
    rows = trainer.progress.history
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["validation_d_stsp"] is None for row in rows] == [True, False, True, False]
    assert all(row["tau"] == 5 for row in rows)
    scores = [row["validation_d_stsp"] for row in rows if row["validation_d_stsp"] is not None]
    assert trainer.progress.best_score == min(scores)
    assert saved.count("last") == 4
    assert saved.count("best") == sum(bool(row["best"]) for row in rows)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([9.0, 3.0, 2.0, 1.0], [1, 2, 3, 4]),
        ([2.0, 2.4, 2.6, 2.4], [1, 2, 4]),  # within 1.25 of the lowest the later one is kept
        ([2.0, math.inf, 9.0, 1.0], [1, 4]),
        ([1.0, 1.2, 1.4, 1.7], [1, 2]),  # ties do not add up
    ],
)
def test_best_is_the_latest_epoch_of_nearly_the_lowest_score(
    scores: list[float], kept: list[int]
) -> None:
    remaining = iter(scores)
    trainer = _trainer(validation=lambda model: next(remaining), validate_every=1)
    _fit(trainer)
    assert [row["epoch"] for row in trainer.progress.history if row["best"]] == kept


def test_without_validation_the_last_epoch_is_the_best() -> None:
    assert _fit(_trainer(validate=False)) == ["last", "last", "last", "best", "last"]


def test_the_mean_squared_error_is_over_every_predicted_step() -> None:
    trainer = _trainer()
    x = trainer.windows.batch(trainer.windows.starts(0)[0])
    expected = ((sparse(trainer.model, x, 5) - x[:, 1:]) ** 2).mean()
    assert trainer.loss(x, 5).item() == pytest.approx(expected.item(), rel=1e-6)


def test_clipping_scales_the_gradient_to_the_norm() -> None:
    trainer = _trainer(clip_norm=1e-3)
    trainer.update(trainer.windows.starts(0)[0])
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    assert norm == pytest.approx(1e-3, rel=1e-3)
    assert trainer.progress.gradient_norm > 2e-3  # recorded before clipping


def test_without_clipping_the_gradient_is_that_of_the_loss() -> None:
    trainer = _trainer(clip_norm=None)
    starts = trainer.windows.starts(0)[0]
    loss = trainer.loss(trainer.windows.batch(starts), 5)
    expected = torch.autograd.grad(loss, list(trainer.model.parameters()))
    trainer.update(starts)
    for parameter, gradient in zip(trainer.model.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)


def test_value_clipping_cuts_entries() -> None:
    plain, clipped = _trainer(clip_norm=None), _trainer(clip_norm=None, clip_value=1e-3)
    for trainer in (plain, clipped):
        trainer.update(trainer.windows.starts(0)[0])
    cut = 0
    for a, b in zip(plain.model.parameters(), clipped.model.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(b.grad, a.grad.clamp(-1e-3, 1e-3))
        cut += int((a.grad.abs() > 1e-3).sum())
    assert cut > 0
    assert clipped.progress.gradient_norm == plain.progress.gradient_norm  # before clipping


def test_regularization_is_added_to_the_gradient_and_not_to_the_recorded_loss() -> None:
    plain = _trainer(clip_norm=None)
    penalised = _trainer(clip_norm=None, regularizer=lambda model: 0.1 * latent_l2(model))
    start = {name: p.detach().clone() for name, p in plain.model.named_parameters()}
    for trainer in (plain, penalised):
        trainer.update(trainer.windows.starts(0)[0])
    expected = {name: 0 if name.startswith("readout") else 0.2 * p for name, p in start.items()}
    for (name, a), b in zip(
        plain.model.named_parameters(), penalised.model.parameters(), strict=True
    ):
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(b.grad, a.grad + expected[name])
    assert penalised.progress.loss == plain.progress.loss


def test_noise_is_on_the_teacher_and_not_on_the_targets() -> None:
    noise = TeacherNoise(0.5, seed=1)
    trainer = _trainer(noise=noise)
    x = trainer.windows.batch(trainer.windows.starts(0)[0])
    expected = ((sparse(trainer.model, noise(x, 0), 5) - x[:, 1:]) ** 2).mean()
    assert trainer.loss(x, 5).item() == pytest.approx(expected.item(), rel=1e-6)
    assert trainer.loss(x, 5).item() != pytest.approx(_trainer().loss(x, 5).item(), rel=1e-3)
    trainer.update(trainer.windows.starts(0)[0])
    later = ((sparse(trainer.model, noise(x, 1), 5) - x[:, 1:]) ** 2).mean()
    assert trainer.loss(x, 5).item() == pytest.approx(later.item(), rel=1e-6)


def test_a_method_without_tau_is_given_none_and_told_where_training_stands() -> None:
    seen: list[tuple[int, int]] = []

    class Recording(Unforced):
        def __call__(self, model: Any, x: Any, tau: Any, s: Any = None) -> torch.Tensor:
            assert tau is None
            return super().__call__(model, x, tau, s)

        def advance(self, update: int, updates: int) -> None:
            seen.append((update, updates))

    trainer = _trainer(method=Recording())
    _fit(trainer)
    assert seen == [(update, _EPOCHS * _BATCHES) for update in range(_EPOCHS * _BATCHES)]
    assert [row["tau"] for row in trainer.progress.history] == [None] * _EPOCHS


def test_a_model_that_diverges_under_adaptive_forcing_is_reported_as_diverged() -> None:
    trainer = _trainer(**_everything())
    with torch.no_grad():
        dict(trainer.model.named_parameters())["bias"].fill_(math.nan)
    with pytest.raises(Diverged, match="epoch 1, update 1: loss nan"):
        trainer.update(trainer.windows.starts(0)[0])


def test_divergence_stops_before_the_parameters_are_harmed() -> None:
    trainer = _trainer()
    _fit_two = [trainer.update(s) for s in trainer.windows.starts(0)[:2]]
    with torch.no_grad():
        trainer.model.readout.weight.mul_(1e30)  # the loss overflows, the readout has an inverse
    before = copy.deepcopy(trainer.model.state_dict())
    with pytest.raises(Diverged, match=r"epoch 1, update 3: loss"):
        trainer.update(trainer.windows.starts(0)[2])
    assert _equal(before, trainer.model.state_dict())
    assert trainer.progress.batch == len(_fit_two)


def test_a_lost_readout_is_a_divergence() -> None:
    trainer = _trainer()
    with torch.no_grad():
        trainer.model.readout.weight[0] = 0
    with pytest.raises(Diverged, match="lost rank"):
        trainer.update(trainer.windows.starts(0)[0])


def test_validation_scores_a_lost_model_worse_than_any_on_the_attractor() -> None:
    series = _series()
    scale = Standardiser.of(series)
    validation = Validation(as_dataset(series), scale, 200, 3)
    trained, lost = _trainer(), _trainer()
    with torch.no_grad():
        lost.model.readout.weight.fill_(0).fill_diagonal_(1e-8)
        lost.model.readout.weight.mul_(1e16)
    assert validation(lost.model) > validation(trained.model)
