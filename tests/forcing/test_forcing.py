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

from sfbptt_cli.forcing.method import IntervalMethod
from sfbptt_cli.forcing.sparse import Sparse, sparse
from sfbptt_cli.forcing.truncated import Truncated
from sfbptt_cli.models.catalogue import MODELS

# tau, steps, batch
_GRID = [
    *itertools.product((1, 2, 3, 5, 12), (12,), (1, 3)),  # dividing the window or not
    (7, 12, 2),
    (11, 12, 2),
    (1, 1, 1),
    (4, 5, 1),
    (30, 100, 1),
]
_SMALL_GRID = [(1, 3, 1), (3, 6, 2), (3, 7, 2), (8, 11, 1), (5, 5, 1)]
# Latents fewer than, as many as and more than observations.
_SIZES = [(2, 5), (3, 3), (7, 3), (1, 1), (30, 3)]


def _agree(
    variant: str,
    sizes: tuple[int, int],
    grid: list[tuple[int, int, int]],
    input_dim: int = 0,
    readout: str = "linear",
) -> None:
    model = make_model(variant, *sizes, input_dim, readout)
    oracle = make_literal(variant, model, sizes[1])
    for tau, steps, batch in grid:
        x = make_data(batch, steps, sizes[1])
        s = make_data(batch, steps, input_dim, seed=2) if input_dim else None
        fast = mean_squared_error(sparse(model, x, tau, s), x)
        assert_same(model, fast, oracle.sparse(x, tau, s))


@pytest.mark.parametrize(
    ("sizes", "grid"), [*(((7, 3), [case]) for case in _GRID), *((n, _SMALL_GRID) for n in _SIZES)]
)
def test_every_window_and_size_agrees_with_the_literal_algorithm(
    sizes: tuple[int, int], grid: list[tuple[int, int, int]]
) -> None:
    _agree("lstm", sizes, grid)


@pytest.mark.parametrize("input_dim", [0, 2])
@pytest.mark.parametrize(
    ("sizes", "readout"),
    [((2, 5), "linear"), ((7, 3), "linear"), ((3, 3), "identity"), ((7, 3), "identity")],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_model_agrees_with_its_literal_step(
    variant: str, sizes: tuple[int, int], readout: str, input_dim: int
) -> None:
    _agree(variant, sizes, _SMALL_GRID, input_dim, readout)


def test_nothing_crosses_a_forcing() -> None:
    """A prediction depends on the observation its segment starts from, and on no other.

    Of the inputs it depends on those of its segment up to its own time.
    """
    model, tau, steps = make_model("rnn", 6, 2, input_dim=3), 4, 10
    x = make_data(1, steps, 2).requires_grad_()
    s = make_data(1, steps, 3, seed=2).requires_grad_()
    predicted = sparse(model, x, tau, s)
    for t in range(steps):  # predicted[:, t] is that of x[:, t + 1]
        found = torch.autograd.grad(predicted[0, t].sum(), (x, s), retain_graph=True)
        by_x, by_s = (g[0].abs().sum(dim=1).nonzero().flatten().tolist() for g in found)
        first = tau * (t // tau)
        assert by_x == [first]
        assert by_s == list(range(first + 1, t + 2))


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


@pytest.mark.parametrize("kind", [Sparse, Truncated])
def test_a_method_with_an_interval_follows_its_schedule(kind: type[IntervalMethod]) -> None:
    method = kind(lambda update: 2 + update)
    assert (method.tau, method.alike) == (2, 2)
    method.advance(3, 10)
    assert (method.tau, method.alike) == (5, 5)
    model, x = make_model("lstm", 5, 3), make_data(2, 9, 3)
    assert torch.equal(method(model, x), kind(lambda update: 5)(model, x))
    if kind is Sparse:
        assert torch.equal(method(model, x), sparse(model, x, 5))
