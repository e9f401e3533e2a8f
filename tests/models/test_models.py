"""Every model: its rollout is its step repeated, its derivatives and initial values are right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import usual_sizes
from forcing_cases import VARIANTS
from torch import Tensor

from sfbptt_cli.models.al_rnn import ALRNN
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.models.dendritic_plrnn import DendriticPLRNN
from sfbptt_cli.models.gru import GRU
from sfbptt_cli.models.initialization import normalized_positive_definite
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.models.rnn import RNN
from sfbptt_cli.models.shallow_plrnn import ShallowPLRNN

_VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, usual_sizes(name)) for name in MODELS},
    "clipped dendritic": ("dendritic_plrnn", {"bases": 4, "clipped": True}),
    "clipped shallow": ("shallow_plrnn", {"hidden_dim": 6, "clipped": True}),
}
_every_variant = pytest.mark.parametrize("variant", _VARIANTS)
_with_and_without_inputs = pytest.mark.parametrize("input_dim", [0, 2])


def test_every_model_has_an_oracle() -> None:
    assert {name for name, *_ in VARIANTS.values()} == MODELS.keys()


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _build(variant: str, obs_dim: int = 3, latent_dim: int = 7, **common: Any) -> LatentModel:
    name, sizes = _VARIANTS[variant]
    return MODELS[name](obs_dim, latent_dim, _generator(), **sizes, **common).double()


def _randn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=_generator(seed), dtype=torch.float64)


def _states(model: LatentModel, batch: int = 4) -> Tensor:
    return _randn(batch, model.state_dim)


def _inputs(model: LatentModel, batch: int, steps: int) -> Tensor | None:
    return _randn(batch, steps, model.input_dim, seed=2) if model.input_dim else None


def _at(s: Tensor | None, k: int | slice) -> Tensor | None:
    return None if s is None else s[:, k]


@_with_and_without_inputs
@_every_variant
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("gradient", [False, True])
def test_rollout_is_step_repeated(variant: str, input_dim: int, batch: int, gradient: bool) -> None:
    """By kernels, by columns, of one state alone and step by step; it goes on where it ended."""
    model = _build(variant, input_dim=input_dim)
    state, s = _states(model, batch), _inputs(model, batch, 25)
    with torch.set_grad_enabled(gradient):
        latents, last = model.rollout(state, 25, s)
        assert latents.requires_grad == last.requires_grad == gradient
        first, middle = model.rollout(state, 9, _at(s, slice(9)))
        second, end = model.rollout(middle, 16, _at(s, slice(9, 25)))
        by_steps, after = model.rollout_by_steps(state, 25, s)
        states = []
        for t in range(25):
            state = model.step(state, _at(s, t))
            states.append(state[:, :7])
    expected = torch.stack(states, dim=1)
    for found, final in ((latents, last), (torch.cat([first, second], dim=1), end)):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(final, state, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(by_steps, expected, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(after, state, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("readout", "input_dim"), [("linear", 0), ("identity", 2)])
@_every_variant
def test_gradients_through_force_step_and_rollout(
    variant: str, readout: str, input_dim: int
) -> None:
    model = _build(variant, obs_dim=2, latent_dim=3, readout=readout, input_dim=input_dim)
    state, s = _states(model, batch=2).requires_grad_(), _inputs(model, 2, 3)
    sources = (state,) if s is None else (state, s.requires_grad_())
    assert torch.autograd.gradcheck(lambda z, *s: model.step(z, *(x[:, 0] for x in s)), sources)
    assert torch.autograd.gradcheck(lambda z, *s: model.rollout(z, 3, *s), sources)
    assert torch.autograd.gradcheck(lambda x: model.force(x), (state[:, :2],))


@_with_and_without_inputs
@_every_variant
def test_jacobian_is_that_of_autograd(variant: str, input_dim: int) -> None:
    model = _build(variant, input_dim=input_dim)
    s = _at(_inputs(model, 4, 1), 0)
    states = 2 * _states(model)
    with torch.no_grad():
        without = model.jacobian(states, s)
        vectors = _states(model)[:, None].expand(-1, 2, -1)
        after, carried = model.tangent(states, vectors, s)
        torch.testing.assert_close(after, model.step(states, s))
        torch.testing.assert_close(carried, vectors @ without.mT)
    assert not without.requires_grad
    for jacobian in (without, model.jacobian(states, s), LatentModel.jacobian(model, states, s)):
        assert jacobian.shape == (4, model.state_dim, model.state_dim)
        for i, state in enumerate(states):
            driven = None if s is None else s[i : i + 1]
            expected = torch.autograd.functional.jacobian(
                lambda z, driven=driven: model.step(z[None], driven)[0], state
            )
            torch.testing.assert_close(jacobian[i], expected, rtol=1e-12, atol=1e-14)


@_every_variant
def test_parameters_follow_the_seed(variant: str) -> None:
    name, sizes = _VARIANTS[variant]

    def drawn(seed: int) -> dict[str, Tensor]:
        model = MODELS[name](3, 7, _generator(seed), input_dim=2, **sizes)
        return dict(model.named_parameters())

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(first[key], again[key]) for key in first)
    constant = {key for key in first if torch.equal(first[key], other[key])}
    assert all(not first[key].any() for key in constant)  # zeros by publication, not by accident
    assert constant <= {"h", "h1", "h2"}


@_every_variant
def test_float32_loses_rounding_only(variant: str) -> None:
    model = _build(variant, input_dim=2)
    state, s = _states(model), _randn(4, 10, 2, seed=2)
    exact, _ = model.rollout(state, 10, s)
    single, _ = model.float().rollout(state.float(), 10, s.float())
    assert single.dtype == torch.float32
    scale = exact.abs().max()
    torch.testing.assert_close(single.double() / scale, exact / scale, rtol=0, atol=1e-5)


# External inputs


@_every_variant
def test_inputs_are_there_where_the_model_has_them_and_only_there(variant: str) -> None:
    closed, driven = _build(variant), _build(variant, input_dim=2)
    assert "C" not in closed.state_dict()
    assert driven.state_dict()["C"].shape == (driven.gates * 7, 2)
    assert sorted(driven.state_dict()) == sorted(["C", *closed.state_dict()])

    state = _states(closed)
    for model, s, message in (
        (closed, _randn(4, 5, 2), "input_dim = 0 accepts none"),
        (driven, None, "no inputs s were given; accepted: s of width input_dim = 2"),
        (driven, _randn(4, 5, 3), r"inputs s of shape \(4, .*3\) were given; accepted: \(.*2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            model.step(state, _at(s, 0))
        with pytest.raises(ValueError, match=message):
            model.rollout(state, 5, s)
        with pytest.raises(ValueError, match=message):
            model.jacobian(state, _at(s, 0))
    for s in (_randn(4, 6, 2), _randn(1, 5, 2)):
        with pytest.raises(ValueError, match=r"accepted: \(4, 5, 2\)"):
            driven.rollout(state, 5, s)


def _check_spread(parameter: Tensor, bound: float, biases: int = 1, rel: float = 0.05) -> None:
    """Uniform over ±bound, or the sum of two that are."""
    assert parameter.abs().max() <= biases * bound
    assert parameter.std().item() == pytest.approx(bound * (biases / 3) ** 0.5, rel=rel)


# Gated and tanh networks are those of torch


@pytest.mark.parametrize("variant", ["rnn", "gru", "lstm"])
def test_gated_initialisation_has_the_spread_of_torch(variant: str) -> None:
    model, bound = _build(variant, latent_dim=400, input_dim=20), 0.05  # 1/√400
    assert isinstance(model, (RNN, GRU, LSTM))
    assert model.C is not None
    _check_spread(model.C, bound)
    _check_spread(model.weight, bound, rel=0.01)
    if isinstance(model, GRU):
        _check_spread(model.bias[:800], bound, biases=2)
        _check_spread(model.bias[800:], bound)  # torch adds d inside the reset gate only
        _check_spread(model.reset_bias, bound)
    else:
        _check_spread(model.bias, bound, biases=2, rel=0.1)


@pytest.mark.parametrize(
    ("variant", "cell"),
    [("rnn", torch.nn.RNNCell), ("gru", torch.nn.GRUCell), ("lstm", torch.nn.LSTMCell)],
)
def test_step_is_that_of_torch(variant: str, cell: Any) -> None:
    model = _build(variant, input_dim=2)
    assert isinstance(model, (RNN, GRU, LSTM))
    assert model.C is not None
    theirs = cell(2, 7, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih.copy_(model.C)
        theirs.weight_hh.copy_(model.weight)
        theirs.bias_ih.copy_(model.bias)
        theirs.bias_hh.zero_()
        if isinstance(model, GRU):
            theirs.bias_hh[14:].copy_(model.reset_bias)
    state, s = _states(model), _randn(4, 2, seed=2)
    if isinstance(model, LSTM):
        expected = torch.cat(theirs(s, (state[:, :7], state[:, 7:])), dim=1)
    else:
        expected = theirs(s, state)
    torch.testing.assert_close(model.step(state, s), expected)


def test_lstm_forcing_sets_the_cell_to_zero() -> None:
    model = _build("lstm")
    x = _randn(5, 3, seed=2)
    state = model.force(x)
    assert torch.equal(state[:, :7], model.readout.invert(x))
    assert not state[:, 7:].any()


# Piecewise-linear networks


def test_normalized_positive_definite_matrix() -> None:
    K = normalized_positive_definite(_generator(), 300).double()
    torch.testing.assert_close(K, K.T)
    eigenvalues = torch.linalg.eigvalsh(K)
    assert eigenvalues[-1].item() == pytest.approx(1, rel=1e-6)
    # Marchenko and Pastur: those of RᵀR / M are spread over 0 to 4; their mean is 1.
    assert eigenvalues[0].item() == pytest.approx(1 / 5, rel=0.05)
    assert K.diagonal().mean().item() == pytest.approx(2 / 5, rel=0.05)


def test_plrnn_initialisation() -> None:
    model = _build("plrnn", latent_dim=400)
    assert isinstance(model, PLRNN)
    W = model.W[~torch.eye(400, dtype=torch.bool)]
    for parameter, rel in ((model.A, 0.1), (W, 0.01), (model.h, 0.1)):
        _check_spread(parameter, 0.05, rel=rel)


def test_dendritic_initialisation() -> None:
    model = DendriticPLRNN(3, 100, _generator(), bases=400, clipped=False).double()
    AW = torch.diag(model.A) + model.W
    torch.testing.assert_close(AW, AW.T)
    assert torch.linalg.eigvals(AW).abs().max().item() == pytest.approx(1, rel=1e-6)
    _check_spread(model.h0, 0.1, rel=0.15)
    _check_spread(model.alpha, 0.05)
    _check_spread(model.H, 3.0, rel=0.01)


@pytest.mark.parametrize("clipped", [False, True])
def test_shallow_initialisation(clipped: bool) -> None:
    model = ShallowPLRNN(3, 100, _generator(), hidden_dim=400, clipped=clipped)
    assert 0 < model.A.min() <= model.A.max() < 1
    assert model.A.mean().item() == pytest.approx(2 / 5, rel=0.1)
    _check_spread(model.W1, 0.05, rel=0.02)  # 1/√L
    _check_spread(model.W2, 0.1, rel=0.02)  # 1/√M
    assert not model.h1.any()
    if clipped:
        _check_spread(model.h2, 0.05)
    else:
        assert not model.h2.any()


def test_al_rnn_initialisation() -> None:
    model = ALRNN(3, 100, _generator(), linear_threshold_units=2)
    assert 0 < model.A.min() <= model.A.max() < 1
    assert model.A.mean().item() == pytest.approx(2 / 5, rel=0.1)
    assert model.W.std().item() == pytest.approx(0.01, rel=0.03)
    assert model.W.diagonal().std().item() == pytest.approx(0.01, rel=0.3)
    assert not model.h.any()
    assert model.linear_units == 98


@pytest.mark.parametrize("variant", ["plrnn", "dendritic_plrnn", "clipped dendritic"])
def test_the_diagonal_of_w_is_zero_and_stays_so(variant: str) -> None:
    model = _build(variant)
    assert isinstance(model, (PLRNN, DendriticPLRNN))
    assert not model.W.diagonal().any()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    before = model.W.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        latents, last = model.rollout(_states(model), 5)
        (latents.square().sum() + model.step(last).sum() + model.jacobian(last).sum()).backward()
        optimizer.step()
    assert not model.W.diagonal().any()
    assert ((model.W - before).abs() > 0).sum() == 42  # every other entry has moved

    expected, _ = model.rollout(_states(model), 5)
    jacobian = model.jacobian(_states(model))
    with torch.no_grad():
        model.W.diagonal().fill_(5)  # never used
    torch.testing.assert_close(model.rollout(_states(model), 5)[0], expected, rtol=0, atol=0)
    torch.testing.assert_close(model.jacobian(_states(model)), jacobian, rtol=0, atol=0)


@pytest.mark.parametrize("units", [-1, 8])
def test_al_rnn_has_at_most_as_many_threshold_units_as_latents(units: int) -> None:
    with pytest.raises(ValueError, match=f"linear_threshold_units is {units}; accepted: 0 to"):
        ALRNN(3, 7, _generator(), linear_threshold_units=units)


@pytest.mark.parametrize("variant", ["clipped dendritic", "clipped shallow"])
def test_clipped_orbits_are_bounded(variant: str) -> None:
    """|z_i| ends below the largest nonlinear term / (1 - |A_i|), however large the weights."""
    model = _build(variant)
    with torch.no_grad():
        if isinstance(model, DendriticPLRNN):
            model.A.copy_(torch.linspace(-0.9, 0.9, 7))
            model.W.mul_(1e3)
            # |relu(z - h) - relu(z)| <= |h|
            phi = (model.alpha * model.H).abs().sum(dim=1)
            largest = model.W.abs() @ phi + model.h0.abs()
        else:
            assert isinstance(model, ShallowPLRNN)
            model.A.copy_(torch.linspace(-0.9, 0.9, 7))
            model.W1.mul_(1e3)
            largest = model.W1.abs() @ model.h2.abs() + model.h1.abs()
        bound = largest / (1 - model.A.abs())
        latents, _ = model.rollout(1e6 * _states(model), 400)
    assert (latents[:, -1].abs() <= 1.001 * bound).all()
    assert latents[:, -1].abs().max() > 1  # not all orbits die
