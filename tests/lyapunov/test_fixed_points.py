"""Fixed points and cycles of maps that were worked out by hand, and of all linear regions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sfbptt_cli.lyapunov.fixed_points import Cycle, find_cycles
from sfbptt_cli.models.al_rnn import ALRNN
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.dendritic_plrnn import DendriticPLRNN
from sfbptt_cli.models.gru import GRU
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.models.rnn import RNN
from sfbptt_cli.models.shallow_plrnn import ShallowPLRNN

MU = 1.9  # slope of the tent map


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _set(model: LatentModel, **values: float | list[float] | list[list[float]] | Tensor) -> None:
    with torch.no_grad():
        for name, value in values.items():
            parameter = getattr(model, name)
            parameter.copy_(torch.as_tensor(value, dtype=torch.float64).reshape(parameter.shape))


def _tent() -> ShallowPLRNN:
    """z' = μ z − 2μ relu(z − 1/2), which is μ min(z, 1 − z)."""
    model = ShallowPLRNN(
        1, 1, _generator(), hidden_dim=1, clipped=False, readout="identity"
    ).double()
    _set(model, A=MU, W1=-2 * MU, W2=1.0, h1=0.0, h2=-0.5)
    return model


def _points(cycles: list[Cycle], order: int) -> list[list[float]]:
    return sorted(sorted(c.points[:, 0]) for c in cycles if c.order == order)


X = torch.tensor([[0.3], [0.2]])


@pytest.mark.parametrize("enumerate_regions", [True, False])
def test_tent_map(enumerate_regions: bool) -> None:
    found = find_cycles(_tent(), X, 3, 64, enumerate_regions=enumerate_regions)
    two = [MU / (1 + MU**2), MU**2 / (1 + MU**2)]
    one_right = MU / (1 + MU**3) * np.array([1, MU, MU**2])
    first = MU * (MU - 1) / (MU**3 - 1)
    two_right = [first, MU * first, MU * (1 - MU * first)]
    np.testing.assert_allclose(_points(found, 1), [[0], [MU / (1 + MU)]], atol=1e-12)
    np.testing.assert_allclose(_points(found, 2), [two], rtol=1e-12)
    np.testing.assert_allclose(_points(found, 3), np.array([one_right, two_right]), rtol=1e-12)
    assert [c.order for c in found] == [1, 1, 2, 3, 3]
    for cycle in found:
        assert cycle.largest == pytest.approx(MU**cycle.order, rel=1e-12)
        assert cycle.stability == "unstable"
        assert cycle.residual < 1e-12
        assert cycle.hits >= 1
        np.testing.assert_array_equal(cycle.observed, cycle.points)
        np.testing.assert_allclose(
            np.roll(cycle.points[:, 0], -1),
            MU * np.minimum(cycle.points, 1 - cycle.points)[:, 0],
            atol=1e-12,
        )


def test_threshold_unit_with_one_stable_and_one_unstable_point() -> None:
    # z' = 1.5 z + 1 below zero, -0.5 z + 1 above: fixed points -2 and 2/3.
    model = ALRNN(1, 1, _generator(), linear_threshold_units=1, readout="identity")
    _set(model, A=1.5, W=-2.0, h=1.0)
    unstable, stable = find_cycles(model, X)
    assert (unstable.points.item(), stable.points.item()) == pytest.approx((-2, 2 / 3), rel=1e-6)
    assert (unstable.stability, stable.stability) == ("unstable", "stable")
    assert stable.eigenvalues[0] == pytest.approx(-0.5)


