"""The spectrum of maps and models whose exponents are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from known_maps import HENON, LOGISTIC, linear, starts
from torch import Tensor

from sfbptt_cli.lyapunov.largest import largest_exponent
from sfbptt_cli.lyapunov.model_spectrum import model_spectrum
from sfbptt_cli.lyapunov.orthonormal import orthonormalise
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.gru import GRU
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.rnn import RNN


def _network(kind: type[RNN] | type[LSTM] | type[GRU], gain: float, input_dim: int = 0) -> RNN:
    """A random network with larger weights; an RNN is chaotic from a gain of 5 on."""
    model = kind(2, 12, torch.Generator().manual_seed(3), input_dim=input_dim)
    with torch.no_grad():
        model.weight.mul_(gain)
    return model  # type: ignore[return-value]


def _states(model: LatentModel, count: int) -> Tensor:
    """Random states, (count, state_dim)."""
    return model.force(starts(2, count)).detach()


def _slow(
    model: LatentModel, state: Tensor, steps: int, transient: int, s: Tensor | None
) -> Tensor:
    """The same by autograd's Jacobian and a QR at every step, one start at a time."""
    model = model.double()
    exponents = []
    for z in state.double()[:, None]:
        Q = torch.eye(model.state_dim, dtype=torch.float64)
        growth, counted = torch.zeros(model.state_dim, dtype=torch.float64), 0
        for t in range(transient + steps):
            now = [] if s is None else [s[None, t].double()]
            step = lambda z, now=now: model.step(z[None], *now)[0]  # noqa: E731
            J = torch.autograd.functional.jacobian(step, z[0])
            with torch.no_grad():
                z = model.step(z, *now)
            if t >= transient:
                Q, R = torch.linalg.qr(J @ Q)
                if t - transient >= steps // 10:
                    growth += R.diagonal().abs().log()
                    counted += 1
        exponents.append(growth / counted)
    return torch.stack(exponents).mean(dim=0)


def test_linear_map_has_the_moduli_of_its_eigenvalues() -> None:
    model = linear([[0.9, 5, 1], [0, 0.5, 2], [0, 0, 1e-4]])
    found = model_spectrum(model, starts(3, 8), 200, transient=0)
    expected = [math.log(0.9), math.log(0.5), math.log(1e-4)]
    np.testing.assert_allclose(found.exponents, expected, atol=1e-5)
    assert found.trajectories == 8
    assert (found.standard_errors < 1e-5).all()


def test_henon_map_has_its_published_exponent_and_its_contraction() -> None:
    # |det J| = 0.3 everywhere.
    found = model_spectrum(HENON, starts(2, 32), steps=1_500, transient=100)
    assert found.exponents[0] == pytest.approx(0.41922, abs=4 * found.standard_errors[0])
    assert found.standard_errors[0] < 5e-3
    assert found.exponents.sum() == pytest.approx(math.log(0.3), abs=1e-9)


@pytest.mark.parametrize(("kind", "gain"), [(RNN, 3.0), (LSTM, 8.0), (GRU, 8.0)])
def test_a_network_agrees_with_the_slow_way(kind: type[RNN], gain: float) -> None:
    model = _network(kind, gain)
    x = _states(model, 2)
    found = model_spectrum(model, x, steps=100, transient=20)
    # The slow way starts from other vectors, that 10 steps have turned into the directions.
    slow = np.sort(_slow(model, x, 100, 20, None).numpy())[::-1]
    assert found.exponents[:3] == pytest.approx(slow[:3], abs=0.05)
    assert found.exponents.sum() == pytest.approx(
        slow.sum(), abs=1e-4
    )  # ln |det J| needs no turning


def test_a_network_agrees_with_two_nearby_trajectories() -> None:
    model = _network(RNN, 8.0)
    x = _states(model, 16)
    near = largest_exponent(model, x, steps=1_500, transient=200)
    found = model_spectrum(model, x, steps=1_500, transient=200, exponents=1)
    error = math.hypot(near.standard_error, found.standard_errors[0])
    assert near.value > 10 * error, "the example should be chaotic"
    assert found.exponents[0] == pytest.approx(near.value, abs=4 * error)


