"""Reverse passes written by hand are those of autograd through the steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.models.readout import LinearReadout


def _randn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", ["lstm", "rnn", "plrnn"])
def test_the_reverse_pass_is_that_of_the_steps(name: str) -> None:
    """By every parameter, the start and the inputs, through latents and the last state at once."""
    model = MODELS[name](3, 7, torch.Generator().manual_seed(0), input_dim=2).double()
    state, s = _randn(4, model.state_dim).requires_grad_(), _randn(4, 9, 2).requires_grad_()
    weights, of_last = _randn(4, 9, 7), _randn(4, model.state_dim)
    sources = [state, s]
    sources += [p for key, p in model.named_parameters() if not key.startswith("readout")]
    latents, last = model.rollout(state, 9, s)
    loss = (latents * weights).sum() + (last * of_last).sum()
    found = torch.autograd.grad(loss, sources, retain_graph=True)
    again = torch.autograd.grad(loss, sources)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    latents, last = LatentModel.rollout(model, state, 9, s)
    expected = torch.autograd.grad((latents * weights).sum() + (last * of_last).sum(), sources)
    for mine, right in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-11, atol=1e-12)


def test_a_readout_of_columns_is_that_of_rows() -> None:
    readout = LinearReadout(3, 7, torch.Generator().manual_seed(0)).double()
    rows = _randn(4, 9, 7).requires_grad_()
    columns = rows.detach().permute(1, 2, 0).contiguous().permute(2, 0, 1).requires_grad_()
    assert columns.stride(0) == 1
    weights = _randn(4, 9, 3)
    torch.testing.assert_close(readout(columns), readout(rows), rtol=1e-12, atol=1e-14)
    found, expected = (
        torch.autograd.grad((readout(z) * weights).sum(), [z, readout.weight])
        for z in (columns, rows)
    )
    for mine, right in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-12, atol=1e-13)


def test_a_diverged_orbit_is_infinite_and_no_warning() -> None:
    model = MODELS["plrnn"](3, 3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(3.0)
        z, _ = model.rollout(torch.ones(1, model.state_dim), 200)
    assert not torch.isfinite(z[0, -1]).any()