def test_plrnn_of_two_latents_quadrant_by_quadrant() -> None:
    A, W, h = np.diag([0.5, -0.4]), np.array([[0, -1.5], [2.0, 0]]), np.array([0.6, -0.3])
    expected = []
    for quadrant in ([0, 0], [0, 1], [1, 0], [1, 1]):
        z = np.linalg.solve(np.eye(2) - A - W @ np.diag(quadrant), h)
        if ((z > 0) == quadrant).all():
            expected.append(z)
    model = PLRNN(2, 2, _generator(), readout="identity").double()
    _set(model, A=[0.5, -0.4], W=torch.from_numpy(W), h=torch.from_numpy(h))
    for enumerate_regions in (True, False):
        found = find_cycles(model, torch.zeros(1, 2), enumerate_regions=enumerate_regions)
        np.testing.assert_allclose([c.points[0] for c in found], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("modulus", "word"), [(0.9, "stable"), (1.0, "neutral"), (1.1, "unstable")]
)
def test_a_linear_rotation_has_one_point_and_the_eigenvalues_of_its_matrix(
    modulus: float, word: str
) -> None:
    c, s = modulus * math.cos(1.0), modulus * math.sin(1.0)
    model = ALRNN(2, 2, _generator(), linear_threshold_units=0, readout="identity").double()
    _set(model, A=[0.0, 0.0], W=torch.tensor([[c, -s], [s, c]], dtype=torch.float64), h=[1.0, 2.0])
    (point,) = find_cycles(model, torch.zeros(1, 2), max_order=2)
    rotation = np.array([[c, -s], [s, c]])
    np.testing.assert_allclose(point.points[0], np.linalg.solve(np.eye(2) - rotation, [1, 2]))
    assert sorted(np.angle(point.eigenvalues)) == pytest.approx([-1, 1])
    assert point.largest == pytest.approx(modulus)
    assert point.stability == word


@pytest.mark.parametrize("weight", [2.0, -2.0])
def test_tanh_unit(weight: float) -> None:
    # z = tanh(2 z): 0 and ±.9575040240772687; with -2 the outer two are a cycle of order two.
    outer = 0.9575040240772687
    model = RNN(1, 1, _generator(), readout="identity").double()
    _set(model, weight=weight, bias=0.0)
    found = find_cycles(model, X, max_order=2)
    assert found[0].points.item() == pytest.approx(0, abs=1e-12)
    assert (found[0].stability, found[0].largest) == ("unstable", pytest.approx(2))
    slope = 2 * (1 - outer**2)
    if weight > 0:
        assert [c.order for c in found] == [1, 1, 1]
        assert sorted(c.points.item() for c in found[1:]) == pytest.approx([-outer, outer])
        assert [c.largest for c in found[1:]] == pytest.approx([slope, slope])
    else:
        assert [c.order for c in found] == [1, 2]
        assert sorted(found[1].points[:, 0]) == pytest.approx([-outer, outer])
        assert found[1].largest == pytest.approx(slope**2)
    assert {c.stability for c in found[1:]} == {"stable"}


def _scaled(model: LatentModel, gain: float, seed: int) -> LatentModel:
    """Larger weights and constants than models start with, so that there is something to find."""
    model = model.double()
    with torch.no_grad():
        for name in ("W", "W1"):
            if hasattr(model, name):
                getattr(model, name).mul_(gain)
        for name in ("h", "h0", "h1", "h2"):
            if hasattr(model, name):
                getattr(model, name).normal_(generator=_generator(seed))
    return model


@pytest.mark.parametrize(
    "kind", ["plrnn", "al_rnn", "dendritic", "clipped dendritic", "shallow", "clipped shallow"]
)
def test_the_search_finds_what_lies_in_all_linear_regions(kind: str) -> None:
    total = 0
    for seed in range(8):
        generator, clipped = _generator(seed), kind.startswith("clipped")
        model: LatentModel
        if kind == "plrnn":
            model = _scaled(PLRNN(2, 6, generator), 6.0, seed)
        elif kind == "al_rnn":
            model = _scaled(ALRNN(2, 5, generator, linear_threshold_units=4), 100.0, seed)
        elif kind.endswith("dendritic"):
            dendritic = DendriticPLRNN(2, 3, generator, bases=4, clipped=clipped)
            model = _scaled(dendritic, 6.0, seed)
        else:
            shallow = ShallowPLRNN(2, 3, generator, hidden_dim=6, clipped=clipped)
            model = _scaled(shallow, 4.0 if clipped else 8.0, seed)
        x = model.double().force(torch.randn(4, 2, generator=_generator(100 + seed)).double())
        every = find_cycles(model, x)
        found = find_cycles(model, x, restarts=256, enumerate_regions=False)
        total += len(every)
        assert len(found) == len(every)
        for one in found:
            other = min(every, key=lambda c, z=one.points: np.abs(c.points - z).max())
            np.testing.assert_allclose(one.points, other.points, atol=1e-7)
            assert one.stability == other.stability
            assert max(one.residual, other.residual) < 1e-9
    assert total >= 4


