"""Penalties and noise: closed forms, gradients, reproducibility."""

from __future__ import annotations

import pytest
import torch
from forcing_cases import VARIANTS, gradients, make_model

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.training.penalties import (
    Regularizer,
    TeacherNoise,
    latent_l2,
    manifold_attractor,
    readout_l2,
)
from sfbptt_cli.training.settings import RegularizationSettings

# Of each piecewise-linear variant the matrix and the constant of the latents' equations.
_FAMILY = {
    "plrnn": ("W", "h"),
    "dendritic": ("W", "h0"),
    "clipped dendritic": ("W", "h0"),
    "shallow": ("W1", "h1"),
    "clipped shallow": ("W1", "h1"),
    "al_rnn": ("W", "h"),
}


def test_manifold_attractor_worked_out_by_hand() -> None:
    model = PLRNN(1, 3, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        model.A.copy_(torch.tensor([0.5, 3.0, 0.0]))
        model.W.copy_(torch.tensor([[9.0, 9.0, 9.0], [1.0, 9.0, 2.0], [3.0, 4.0, 9.0]]))
        model.h.copy_(torch.tensor([9.0, 2.0, 1.0]))
    # two of three latents; neither the first row nor the diagonal of W counts
    penalty = manifold_attractor(model, 2 / 3)
    assert penalty.item() == (2**2 + 1**2) + (1 + 4 + 9 + 16) + (4 + 1)
    found = gradients(model, penalty)
    assert found["A"].tolist() == [0, 4, -2]
    assert found["W"].tolist() == [[0, 0, 0], [2, 0, 4], [6, 8, 0]]
    assert found["h"].tolist() == [0, 4, 2]
    assert not found["readout.weight"].any()


@pytest.mark.parametrize("variant", _FAMILY)
def test_manifold_attractor_vanishes_where_latents_keep_their_value(variant: str) -> None:
    W, h = _FAMILY[variant]
    model = make_model(variant, 6, 2)
    assert manifold_attractor(model, 0.0).item() == 0
    penalty = manifold_attractor(model, 0.5)
    assert penalty.item() > 0
    touched = {name for name, gradient in gradients(model, penalty).items() if gradient.any()}
    assert touched == {"A", W, h}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        parameters["A"][3:] = 1
        parameters[W][3:] = 0
        parameters[h][3:] = 0
    assert manifold_attractor(model, 0.5).item() == 0
    assert manifold_attractor(model, 1.0).item() > 0
    z = torch.linspace(-2, 2, 6).double()[None]
    assert torch.equal(model.step(z)[:, 3:], z[:, 3:])


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - set(_FAMILY)))
def test_manifold_attractor_is_for_the_piecewise_linear(variant: str) -> None:
    model = make_model(variant, 6, 2)
    with pytest.raises(RequestError, match=r"regularization\.manifold_weight: .*; accepted: 0, or"):
        Regularizer(RegularizationSettings(manifold_weight=0.1), 0).check(model)
    Regularizer(RegularizationSettings(), 0.1).check(model)


@pytest.mark.parametrize("variant", VARIANTS)
def test_l2_is_the_sum_of_squares_of_either_part(variant: str) -> None:
    model = make_model(variant, 6, 2, input_dim=2)
    parameters = dict(model.named_parameters())
    squares = {name: p.square().sum().item() for name, p in parameters.items()}
    readout = squares.pop("readout.weight")
    assert readout_l2(model).item() == pytest.approx(readout, rel=1e-12)
    assert latent_l2(model).item() == pytest.approx(sum(squares.values()), rel=1e-12)
    for name, gradient in gradients(model, latent_l2(model)).items():
        expected = 0 * gradient if name == "readout.weight" else 2 * parameters[name]
        assert torch.equal(gradient, expected)


def test_l2_of_an_identity_readout() -> None:
    assert readout_l2(make_model("rnn", 3, 3, readout="identity")).item() == 0
    model = make_model("rnn", 5, 3, readout="identity")
    L = dict(model.named_parameters())["readout.L"]
    assert readout_l2(model).item() == pytest.approx(L.square().sum().item(), rel=1e-12)


def test_terms_are_weighted_and_off_by_default() -> None:
    model = make_model("plrnn", 6, 2)
    assert not Regularizer(RegularizationSettings(), 0)
    assert Regularizer(RegularizationSettings(), 0)(model).item() == 0
    regularizer = Regularizer(RegularizationSettings(0.1, 0.5, readout_weight=0.3), 0.2)
    assert regularizer
    expected = 0.1 * manifold_attractor(model, 0.5)
    expected = expected + 0.2 * latent_l2(model) + 0.3 * readout_l2(model)
    torch.testing.assert_close(regularizer(model), expected)


def test_teacher_noise() -> None:
    x = torch.ones(200, 50, 3)
    noise = TeacherNoise(std=0.1, seed=5)
    added = noise(x, 7) - x
    assert torch.equal(x, torch.ones(200, 50, 3))
    assert added.mean().item() == pytest.approx(0, abs=5 * 0.1 / 30_000**0.5)
    assert added.std().item() == pytest.approx(0.1, rel=0.02)
    assert torch.equal(noise(x, 7), TeacherNoise(0.1, 5)(x, 7))
    assert not torch.equal(noise(x, 7), noise(x, 8))
    assert not torch.equal(noise(x, 7), TeacherNoise(0.1, 6)(x, 7))
    assert noise(x, 7).dtype == torch.float32
    torch.testing.assert_close(noise(x.double(), 7).float(), noise(x, 7))
