"""Optimizers and learning-rate schedules."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from small_training import make_optimizer
from torch import nn

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.training.optimizers import LR_SCHEDULES, OPTIMIZERS, build_optimizer
from sfbptt_cli.training.settings import (
    LR_SCHEDULE_SETTINGS,
    OPTIMIZER_SETTINGS,
    LRScheduleSettings,
    OptimizerSettings,
)


def _rates(schedule: str, updates: int, optimizer: str = "adam", **shape: float) -> list[float]:
    """The learning rates of a whole training with the maximum 0.1."""
    parameter = nn.Parameter(torch.zeros(1))
    built, stepped = make_optimizer([parameter], updates, optimizer, 0.1, schedule, shape)
    rates = []
    for _ in range(updates):
        rates.append(built.param_groups[0]["lr"])
        parameter.grad = torch.ones(1)
        built.step()
        stepped.step()
    assert parameter.isfinite().all()
    return rates


@pytest.mark.parametrize(
    ("schedule", "shape", "expected"),
    [
        ("constant", {}, [0.1] * 4),
        ("cosine", {"final": 0.1}, [0.1, 0.0775, 0.0325, 0.01]),  # 0.055 + 0.045 cos (k π / 3)
        ("exponential", {}, [0.1, 0.01, 1e-3, 1e-4]),
    ],
)
def test_rates(schedule: str, shape: dict[str, float], expected: list[float]) -> None:
    assert _rates(schedule, 4, "adam", **shape) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("rise", "top"), [(0.3, 29), (0.1, 9), (0.5, 49)])
def test_onecycle_rises_to_the_rate_and_falls_to_nothing(rise: float, top: int) -> None:
    rates = _rates("onecycle", 100, rise=rise)
    assert rates[0] == pytest.approx(0.1 / 25)
    assert max(rates) == pytest.approx(0.1, rel=1e-3)
    assert int(np.argmax(rates)) == top
    assert rates[-1] == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.parametrize("optimizer", ["soap", "sgd"])  # with a momentum to cycle and without
@pytest.mark.parametrize(
    ("schedule", "shape"),
    [
        ("constant", {}),
        ("cosine", {}),
        ("exponential", {}),
        *[("onecycle", {"rise": rise}) for rise in (1e-9, 0.1, 0.3, 1 / 3, 0.5, 0.999)],
    ],
)
def test_runs_of_few_updates_have_rates(
    schedule: str, shape: dict[str, float], optimizer: str
) -> None:
    for updates in range(1, 21):
        rates = _rates(schedule, updates, optimizer, **shape)
        assert all(0 < rate <= 0.1 * (1 + 1e-12) for rate in rates)
        if updates < 3 or schedule != "onecycle":
            assert rates[0] == pytest.approx(0.1)
        else:  # up and down again
            assert rates[0] == pytest.approx(0.1 / 25)
            assert max(rates) > 0.01
            assert rates[-1] < 1e-6


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_lowers_a_loss(optimizer: str) -> None:
    parameter = nn.Parameter(torch.tensor([1.0, -2.0]))
    built, _ = make_optimizer([parameter], 30, optimizer, 0.05, "constant")
    for _ in range(30):
        built.zero_grad()
        parameter.square().sum().backward()
        built.step()
    assert parameter.square().sum() < 5.0


def test_options_reach_the_optimizer() -> None:
    parameter = nn.Parameter(torch.ones(1))
    decayed, _ = make_optimizer([parameter], 1, "adamw", 0.1, "constant", weight_decay=0.5)
    parameter.grad = torch.zeros(1)
    decayed.step()
    assert parameter.item() == pytest.approx(1 - 0.1 * 0.5)
    for schedule in LR_SCHEDULES:  # onecycle leaves the momentum of SGD as it was given
        heavy, stepped = make_optimizer([parameter], 9, "sgd", 0.1, schedule, momentum=0.7)
        heavy.step()
        stepped.step()
        assert heavy.param_groups[0]["momentum"] == 0.7


def _soap_by_hand(
    W: np.ndarray[Any, Any], gradients: np.ndarray[Any, Any], rate: float, every: int
) -> np.ndarray[Any, Any]:
    """Algorithm 3 of Vyas et al. (2025); the first gradient only makes the bases."""
    W, first, beta1, beta2 = W.copy(), gradients[0], 0.9, 0.95
    L, R = (1 - beta2) * first @ first.T, (1 - beta2) * first.T @ first
    Q_L, Q_R = (np.linalg.eigh(product)[1][:, ::-1] for product in (L, R))
    M, V = np.zeros_like(W), np.zeros_like(W)
    for t, G in enumerate(gradients[1:], start=1):
        M = beta1 * M + (1 - beta1) * G
        V = beta2 * V + (1 - beta2) * (Q_L.T @ G @ Q_R) ** 2
        mean = Q_L.T @ M @ Q_R / (1 - beta1**t)
        W -= rate * Q_L @ (mean / (np.sqrt(V) + 1e-8) * np.sqrt(1 - beta2**t)) @ Q_R.T
        L = beta2 * L + (1 - beta2) * G @ G.T
        R = beta2 * R + (1 - beta2) * G.T @ G
        if t % every == 0:
            rows, columns = (
                np.argsort(-np.diag(Q.T @ product @ Q)) for Q, product in ((Q_L, L), (Q_R, R))
            )
            V = V[np.ix_(rows, columns)]
            Q_L = np.linalg.qr(L @ Q_L[:, rows])[0]
            Q_R = np.linalg.qr(R @ Q_R[:, columns])[0]
    return W


@pytest.mark.parametrize("every", [1, 4])
def test_soap_is_adam_in_the_eigenbasis_of_the_gradients(every: int) -> None:
    generator = np.random.default_rng(0)
    W = generator.normal(size=(4, 3))
    mixing = generator.normal(size=(4, 4)) * [3.0, 1.0, 0.3, 0.1]
    gradients = np.stack([mixing @ generator.normal(size=(4, 3)) for _ in range(25)])
    parameter = nn.Parameter(torch.from_numpy(W.copy()))
    vector = nn.Parameter(torch.ones(4, dtype=torch.float64))
    soap, _ = make_optimizer([parameter, vector], 1, "soap", 0.01, "constant", basis_every=every)
    adams = nn.Parameter(vector.detach().clone())
    adam = torch.optim.Adam([adams], lr=0.01, betas=(0.9, 0.95))
    for update, G in enumerate(gradients):
        parameter.grad, vector.grad = torch.from_numpy(G), torch.from_numpy(G[:, 0])
        soap.step()
        if update:  # the first gradient moves nothing
            adams.grad = vector.grad
            adam.step()
    by_hand = _soap_by_hand(W, gradients, 0.01, every)
    assert np.abs(by_hand - W).max() > 0.05
    assert parameter.detach().numpy() == pytest.approx(by_hand, rel=1e-9)
    assert vector.detach().numpy() == pytest.approx(adams.detach().numpy(), rel=1e-5)


@pytest.mark.parametrize("shape", [(4, 3), (3,), (), (2, 3, 4), (1030, 2)])
def test_soap_makes_the_steps_of_the_library(shape: tuple[int, ...]) -> None:
    """With gradients along every direction: along others both follow their rounding."""
    library = pytest.importorskip("pytorch_optimizer")
    generator = torch.Generator().manual_seed(0)
    ours = nn.Parameter(torch.randn(shape, generator=generator))
    theirs = nn.Parameter(ours.detach().clone())
    options = {"weight_decay": 0.0, "precondition_frequency": 3, "max_precondition_dim": 1024}
    expected = library.SOAP([theirs], 0.01, (0.9, 0.95), **options)
    soap, _ = make_optimizer([ours], 1, "soap", 0.01, "constant", basis_every=3)
    before = ours.detach().clone()
    for update in range(20):
        for parameter in (ours, theirs):
            parameter.grad = torch.randn(shape, generator=generator.manual_seed(update))
        for optimizer in (soap, expected):
            optimizer.param_groups[0]["betas"] = (0.95 - 0.005 * update, 0.95)
            optimizer.step()
    assert (ours - before).abs().max() > 0.01
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_soap_goes_on_from_its_state_to_the_bit() -> None:
    """The bases are renewed before and after."""
    parameters = [[nn.Parameter(torch.ones(5, 4)), nn.Parameter(torch.ones(3))] for _ in range(2)]
    whole, resumed = (make_optimizer(own, 1, "soap", 0.01, "constant")[0] for own in parameters)
    for update in range(25):
        if update == 12:
            resumed, _ = make_optimizer(parameters[1], 1, "soap", 0.01, "constant")
            resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
        for own, optimizer in zip(parameters, (whole, resumed), strict=True):
            for parameter in own:
                generator = torch.Generator().manual_seed(update)
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
    for one, other in zip(*parameters, strict=True):
        assert torch.equal(one, other)


def test_soap_makes_the_same_steps_on_any_number_of_threads() -> None:
    """Of a matrix large enough for torch to share it among threads, and of low rank besides."""
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            generator = torch.Generator().manual_seed(0)
            parameter = nn.Parameter(torch.randn(120, 30, generator=generator))
            soap, _ = make_optimizer([parameter], 1, "soap", 0.01, "constant")
            for _ in range(12):
                left, right = (torch.randn(n, 2, generator=generator) for n in (120, 30))
                parameter.grad = left @ right.T
                soap.step()
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        found.append(parameter.detach())
    assert torch.equal(*found)


def test_the_tables_have_the_same_names_and_unknown_ones_are_refused() -> None:
    assert OPTIMIZERS.keys() == OPTIMIZER_SETTINGS.keys()
    assert LR_SCHEDULES.keys() == LR_SCHEDULE_SETTINGS.keys()
    parameters = [nn.Parameter(torch.ones(1))]
    adam, constant = OptimizerSettings("adam", 0.1), LRScheduleSettings("constant")
    with pytest.raises(RequestError, match=r"optimizer\.name: 'adan' is unknown"):
        build_optimizer(parameters, OptimizerSettings("adan", 0.1), constant, 1)
    with pytest.raises(RequestError, match=r"lr_schedule\.name: 'cosin' is unknown"):
        build_optimizer(parameters, adam, LRScheduleSettings("cosin"), 1)
