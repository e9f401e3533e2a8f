"""Jacobian products and loss gradients: autograd where it is finite, closed forms beyond."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from conftest import usual_sizes
from known_maps import Map, linear
from torch import Tensor, nn

from sfbptt_cli.figures.gradients import gradient_growth
from sfbptt_cli.lyapunov.jacobian_products import (
    LogNorms,
    forced_jacobian_products,
    growth_rate,
    jacobian_products,
)
from sfbptt_cli.lyapunov.largest import largest_exponent
from sfbptt_cli.lyapunov.loss_gradients import loss_gradients
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.models.gru import GRU
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.rnn import RNN


def _chaotic() -> RNN:
    model = RNN(2, 12, torch.Generator().manual_seed(3))
    with torch.no_grad():
        model.weight.mul_(8)
    return model


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _rollout_jacobian(model: LatentModel, z: Tensor, steps: int, s: Tensor | None) -> float:
    """ln of the spectral norm, by autograd through all steps."""

    def last(z: Tensor) -> Tensor:
        state = z[None]
        for t in range(steps):
            state = model.step(state) if s is None else model.step(state, s[None, t])
        return state[0]

    J = torch.autograd.functional.jacobian(last, z)
    return float(np.log(np.linalg.norm(J.detach().numpy(), 2)))


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
@pytest.mark.parametrize("input_dim", [0, 2])
def test_products_are_those_of_autograd(
    kind: type[LSTM] | type[GRU] | type[RNN], input_dim: int
) -> None:
    model = kind(2, 4, torch.Generator().manual_seed(1), input_dim=input_dim).double()
    z, s = _random(2, model.state_dim), _random(9, input_dim) if input_dim else None
    found = jacobian_products(model, z, 9, every=4, s=s)
    assert found.steps.tolist() == [4, 8]
    for row, start in zip(found.values, z, strict=True):
        expected = [_rollout_jacobian(model, start, steps, s) for steps in (4, 8)]
        np.testing.assert_allclose(row, expected, rtol=1e-10)


def test_a_linear_map_is_exact_far_beyond_overflow() -> None:
    # ‖A^t‖ of a Jordan block 3 I + N: 3^t ‖I + t N / 3‖.
    found = jacobian_products(linear([[3, 1], [0, 3]]), torch.zeros(1, 2), 5_000, every=100)
    shear = np.log([np.linalg.norm([[1, t / 3], [0, 1]], 2) for t in found.steps])
    np.testing.assert_allclose(found.values[0], found.steps * math.log(3) + shear, rtol=1e-12)
    assert growth_rate(found).value == pytest.approx(math.log(3), rel=1e-3)


def test_a_product_that_vanishes_is_minus_infinity_and_a_diverged_one_is_nan() -> None:
    gone = jacobian_products(linear([[0, 1], [0, 0]]), torch.zeros(1, 2), 4)
    assert gone.values[0].tolist() == [0, -math.inf, -math.inf, -math.inf]
    square = Map(1, lambda z: z**2)
    both = jacobian_products(square, torch.tensor([[1.0], [10.0]]), 20)
    np.testing.assert_allclose(both.values[0], np.arange(1, 21) * math.log(2))
    assert np.isfinite(both.values[1, :5]).all()
    assert np.isnan(both.values[1, -5:]).all()


def test_theorem_1_a_stable_point_and_a_stable_cycle() -> None:
    # z' = tanh(∓2 z) settles on ±.9575, with the derivative 2 (1 - .9575²) = .1664.
    for weight in (2.0, -2.0):
        model = Map(1, lambda z, weight=weight: torch.tanh(weight * z))
        rate = growth_rate(jacobian_products(model, torch.tensor([[0.5]]), 500))
        assert rate.value == pytest.approx(math.log(2 * (1 - 0.9575040240772687**2)), rel=1e-6)


def test_theorem_2_chaos_grows_as_the_largest_exponent() -> None:
    model, x = _chaotic(), 0.3 * _random(8, 2)
    state = model.force(x.float()).detach()
    exponent = largest_exponent(model, state, steps=3_000, transient=200)
    z = copy.deepcopy(model).double().rollout(state.double(), 200)[1].detach()
    free = jacobian_products(model, z, 3_000, every=10)
    rate = growth_rate(free)
    assert free.values[:, -1].min() > 600, "as far as the last doubles"
    assert forced_jacobian_products(model, 0.3 * _random(2_001, 2), tau=5).values.max() < 20
    assert rate.value == pytest.approx(exponent.value, rel=0.05)
    error = math.hypot(exponent.standard_error, rate.standard_error)
    assert rate.value == pytest.approx(exponent.value, abs=4 * error)


def test_theorem_3_quasi_periodic_growth_is_no_exponential() -> None:
    # A twist of the plane: an irrational rotation by an angle that depends on the radius r. Its
    # product is a shear that grows as t r dω/dr, so that ln ‖·‖ = ln t + o(1).
    def twist(z: Tensor) -> Tensor:
        angle = 1.0 + (z**2).sum(dim=1)
        x, y = z.unbind(dim=1)
        c, s = angle.cos(), angle.sin()
        return torch.stack([c * x - s * y, s * x + c * y], dim=1)

    free = jacobian_products(Map(2, twist), torch.tensor([[1.0, 0.0]]), 4_000, every=10)
    np.testing.assert_allclose(free.values[0], np.log(2.0 * free.steps), atol=0.02)
    assert abs(growth_rate(free).value) < 1e-3


def _with_gain(model: LatentModel) -> LatentModel:
    """Draw what a warm-up learns, which starts at zero."""
    if model.gain is not None:
        with torch.no_grad():
            model.gain.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
    return model


@pytest.mark.parametrize("input_dim", [0, 2])
@pytest.mark.parametrize("tau", [1, 4, 50])
def test_forced_products_with_a_warm_up_are_those_of_autograd(tau: int, input_dim: int) -> None:
    drawn = torch.Generator().manual_seed(1)
    model = _with_gain(LSTM(2, 4, drawn, input_dim=input_dim, warmup=3).double())
    x, s = _random(17, 2), _random(17, input_dim) if input_dim else None
    found = forced_jacobian_products(model, x, tau, s)
    assert found.steps.tolist() == list(range(1, 14))
    for t, value in enumerate(found.values[0]):
        f, last = t // tau * tau, t // tau * tau + 3  # the warm-up from f to last

        def end(state: Tensor, f: int = f, last: int = last, t: int = t) -> Tensor:
            state = state[None]
            for k in range(f + 1, t + 5):
                state = model.step(state, None if s is None else s[None, k])
                if k <= last:
                    error = x[None, k] - model.readout(state[:, :4])
                    state = state + error @ model.correction()
            return state[0]

        begin = model.force(x[None, f])[0].detach()
        J = torch.autograd.functional.jacobian(end, begin)
        expected = torch.linalg.matrix_norm(J, ord=2).log().item()
        assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("length", "tau"), [(13, 4), (13, 1), (13, 50), (12, 4)])
@pytest.mark.parametrize("input_dim", [0, 2])
def test_forced_products_start_anew(length: int, tau: int, input_dim: int) -> None:
    model = LSTM(2, 4, torch.Generator().manual_seed(1), input_dim=input_dim).double()
    x, s = _random(length + 1, 2), _random(length + 1, input_dim) if input_dim else None
    found = forced_jacobian_products(model, x, tau, s)
    assert found.steps.tolist() == list(range(1, length + 1))
    assert found.values.shape == (1, length)
    with torch.no_grad():
        starts = model.force(x)
    for t, value in enumerate(found.values[0]):
        f = t // tau * tau
        arriving = None if s is None else s[f + 1 :]
        expected = _rollout_jacobian(model, starts[f], t + 1 - f, arriving)
        assert value == pytest.approx(expected, rel=1e-10)


def _plain(model: LatentModel, x: Tensor, steps: int, tau: int | None, s: Tensor | None) -> float:
    """ln of the norm of the gradient by one backward pass through a loop of steps."""
    model.zero_grad()
    w = model.warmup
    predicted, state = [], x.new_empty(0)
    for t in range(steps):
        if t == 0 or (tau is not None and t % tau == 0):
            warming = None if s is None else s[None, t + 1 : t + w + 1]
            state = model.warm_up(x[None, t : t + w + 1], warming)
        state = model.step(state) if s is None else model.step(state, s[None, t + w + 1])
        predicted.append(model.readout(state[:, : model.latent_dim])[0])
    nn.functional.mse_loss(torch.stack(predicted), x[w + 1 : w + steps + 1]).backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return math.log(torch.cat(gradients).norm().item())


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("tau", [None, 8])
@pytest.mark.parametrize("input_dim", [0, 2])
@pytest.mark.parametrize("warmup", [0, 6])
def test_loss_gradients_are_those_of_autograd(
    name: str, tau: int | None, input_dim: int, warmup: int
) -> None:
    drawn, sizes = torch.Generator().manual_seed(1), usual_sizes(name)
    sizes = {**sizes, "input_dim": input_dim, "warmup": warmup}
    model = _with_gain(MODELS[name](2, 4, drawn, **sizes).double())
    lengths = [1, 7, 50, 51, 120]  # of which chunks hold one, a part, all, one more, several
    x, s = _random(130, 2), _random(130, input_dim) if input_dim else None
    found = loss_gradients(model, x, lengths, tau, s)
    assert found.steps.tolist() == lengths
    expected = [_plain(model, x, steps, tau, s) for steps in lengths]
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-8)


def test_loss_gradients_of_a_chaotic_model_do_not_overflow() -> None:
    model, x = _chaotic(), 0.3 * _random(5_001, 2)
    lengths, state = [500, 5_000], model.force(x[:8].float()).detach()
    free = loss_gradients(model, x, lengths).values[0]
    exponent = largest_exponent(model, state, steps=3_000, transient=200).value
    assert free[1] > 1_000, "e^709 is the end of float64"
    assert (free[1] - free[0]) / 4_500 == pytest.approx(exponent, rel=0.08)
    assert (loss_gradients(model, x, lengths, tau=5).values < 10).all()


def test_loss_gradients_of_a_model_that_diverges_are_nan() -> None:
    model = MODELS["plrnn"](2, 4, torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.get_parameter("A").fill_(3.0)
    free = loss_gradients(model, _random(2_001, 2), [10, 2_000]).values[0]
    assert math.isfinite(free[0])
    assert math.isnan(free[1])


def test_inputs_of_another_model_are_refused_and_the_model_is_left_alone() -> None:
    model, x = _chaotic(), 0.3 * _random(20, 2)
    with pytest.raises(ValueError, match="accepts none"):
        loss_gradients(model, x, [5], s=torch.zeros(20, 1))
    with pytest.raises(ValueError, match="inputs s"):
        forced_jacobian_products(model, x, 5, s=torch.zeros(20, 1))
    assert all(p.grad is None and p.dtype == torch.float32 for p in model.parameters())


# The rate


def test_rate_of_a_straight_line_leaves_the_beginning_out() -> None:
    steps = np.arange(1, 101)
    line = (0.3 * steps + 5.0).astype(np.float64)
    line[:10] = -40.0
    rate = growth_rate(LogNorms(steps, line[None]))
    assert rate.value == pytest.approx(0.3)
    assert rate.standard_error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("orbits", [1, 4])
def test_the_standard_error_of_a_random_walk_with_a_trend_is_right(orbits: int) -> None:
    generator = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        walk = (0.02 + 0.5 * generator.standard_normal((orbits, 2_000))).cumsum(axis=1)
        rates.append(growth_rate(LogNorms(np.arange(2_000), walk), skip=0))
    values, errors = np.array(rates).T
    assert values.mean() == pytest.approx(0.02, abs=4 * values.std() / 20)
    # √(6/5 · .25 / 2000) a walk
    assert values.std() == pytest.approx(math.sqrt(0.3 / 2_000 / orbits), rel=0.15)
    assert math.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.15)


def test_rate_leaves_orbits_out_that_end() -> None:
    steps = np.arange(1, 51)
    values = np.outer([0.5, math.nan, -math.inf, 0.7], steps).astype(np.float64)
    assert growth_rate(LogNorms(steps, values)).value == pytest.approx(0.6)
    none = growth_rate(LogNorms(steps, values[1:3]))
    assert math.isnan(none.value)
    assert math.isinf(none.standard_error)
    two = growth_rate(LogNorms(steps[:2], values[:1, :2]))
    assert two.value == pytest.approx(0.5)
    assert math.isinf(two.standard_error)


# The picture


def test_figure_shows_slopes_in_decades_and_says_both_rates() -> None:
    from matplotlib.text import Text

    steps, lengths = np.arange(1, 1001), np.array([10, 100, 1000])
    free = np.stack([0.023 * steps, 0.023 * steps + 1, np.full(1000, np.nan)])
    figure = gradient_growth(
        (steps, free),
        (lengths, [[0.0, 2.0, 23.0]]),
        rate=0.023,
        lambda_max=0.0240,
        forced_products=(steps, np.zeros(1000)),
        forced_losses=(lengths, np.zeros(3)),
        tau=30,
        title="Lorenz",
    )
    left, right = figure.axes
    words = "\n".join(text.get_text() for text in figure.findobj(Text))  # type: ignore[attr-defined]
    for said in ("0.0230 per step", "0.0240 per step", r"$\tau$ = 30", "Lorenz", "T (steps)"):
        assert said in words
    rows = {str(line.get_label()): np.asarray(line.get_ydata()) for line in left.lines}
    assert rows["free"][-1] == pytest.approx(23 / math.log(10))
    (fitted,) = (row for label, row in rows.items() if label.startswith("fitted"))
    assert fitted[[0, -1]] == pytest.approx((free[:2, [0, -1]].mean(axis=0)) / math.log(10))
    assert right.get_xscale() == "log"
    assert np.asarray(right.lines[0].get_ydata())[-1] == pytest.approx(23 / math.log(10))


def test_figure_without_forcing_or_a_rate() -> None:
    steps = np.arange(1, 11)
    figure = gradient_growth((steps, np.full((1, 10), np.nan)), (steps, np.ones(10)), math.nan)
    assert [line.get_label() for line in figure.axes[0].lines][:1] == ["free"]
    with pytest.raises(ValueError, match="10 points"):
        gradient_growth((steps, np.ones(9)), (steps, np.ones(10)), 0.1)
