"""Sparse forcing as free segments is the paper's step-by-step algorithm, to rounding."""

from __future__ import annotations

import itertools

import pytest
import torch
from literal import State, lstm_step, sparse_loss
from torch import Tensor

from sfbptt_cli.forcing import METHODS, sparse
from sfbptt_cli.models import LSTM

# Latents fewer than, as many as and more than observations.
_SIZES = [(2, 5), (3, 3), (7, 3), (1, 1), (30, 3)]


def _model(latent_dim: int, obs_dim: int, seed: int = 0) -> LSTM:
    return LSTM(obs_dim, latent_dim, torch.Generator().manual_seed(seed)).double()


def _data(batch: int, steps: int, obs_dim: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, steps + 1, obs_dim, generator=generator, dtype=torch.float64)


def _gradients(model: LSTM, loss: Tensor) -> dict[str, Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


def _start(z: Tensor) -> State:
    return z, torch.zeros_like(z)


@pytest.mark.parametrize(("latent_dim", "obs_dim"), _SIZES)
@pytest.mark.parametrize(
    ("tau", "steps", "batch"),
    [
        *itertools.product((1, 2, 3, 5, 12), (12,), (1, 3)),  # dividing the window
        (5, 12, 2),
        (7, 12, 2),
        (11, 12, 2),
        (1, 1, 1),
        (4, 5, 1),
        (30, 100, 1),
    ],
)
def test_sparse_agrees_with_the_literal_algorithm(
    latent_dim: int, obs_dim: int, tau: int, steps: int, batch: int
) -> None:
    model, x = _model(latent_dim, obs_dim), _data(batch, steps, obs_dim)
    fast = torch.nn.functional.mse_loss(sparse(model, x, tau), x[:, 1:])
    slow = sparse_loss(model.readout.weight, lstm_step(model.weight, model.bias), _start, x, tau)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=0)
    expected = _gradients(model, slow)
    for name, gradient in _gradients(model, fast).items():
        # Relative to the whole gradient of a parameter: single entries may cancel to zero.
        error = (gradient - expected[name]).norm() / expected[name].norm()
        assert error < 1e-10, name


def test_nothing_crosses_a_forcing() -> None:
    """A prediction depends on the observation its segment starts from, and on no other."""
    model, tau, steps = _model(6, 2), 4, 10
    x = _data(1, steps, 2).requires_grad_()
    predicted = sparse(model, x, tau)
    for t in range(steps):
        (gradient,) = torch.autograd.grad(predicted[0, t].sum(), x, retain_graph=True)
        touched = gradient[0].abs().sum(dim=1).nonzero().flatten().tolist()
        assert touched == [tau * (t // tau)]


def test_predictions_are_free_rollouts_between_forcings() -> None:
    model, x = _model(5, 3), _data(2, 9, 3)
    predicted = sparse(model, x, 4)
    state = model.force(x[:, 4])
    for t in range(4, 8):
        state = model.step(state)
        expected = model.readout(state[:, : model.latent_dim])
        torch.testing.assert_close(predicted[:, t], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("tau", [3, 4, 12])
def test_float32_loses_rounding_only(tau: int) -> None:
    model, x = _model(30, 3), _data(4, 12, 3)
    exact = sparse(model, x, tau)
    single = sparse(model.float(), x.float(), tau)
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=2e-5)


def test_methods_are_listed() -> None:
    assert METHODS["sparse"] is sparse
