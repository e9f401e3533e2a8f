"""Every model: its rollout is its step repeated, its readout inverts, its derivatives are right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sfbptt_cli.models import LSTM, MODELS, LatentModel, LinearReadout


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _build(name: str, obs_dim: int = 3, latent_dim: int = 7) -> LatentModel:
    return MODELS[name](obs_dim, latent_dim, _generator()).double()


def _states(model: LatentModel, batch: int = 4) -> Tensor:
    return torch.randn(batch, model.state_dim, generator=_generator(1), dtype=torch.float64)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_rollout_is_step_repeated(name: str) -> None:
    model = _build(name)
    state = _states(model)
    latents, last = model.rollout(state, 25)
    assert latents.shape == (4, 25, 7)
    for t in range(25):
        state = model.step(state)
        torch.testing.assert_close(latents[:, t], state[:, :7], rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(last, state, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_rollout_goes_on_where_it_ended(name: str) -> None:
    model = _build(name)
    whole, last = model.rollout(_states(model), 9)
    first, middle = model.rollout(_states(model), 4)
    second, end = model.rollout(middle, 5)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(end, last, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_gradients_through_step_and_rollout(name: str) -> None:
    model = _build(name, obs_dim=2, latent_dim=3)
    state = _states(model, batch=2).requires_grad_()
    assert torch.autograd.gradcheck(model.step, (state,))
    assert torch.autograd.gradcheck(lambda s: model.rollout(s, 4), (state,))
    assert torch.autograd.gradcheck(lambda x: model.force(x), (state[:, :2],))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_parameters_follow_the_seed(name: str) -> None:
    first, again = (MODELS[name](3, 7, _generator(0)).state_dict() for _ in range(2))
    other = MODELS[name](3, 7, _generator(1)).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first)


def test_lstm_step_is_that_of_torch() -> None:
    model = _build("lstm")
    assert isinstance(model, LSTM)
    cell = torch.nn.LSTMCell(1, 7, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_hh.copy_(model.weight)
        cell.bias_hh.copy_(model.bias)
        cell.bias_ih.zero_()
    state = _states(model)
    h, c = cell(torch.zeros(4, 1, dtype=torch.float64), (state[:, :7], state[:, 7:]))
    torch.testing.assert_close(model.step(state), torch.cat([h, c], dim=1))


def test_lstm_forcing_sets_the_cell_to_zero() -> None:
    model = _build("lstm")
    x = torch.randn(5, 3, generator=_generator(2), dtype=torch.float64)
    state = model.force(x)
    assert torch.equal(state[:, :7], model.readout.invert(x))
    assert not state[:, 7:].any()


def test_lstm_initialisation_has_the_spread_of_torch() -> None:
    model = LSTM(3, 100, _generator())
    bound = 0.1  # 1/√100
    assert model.weight.abs().max() <= bound
    assert model.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert model.bias.abs().max() <= 2 * bound
    assert model.bias.std().item() == pytest.approx(bound * (2 / 3) ** 0.5, rel=0.15)


@pytest.mark.parametrize(("obs_dim", "latent_dim"), [(3, 30), (3, 3), (5, 2), (1, 1)])
def test_readout_inverse_is_the_pseudo_inverse(obs_dim: int, latent_dim: int) -> None:
    readout = LinearReadout(obs_dim, latent_dim, _generator()).double()
    x = torch.randn(4, 6, obs_dim, generator=_generator(3), dtype=torch.float64)
    expected = x @ torch.linalg.pinv(readout.weight).T
    torch.testing.assert_close(readout.invert(x), expected, rtol=1e-10, atol=1e-12)
    if latent_dim >= obs_dim:
        torch.testing.assert_close(readout(readout.invert(x)), x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("obs_dim", "latent_dim"), [(2, 4), (3, 3), (4, 2)])
def test_gradient_of_the_inverse_with_respect_to_the_readout(obs_dim: int, latent_dim: int) -> None:
    readout = LinearReadout(obs_dim, latent_dim, _generator()).double()
    x = torch.randn(3, obs_dim, generator=_generator(3), dtype=torch.float64)

    weight = readout.weight.detach().clone().requires_grad_()

    class Inverted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.readout = readout

        def forward(self, x: Tensor) -> Tensor:
            return self.readout.invert(x)

    def inverted(weight: Tensor) -> Tensor:
        return torch.func.functional_call(Inverted(), {"readout.weight": weight}, (x,))

    assert torch.autograd.gradcheck(inverted, (weight,))


def test_inverse_survives_a_badly_conditioned_readout_in_float32() -> None:
    readout = LinearReadout(3, 30, _generator())
    with torch.no_grad():
        readout.weight[1] = readout.weight[0] + 1e-4 * readout.weight[1]
    x = torch.randn(8, 3, generator=_generator(4))
    expected = x.double() @ torch.linalg.pinv(readout.weight.double()).T
    error = (readout.invert(x).double() - expected).norm() / expected.norm()
    assert error < 1e-6


def test_a_readout_that_lost_rank_has_no_inverse() -> None:
    readout = LinearReadout(3, 30, _generator())
    with torch.no_grad():
        readout.weight[1] = 0
    with pytest.raises(torch.linalg.LinAlgError):  # pyright: ignore[reportPrivateImportUsage]
        readout.invert(torch.ones(1, 3))
