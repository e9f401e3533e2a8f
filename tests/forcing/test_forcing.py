"""Sparse forcing as free segments is the paper's step-by-step algorithm, to rounding."""

from __future__ import annotations

import itertools

import pytest
import torch
from forcing_cases import (
    VARIANTS,
    assert_same,
    make_data,
    make_literal,
    make_model,
    mean_squared_error,
)
from torch import Tensor

from sfbptt_cli.forcing.catalogue import METHODS
from sfbptt_cli.forcing.sparse import sparse
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import MODELS

# Latents fewer than, as many as and more than observations.
_SIZES = [(2, 5), (3, 3), (7, 3), (1, 1), (30, 3)]
# tau, steps, batch
_GRID = [
    *itertools.product((1, 2, 3, 5, 12), (12,), (1, 3)),  # dividing the window
    (5, 12, 2),
    (7, 12, 2),
    (11, 12, 2),
    (1, 1, 1),
    (4, 5, 1),
    (30, 100, 1),
]
_SMALL_GRID = [(1, 3, 1), (3, 6, 2), (3, 7, 2), (8, 11, 1), (5, 5, 1)]


def _agree(variant: str, model: LatentModel, x: Tensor, tau: int, s: Tensor | None = None) -> None:
    oracle = make_literal(variant, model, x.shape[2])
    fast = mean_squared_error(sparse(model, x, tau, s), x)
    assert_same(model, fast, oracle.sparse(x, tau, s))


@pytest.mark.parametrize(("latent_dim", "obs_dim"), _SIZES)
@pytest.mark.parametrize(("tau", "steps", "batch"), _GRID)
def test_sparse_agrees_with_the_literal_algorithm(
    latent_dim: int, obs_dim: int, tau: int, steps: int, batch: int
) -> None:
    _agree("lstm", make_model("lstm", latent_dim, obs_dim), make_data(batch, steps, obs_dim), tau)


@pytest.mark.parametrize("input_dim", [0, 2])
@pytest.mark.parametrize(
    ("latent_dim", "obs_dim", "readout"),
    [(2, 5, "linear"), (3, 3, "linear"), (7, 3, "linear"), (3, 3, "identity"), (7, 3, "identity")],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_model_agrees_with_its_literal_step(
    variant: str, latent_dim: int, obs_dim: int, readout: str, input_dim: int
) -> None:
    model = make_model(variant, latent_dim, obs_dim, input_dim, readout)
    for tau, steps, batch in _SMALL_GRID:
        s = make_data(batch, steps, input_dim, seed=2) if input_dim else None
        _agree(variant, model, make_data(batch, steps, obs_dim), tau, s)


def test_nothing_crosses_a_forcing() -> None:
    """A prediction depends on the observation its segment starts from, and on no other."""
    model, tau, steps = make_model("lstm", 6, 2), 4, 10
    x = make_data(1, steps, 2).requires_grad_()
    predicted = sparse(model, x, tau)
    for t in range(steps):
        (gradient,) = torch.autograd.grad(predicted[0, t].sum(), x, retain_graph=True)
        touched = gradient[0].abs().sum(dim=1).nonzero().flatten().tolist()
        assert touched == [tau * (t // tau)]


def test_a_prediction_depends_on_the_inputs_of_its_segment_up_to_its_time() -> None:
    model, tau, steps = make_model("rnn", 6, 2, input_dim=3), 4, 10
    s = make_data(1, steps, 3, seed=2).requires_grad_()
    predicted = sparse(model, make_data(1, steps, 2), tau, s)
    for t in range(steps):  # predicted[:, t] is that of x[:, t + 1]
        (gradient,) = torch.autograd.grad(predicted[0, t].sum(), s, retain_graph=True)
        touched = gradient[0].abs().sum(dim=1).nonzero().flatten().tolist()
        assert touched == list(range(tau * (t // tau) + 1, t + 2))


def test_inputs_are_one_for_each_time() -> None:
    model, x = make_model("rnn", 6, 2, input_dim=3), make_data(1, 10, 2)
    with pytest.raises(ValueError, match="10 inputs s were given; accepted: one for each of 11"):
        sparse(model, x, 4, make_data(1, 9, 3))
    with pytest.raises(ValueError, match="no inputs s were given"):
        sparse(model, x, 4)
    with pytest.raises(ValueError, match="input_dim = 0 accepts none"):
        sparse(make_model("rnn", 6, 2), x, 4, make_data(1, 10, 3))


@pytest.mark.parametrize("variant", VARIANTS)
def test_predictions_are_free_rollouts_between_forcings(variant: str) -> None:
    model, x = make_model(variant, 5, 3), make_data(2, 9, 3)
    predicted = sparse(model, x, 4)
    state = model.force(x[:, 4])
    for t in range(4, 8):
        state = model.step(state)
        expected = model.readout(state[:, : model.latent_dim])
        torch.testing.assert_close(predicted[:, t], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("tau", [3, 4, 12])
@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_loses_rounding_only(variant: str, tau: int) -> None:
    name, sizes, _ = VARIANTS[variant]
    # As they are drawn: in float64 the same numbers.
    model = MODELS[name](3, 30, torch.Generator().manual_seed(0), **sizes)
    x = make_data(4, 12, 3).float()
    single = sparse(model, x, tau)
    exact = sparse(model.double(), x.double(), tau)
    scale = exact.abs().max().clamp_min(1)
    torch.testing.assert_close(single.double() / scale, exact / scale, rtol=0, atol=2e-5)


def test_as_a_method_it_needs_tau() -> None:
    method, model, x = METHODS["sparse"](), make_model("lstm", 5, 3), make_data(2, 9, 3)
    assert method.uses_tau
    assert torch.equal(method(model, x, 4), sparse(model, x, 4))
    with pytest.raises(ValueError, match="tau: none was given"):
        method(model, x, None)