@pytest.mark.parametrize("kind", [LSTM, RNN])
def test_rare_orthonormalisations_lose_nothing(
    kind: type[LSTM] | type[RNN], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _network(kind, 1.5)
    x = _states(model, 3)
    rare = model_spectrum(model, x, steps=400, transient=20)
    monkeypatch.setattr("sfbptt_cli.lyapunov.model_spectrum._MOST_STEPS", 1)
    each = model_spectrum(model, x, steps=400, transient=20)
    assert len(each.exponents) == model.state_dim
    np.testing.assert_allclose(rare.exponents, each.exponents, atol=1e-6)


def test_threads_change_nothing() -> None:
    model, before = _network(LSTM, 8.0), torch.get_num_threads()
    x, found = _states(model, 40), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(model_spectrum(model, x, steps=100, transient=20).exponents)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("spread", [0, 10, 25])
def test_orthonormal_frames_are_those_of_householder(spread: float) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3, 20, 30)) @ np.diag(np.exp(-spread * np.linspace(0, 1, 30)))
    frames, lengths = vectors.copy(), np.empty((3, 20))
    orthonormalise(frames, lengths)
    R = np.linalg.qr(vectors.transpose(0, 2, 1))[1]
    np.testing.assert_allclose(lengths, np.abs(np.diagonal(R, axis1=1, axis2=2)), rtol=1e-5)
    gram = frames @ frames.transpose(0, 2, 1)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(20), gram.shape), atol=1e-8)


def test_dependent_vectors_leave_rounding_or_nothing() -> None:
    frames, lengths = np.array([[[1.0, 2, 2], [2, 4, 4], [0, 3, -3], [0, 0, 0]]]), np.empty((1, 4))
    orthonormalise(frames, lengths)
    np.testing.assert_allclose(lengths[0], [3, 0, math.sqrt(18), 0], atol=1e-15)
    np.testing.assert_allclose(frames[0, 2], np.array([0, 1, -1]) / math.sqrt(2), atol=1e-15)
    assert np.isfinite(frames).all()


def test_inputs_are_those_of_the_times_the_steps_arrive_at() -> None:
    model = _network(RNN, 3.0, input_dim=3)
    x = _states(model, 2)
    s = torch.randn(120, 3, generator=torch.Generator().manual_seed(5))
    found = model_spectrum(model, x, steps=100, transient=20, s=s)
    assert found.exponents.sum() == pytest.approx(
        _slow(model, x, 100, 20, s).sum().item(), abs=1e-5
    )
    for wrong in (None, s[:-1], s[:, :2]):
        with pytest.raises(ValueError, match="inputs s"):
            model_spectrum(model, x, steps=100, transient=20, s=wrong)


def test_leading_exponents_are_those_of_the_whole_spectrum() -> None:
    model = _network(LSTM, 8.0)
    x = _states(model, 4)
    whole = model_spectrum(model, x, steps=300, transient=50)
    two = model_spectrum(model, x, steps=300, transient=50, exponents=2)
    assert whole.exponents.shape == (24,)
    assert two.exponents == pytest.approx(whole.exponents[:2], abs=0.02)
    assert {p.dtype for p in model.parameters()} == {torch.float32}  # the model is left alone
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_a_direction_that_is_wiped_out_has_minus_infinity_and_spoils_no_other() -> None:
    found = model_spectrum(linear([[0.5, 0.0], [0.0, 0.0]]), starts(2), steps=50, transient=0)
    assert found.exponents[0] == pytest.approx(math.log(0.5), abs=1e-9)
    assert found.exponents[1] < -30


def test_starts_that_diverge_do_not_count() -> None:
    model = LOGISTIC
    x = torch.tensor([[0.3], [1.5], [0.4], [0.55]])  # 1.5 is outside of the basin
    found = model_spectrum(model, x, steps=2_000, transient=10)
    assert found.trajectories == 3
    assert found.exponents[0] == pytest.approx(math.log(2), abs=0.03)
    none = model_spectrum(model, x[1:2], steps=100, transient=10)
    assert none.trajectories == 0
    assert np.isnan(none.exponents).all()
    assert np.isinf(none.standard_errors).all()
    one = model_spectrum(model, x[:1], steps=100, transient=10)
    assert one.trajectories == 1
    assert np.isinf(one.standard_errors).all()
