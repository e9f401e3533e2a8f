"""Losses against their formulas and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from sfbptt_cli.training.losses import LOSSES, cauchy_loss


def test_the_cauchy_loss_is_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, x = torch.randn(2, 4, 5, 3, generator=generator, dtype=torch.float64)
    total = 0.0
    for b in range(4):
        for t in range(5):
            square = sum(float(predicted[b, t, n] - x[b, t, n]) ** 2 for n in range(3)) / 3
            total += 1e-3 * math.log(1 + square / 1e-3)
    assert cauchy_loss(predicted, x).item() == pytest.approx(total / 20, rel=1e-12)


def test_small_errors_count_by_their_square_and_large_ones_by_their_logarithm() -> None:
    x = torch.zeros(1, 1, 1, dtype=torch.float64)
    small, large = (x + size for size in (1e-6, 10.0))
    squared = LOSSES["squared"]
    assert cauchy_loss(small, x).item() == pytest.approx(squared(small, x).item(), rel=1e-8)
    # Ten times the error is ln 100 more, in units of 0.001.
    more = cauchy_loss(10 * large, x) - cauchy_loss(large, x)
    assert more.item() == pytest.approx(1e-3 * math.log(100), rel=1e-4)


def test_errors_that_grow_exponentially_have_equal_gradients_at_every_step() -> None:
    """d ln e_t / d ln e_0 = 1: no step drowns the others, as the last one does in a mean square."""
    grown = torch.exp(0.5 * torch.arange(20, dtype=torch.float64))
    share = {}
    for name, loss in LOSSES.items():
        e0 = torch.full((20,), 1.0, dtype=torch.float64, requires_grad=True)
        loss((e0 * grown)[None, :, None], torch.zeros(1, 20, 1, dtype=torch.float64)).backward()
        assert e0.grad is not None
        share[name] = (e0.grad[-1] / e0.grad.sum()).item()
    assert share["cauchy"] == pytest.approx(1 / 20, rel=1e-3)
    assert share["squared"] > 0.6