def test_regions_are_the_pieces_of_the_map() -> None:
    model = PLRNN(2, 3, _generator(), input_dim=2).double()
    s = torch.tensor([0.3, -0.7], dtype=torch.float64)
    regions = model.linear_regions(s)
    assert regions is not None
    J, b = regions
    assert J.shape == (8, 3, 3)
    z = torch.randn(20, 3, generator=_generator(1), dtype=torch.float64)
    pieces = torch.einsum("rij,nj->nri", J, z) + b
    nearest = (pieces - model.step(z, s.expand(20, 2))[:, None]).norm(dim=2).amin(dim=1)
    assert nearest.max() < 1e-12


def test_too_many_regions_and_smooth_models_are_not_listed() -> None:
    assert PLRNN(1, 13, _generator()).linear_regions() is None
    assert ShallowPLRNN(1, 2, _generator(), hidden_dim=13, clipped=False).linear_regions() is None
    assert RNN(1, 2, _generator()).linear_regions() is None
    regions = PLRNN(1, 12, _generator()).linear_regions()
    assert regions is not None
    assert len(regions[0]) == 2**12


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
def test_networks_return_to_their_points_with_the_eigenvalues_of_autograd(
    kind: type[LSTM] | type[GRU] | type[RNN],
) -> None:
    model = kind(2, 10, _generator(4)).double()
    with torch.no_grad():
        model.weight.mul_(4)
    x = model.force(torch.randn(4, 2, generator=_generator(5)).double())
    found = find_cycles(model, x, restarts=96)
    assert found
    for cycle in found:
        assert cycle.residual < 1e-9
        z = torch.from_numpy(cycle.points)
        torch.testing.assert_close(model.step(z), z, atol=1e-9, rtol=0)
        J = torch.autograd.functional.jacobian(lambda z: model.step(z[None])[0], z[0])
        expected = np.sort(np.abs(np.linalg.eigvals(J.numpy())))[::-1]
        np.testing.assert_allclose(np.abs(cycle.eigenvalues), expected, atol=1e-7)
        np.testing.assert_allclose(
            cycle.observed, z[:, :10] @ model.readout.weight.detach().T, atol=1e-12
        )


def test_constant_inputs_move_the_point() -> None:
    model = RNN(1, 1, _generator(), input_dim=1, readout="identity").double()
    _set(model, weight=0.5, bias=0.25)
    assert model.C is not None
    _set(model, C=2.0)
    (point,) = find_cycles(model, X, s=torch.tensor([0.5]))
    z = point.points.item()
    assert z == pytest.approx(math.tanh(0.5 * z + 0.25 + 2.0 * 0.5), abs=1e-12)
    with pytest.raises(ValueError, match="no inputs s"):
        find_cycles(model, X)


def test_a_map_without_a_fixed_point() -> None:
    # z' = z + 1 has none: its Newton step is singular.
    model = ALRNN(1, 1, _generator(), linear_threshold_units=1, readout="identity")
    _set(model, A=1.0, W=0.0, h=1.0)
    assert find_cycles(model, X, max_order=2) == []
    assert find_cycles(model, X, enumerate_regions=False) == []
    assert model.A.dtype == torch.float32, "the model is left alone"
