"""The readouts invert, and gradients flow through the inverse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.models.readout import IdentityReadout, LinearReadout, Readout
from sfbptt_cli.models.rnn import RNN


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _randn(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=_generator(seed), dtype=torch.float64)


def _inverted(readout: Readout, name: str, value: Tensor, x: Tensor) -> Tensor:
    """invert(x) with the parameter `name` replaced, as a function that gradcheck can take."""

    class Inverted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.readout = readout

        def forward(self, x: Tensor) -> Tensor:
            return self.readout.invert(x)

    return torch.func.functional_call(Inverted(), {f"readout.{name}": value}, (x,))


@pytest.mark.parametrize(("obs_dim", "latent_dim"), [(3, 30), (3, 3), (5, 2), (1, 1)])
def test_linear_inverse_is_the_pseudo_inverse(obs_dim: int, latent_dim: int) -> None:
    readout = LinearReadout(obs_dim, latent_dim, _generator()).double()
    x = _randn(4, 6, obs_dim)
    expected = x @ torch.linalg.pinv(readout.weight).T
    torch.testing.assert_close(readout.invert(x), expected, rtol=1e-10, atol=1e-12)
    if latent_dim >= obs_dim:
        torch.testing.assert_close(readout(readout.invert(x)), x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("obs_dim", "latent_dim"), [(2, 4), (3, 3), (4, 2)])
def test_gradient_of_the_linear_inverse(obs_dim: int, latent_dim: int) -> None:
    readout = LinearReadout(obs_dim, latent_dim, _generator()).double()
    weight = readout.weight.detach().clone().requires_grad_()
    x = _randn(3, obs_dim).requires_grad_()
    assert torch.autograd.gradcheck(lambda w, x: _inverted(readout, "weight", w, x), (weight, x))


def test_linear_inverse_survives_a_bad_condition_in_float32() -> None:
    readout = LinearReadout(3, 30, _generator())
    with torch.no_grad():
        readout.weight[1] = readout.weight[0] + 1e-4 * readout.weight[1]
    x = torch.randn(8, 3, generator=_generator(4))
    expected = x.double() @ torch.linalg.pinv(readout.weight.double()).T
    error = (readout.invert(x).double() - expected).norm() / expected.norm()
    assert error < 1e-6


def test_a_linear_readout_that_lost_rank_has_no_inverse() -> None:
    readout = LinearReadout(3, 30, _generator())
    with torch.no_grad():
        readout.weight[1] = 0
    with pytest.raises(torch.linalg.LinAlgError):  # pyright: ignore[reportPrivateImportUsage]
        readout.invert(torch.ones(1, 3))


def test_identity_observes_the_first_latents() -> None:
    readout = IdentityReadout(3, 5, _generator()).double()
    z = _randn(4, 6, 5)
    assert torch.equal(readout(z), z[..., :3])
    assert torch.equal(z @ readout.weight.T, z[..., :3])  # B = [I 0]


@pytest.mark.parametrize("latent_dim", [3, 4, 30])
def test_identity_inverse_keeps_the_data_and_maps_them_to_the_rest(latent_dim: int) -> None:
    readout = IdentityReadout(3, latent_dim, _generator()).double()
    x = _randn(4, 6, 3)
    z = readout.invert(x)
    assert z.shape == (4, 6, latent_dim)
    assert torch.equal(readout(z), x)
    for i in range(latent_dim - 3):
        assert readout.L is not None
        torch.testing.assert_close(z[..., 3 + i], (x * readout.L[i]).sum(dim=-1))


def test_gradient_of_the_identity_inverse() -> None:
    readout = IdentityReadout(3, 5, _generator()).double()
    L, x = _randn(2, 3, seed=1).requires_grad_(), _randn(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda L, x: _inverted(readout, "L", L, x), (L, x))


def test_what_readouts_learn_and_how_it_is_drawn() -> None:
    assert list(IdentityReadout(3, 5, _generator()).state_dict()) == ["L"]
    assert not IdentityReadout(3, 3, _generator()).state_dict()
    L = IdentityReadout(25, 100, _generator()).L
    assert L is not None
    assert L.shape == (75, 25)
    # 1/√25, and 1/√latent_dim as torch draws it
    for parameter, bound in ((L, 0.2), (LinearReadout(50, 100, _generator()).weight, 0.1)):
        assert parameter.abs().max() <= bound
        assert parameter.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_identity_needs_as_many_latents_as_observations() -> None:
    with pytest.raises(ValueError, match=r"latent_dim is 2; .* at least obs_dim = 3"):
        IdentityReadout(3, 2, _generator())


def test_an_unknown_readout_lists_the_choices() -> None:
    with pytest.raises(RequestError, match=r"model.readout: 'linaer' .* identity, linear"):
        RNN(3, 5, _generator(), readout="linaer")
