"""Compiled rollouts and warm-ups are those of the steps, and so are their reverse passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from forcing_cases import VARIANTS, make_model
from torch import Tensor

from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import MODELS

_every_variant = pytest.mark.parametrize("variant", VARIANTS)


def _randn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _passes(
    model: LatentModel, sources: dict[str, Tensor], compiled: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Free states, the last one, that of a warm-up, predictions; gradients by all behind them."""
    state, x, s = (sources.get(name) for name in ("state", "x", "s"))
    assert state is not None
    assert x is not None
    steps, gain = x.shape[1], model.correction()
    if compiled:
        found = [*model.rollout(state, steps, s), model.follow(state, x, gain, s)]
        found += model.predict(state, steps, s)
    else:
        z, last = model.rollout_by_steps(state, steps, s)
        found = [z, last, model.follow_by_steps(state, x, gain, s), model.readout(z), last]
    loss = sum((z * _randn(*z.shape).to(z)).sum() for z in found)
    assert isinstance(loss, Tensor)
    by = [*sources.values(), *model.parameters()]
    gradients = torch.autograd.grad(loss, by, retain_graph=True, materialize_grads=True)
    again = torch.autograd.grad(loss, by, materialize_grads=True)
    assert all(torch.equal(a, b) for a, b in zip(gradients, again, strict=True))
    return found, list(gradients)


def _sources(model: LatentModel, batch: int, steps: int, dtype: torch.dtype) -> dict[str, Tensor]:
    shapes = {"state": (batch, model.state_dim), "x": (batch, steps, model.obs_dim)}
    if model.input_dim:
        shapes["s"] = (batch, steps, model.input_dim)
    return {name: _randn(*shape).to(dtype).requires_grad_() for name, shape in shapes.items()}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("gain", "input_dim"), [("learned", 2), (0.4, 0)])
@pytest.mark.parametrize(("batch", "steps"), [(1, 2), (5, 9), (400, 3)])
@_every_variant
def test_compiled_passes_are_those_of_the_steps(
    variant: str,
    batch: int,
    steps: int,
    gain: Any,
    input_dim: int,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    """By every parameter, the start, the observations and the inputs; several blocks of columns."""
    model = make_model(variant, 7, 3, input_dim, warmup=steps, gain=gain).to(dtype)
    sources = _sources(model, batch, steps, dtype)
    for mine, right in zip(
        _passes(model, sources, compiled=True), _passes(model, sources, compiled=False), strict=True
    ):
        for a, b in zip(mine, right, strict=True):
            assert a.shape == b.shape
            assert (a - b).norm() <= tolerance * b.norm()


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@_every_variant
def test_states_that_are_not_finite_stay_so(variant: str, dtype: torch.dtype, at: float) -> None:
    model = make_model(variant, 7, 3).to(dtype)
    state = _randn(3, model.state_dim).to(dtype)
    state[1, 2] = at
    with torch.no_grad():
        found, expected = model.rollout(state, 4), model.rollout_by_steps(state, 4)
    for mine, right in zip(found, expected, strict=True):
        finite = right.isfinite().all(dim=-1)
        assert torch.equal(mine.isfinite().all(dim=-1), finite)
        assert (mine - right)[finite].abs().max() <= 1e-5 * right[finite].abs().max()


_PRINTS_BYTES = """
import hashlib, torch
from forcing_cases import make_model
torch.set_num_threads({threads})
found = hashlib.sha256()
for variant in ("lstm", "plrnn"):
    model = make_model(variant, 64, 3).float()
    state = torch.randn(500, model.state_dim, generator=torch.Generator().manual_seed(0))
    latents, last = model.rollout(state, 20)
    latents.square().mean().backward()
    for x in (latents, *(p.grad for p in model.parameters() if p.grad is not None)):
        found.update(x.detach().contiguous().numpy().tobytes())
print(found.hexdigest())
"""


def _printed(threads: int, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PRINTS_BYTES.format(threads=threads)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout


def test_every_number_of_threads_gives_the_same_bits() -> None:
    one, two, three = (
        _printed(n, OMP_NUM_THREADS=str(n), OPENBLAS_NUM_THREADS=str(n)) for n in (1, 2, 3)
    )
    assert one == two == three


def test_a_diverged_orbit_is_infinite_and_no_warning() -> None:
    model = MODELS["plrnn"](3, 3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(3.0)
        z, _ = model.rollout(torch.ones(1, model.state_dim), 200)
    assert not torch.isfinite(z[0, -1]).any()
