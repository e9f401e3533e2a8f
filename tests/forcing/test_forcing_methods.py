"""Every training method against its literal, step-by-step version, and against the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from forcing_cases import (
    VARIANTS,
    assert_same,
    gradients,
    make_data,
    make_literal,
    make_method,
    make_model,
    mean_squared_error,
)
from literal import Literal
from torch import Tensor

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.forcing.alpha import ESTIMATORS, Adaptive, Alpha, Annealed
from sfbptt_cli.forcing.catalogue import METHODS, build_method
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.method import IntervalMethod, Method
from sfbptt_cli.forcing.none import Unforced
from sfbptt_cli.forcing.settings import FORCING_SETTINGS, AlphaSettings, ForcingSettings
from sfbptt_cli.forcing.sparse import Sparse, sparse
from sfbptt_cli.forcing.truncated import Truncated
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import MODELS

_LATENTS, _OBSERVED, _INPUTS = 5, 3, 2

# A method, and its oracle's loss.
_Oracle = Callable[[Literal, Tensor, Tensor | None], Tensor]
_CASES: dict[str, tuple[Callable[[], Method], _Oracle]] = {
    "sparse": (lambda: make_method("sparse"), lambda o, x, s: o.sparse(x, 3, s)),
    "none": (lambda: make_method("none"), lambda o, x, s: o.none(x, s)),
    "truncated": (lambda: make_method("truncated"), lambda o, x, s: o.truncated(x, 3, s)),
    "truncated at every step": (
        lambda: make_method("truncated", tau=1),
        lambda o, x, s: o.truncated(x, 1, s),
    ),
    "windowed": (lambda: make_method("windowed"), lambda o, x, s: o.windowed(x, _LATENTS, s)),
    "generalized": (lambda: make_method("generalized"), lambda o, x, s: o.generalized(x, 0.3, s)),
}


@pytest.mark.parametrize("readout", ["linear", "identity"])
@pytest.mark.parametrize("input_dim", [0, _INPUTS])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", _CASES)
def test_every_method_trains_every_model_as_its_literal_algorithm_does(
    case: str, variant: str, input_dim: int, readout: str
) -> None:
    build, oracle = _CASES[case]
    model = make_model(variant, _LATENTS, _OBSERVED, input_dim, readout)
    literal = make_literal(variant, model, _OBSERVED)
    for batch, steps in ((2, 7), (1, 6), (1, 1)):
        x = make_data(batch, steps, _OBSERVED)
        s = make_data(batch, steps, input_dim, seed=2) if input_dim else None
        predicted = build()(model, x, s)
        assert predicted.shape == (batch, steps, _OBSERVED)
        assert_same(model, mean_squared_error(predicted, x), oracle(literal, x, s))


def _gain(literal: Literal, model: LatentModel, part: float) -> Tensor:
    """K (state, N): `part` of the pseudo-inverse, column by column, and what is learned."""
    columns = [torch.cat(literal.force(e)) for e in torch.eye(model.obs_dim, dtype=torch.float64)]
    forced = part * torch.stack(columns, dim=1)
    return forced if model.gain is None else forced + model.gain


@pytest.mark.parametrize("readout", ["linear", "identity"])
@pytest.mark.parametrize("input_dim", [0, _INPUTS])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_warm_up_is_that_of_the_literal_observer(
    variant: str, input_dim: int, readout: str
) -> None:
    for warmup, gain, part in ((4, "learned", 0.5), (1, "learned", 0.5), (3, 0.3, 0.3)):
        model = make_model(
            variant, _LATENTS, _OBSERVED, input_dim, readout, warmup=warmup, gain=gain
        )
        literal = make_literal(variant, model, _OBSERVED)
        for batch, steps, tau in ((2, 7, 3), (1, 6, 3), (2, 5, 9), (1, 1, 1)):
            x = make_data(batch, warmup + steps, _OBSERVED)
            s = make_data(batch, warmup + steps, input_dim, seed=2) if input_dim else None
            predicted = sparse(model, x, tau, s)
            assert predicted.shape == (batch, steps, _OBSERVED)
            expected = literal.warmed(x, tau, warmup, _gain(literal, model, part), s)
            assert_same(model, mean_squared_error(predicted, x), expected)


def test_a_gain_is_learned_where_there_is_a_warm_up_only() -> None:
    plain, warm = (make_model("lstm", 5, 3, warmup=warmup) for warmup in (0, 2))
    fixed = make_model("lstm", 5, 3, warmup=2, gain=0.5)
    assert plain.gain is None
    assert warm.gain is not None
    assert warm.gain.shape == (10, 3)
    assert fixed.gain is None
    # One that forces all the way is forced once more at the end: only c of the LSTM is left.
    reset = make_model("rnn", 5, 3, warmup=4, gain=1.0)
    x = make_data(2, 4, 3)
    torch.testing.assert_close(reset.readout(reset.warm_up(x)), x[:, -1])


# tau, steps, batch
_GRID = [
    *itertools.product((1, 2, 3, 5, 12), (12,), (1, 3)),  # dividing the window or not
    (7, 12, 2),
    (11, 12, 2),
    (1, 1, 1),
    (4, 5, 1),
    (30, 100, 1),
]
_SMALL_GRID = [(1, 3, 1), (3, 6, 2), (3, 7, 2), (8, 11, 1), (5, 5, 1)]
# Latents fewer than, as many as and more than observations.
_SIZES = [(2, 5), (3, 3), (7, 3), (1, 1), (30, 3)]


@pytest.mark.parametrize(
    ("sizes", "grid"), [*(((7, 3), [case]) for case in _GRID), *((n, _SMALL_GRID) for n in _SIZES)]
)
def test_every_window_and_size_agrees_with_the_literal_algorithm(
    sizes: tuple[int, int], grid: list[tuple[int, int, int]]
) -> None:
    model = make_model("lstm", *sizes)
    literal = make_literal("lstm", model, sizes[1])
    for tau, steps, batch in grid:
        x = make_data(batch, steps, sizes[1])
        found = mean_squared_error(sparse(model, x, tau), x)
        assert_same(model, found, literal.sparse(x, tau))


@pytest.mark.parametrize("warmup", [0, 3])
def test_nothing_crosses_a_forcing(warmup: int) -> None:
    """A prediction depends on the observations of its segment's warm-up, and on no other.

    Of the inputs it depends on those of its segment up to its own time.
    """
    model, tau, steps = make_model("rnn", 6, 2, input_dim=3, warmup=warmup), 4, 10
    x = make_data(1, warmup + steps, 2).requires_grad_()
    s = make_data(1, warmup + steps, 3, seed=2).requires_grad_()
    predicted = sparse(model, x, tau, s)
    for t in range(steps):  # predicted[:, t] is that of x[:, w + t + 1]
        found = torch.autograd.grad(predicted[0, t].sum(), (x, s), retain_graph=True)
        by_x, by_s = (g[0].abs().sum(dim=1).nonzero().flatten().tolist() for g in found)
        first = tau * (t // tau)
        assert by_x == list(range(first, first + warmup + 1))
        assert by_s == list(range(first + 1, t + warmup + 2))


@pytest.mark.parametrize("tau", [3, 4, 12])
@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_loses_rounding_only(variant: str, tau: int) -> None:
    name, sizes, _ = VARIANTS[variant]
    # As they are drawn: in float64 the same numbers.
    model = MODELS[name](3, 30, torch.Generator().manual_seed(0), **sizes)
    x = make_data(4, 12, 3).float()
    single = sparse(model, x, tau)
    exact = sparse(model.double(), x.double(), tau)
    scale = exact.abs().max().clamp_min(1)
    torch.testing.assert_close(single.double() / scale, exact / scale, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", [Sparse, Truncated])
def test_a_method_with_an_interval_follows_its_schedule(kind: type[IntervalMethod]) -> None:
    method = kind(lambda update: 2 + update)
    assert method.tau == 2
    method.advance(3, 10)
    assert method.tau == 5
    model, x = make_model("lstm", 5, 3), make_data(2, 9, 3)
    assert torch.equal(method(model, x), kind(lambda update: 5)(model, x))
    if kind is Sparse:
        assert torch.equal(method(model, x), sparse(model, x, 5))


def test_every_method_has_a_case_and_settings() -> None:
    assert METHODS.keys() == FORCING_SETTINGS.keys() <= _CASES.keys()
    for name, settings in FORCING_SETTINGS.items():
        method = make_method(name)
        assert (method.tau is not None) == settings.has_tau
        assert isinstance(method, Generalized) == settings.has_alpha


@pytest.mark.parametrize("case", _CASES)
def test_inputs_are_one_for_each_time(case: str) -> None:
    method, _ = _CASES[case]
    model, x = make_model("rnn", _LATENTS, _OBSERVED, _INPUTS), make_data(1, 6, _OBSERVED)
    with pytest.raises(ValueError, match="6 inputs s were given; accepted: one for each of 7"):
        method()(model, x, make_data(1, 5, _INPUTS))
    with pytest.raises(ValueError, match="no inputs s were given"):
        method()(model, x)
    without = make_model("rnn", _LATENTS, _OBSERVED)
    with pytest.raises(ValueError, match="input_dim = 0 accepts none"):
        method()(without, x, make_data(1, 6, _INPUTS))


@pytest.mark.parametrize("variant", ["lstm", "rnn", "plrnn"])
@pytest.mark.parametrize("tau", [1, 4, 7])
def test_truncation_cuts_gradients_and_not_states(variant: str, tau: int) -> None:
    model, x = make_model(variant, _LATENTS, _OBSERVED), make_data(2, 10, _OBSERVED)
    whole, cut = Unforced()(model, x), make_method("truncated", tau)(model, x)
    torch.testing.assert_close(cut, whole, rtol=1e-12, atol=1e-14)
    classical = gradients(model, mean_squared_error(whole, x))
    truncated = gradients(model, mean_squared_error(cut, x))
    largest = max((classical[n] - truncated[n]).norm() / classical[n].norm() for n in classical)
    assert largest > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_generalized_forcing_lies_between_sparse_and_classical(variant: str) -> None:
    """α = 1 is sparse forcing at every step, the cell of an LSTM included; α = 0 is no forcing."""
    model, x = make_model(variant, _LATENTS, _OBSERVED), make_data(2, 6, _OBSERVED)
    for alpha, other in ((1.0, sparse(model, x, 1)), (0.0, Unforced()(model, x))):
        predicted = Generalized(Alpha(alpha))(model, x)
        assert_same(model, mean_squared_error(predicted, x), mean_squared_error(other, x))


def test_annealed_alpha_falls_exponentially() -> None:
    method = Generalized(Annealed(1.0, 0.01))
    assert method.alpha == 1.0
    found = []
    for update in range(5):
        method.advance(update, 5)
        found.append(method.alpha)
    assert found == pytest.approx([1.0, 10**-0.5, 0.1, 10**-1.5, 0.01], rel=1e-12)
    method.advance(0, 1)  # a training of one update
    assert method.alpha == 1.0
    assert method.state_dict() == {}
    model, x = make_model("rnn", 5, 3), make_data(1, 6, 3)
    method.advance(2, 5)
    assert torch.equal(method(model, x), Generalized(Alpha(method.alpha))(model, x))


def _linear_model(scale: float) -> LatentModel:
    """z' = scale · diag(1, -1, 1/2) z, whose Jacobian has the norm `scale` everywhere."""
    model = make_model("plrnn", 3, 3)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        parameters["A"].copy_(scale * torch.tensor([1.0, -1.0, 0.5]))
        parameters["W"].zero_()
        parameters["h"].zero_()
    return model


def _adaptive(
    start: float, estimator: str = "product", gamma: float = 0.999, every: int = 1
) -> Generalized:
    return Generalized(Adaptive(start, estimator, gamma, every))


def _train(method: Generalized, model: LatentModel, x: Tensor, updates: int) -> list[float]:
    alphas = []
    for update in range(updates):
        method.advance(update, updates)
        method(model, x)
        alphas.append(method.alpha)
    return alphas


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_adaptive_alpha_of_a_linear_model(estimator: str) -> None:
    x = make_data(2, 4, 3)
    rising = _adaptive(0.1, estimator)
    assert _train(rising, _linear_model(4.0), x, 2) == pytest.approx([0.75, 0.75], rel=1e-12)
    falling = _adaptive(1.0, estimator, 0.5, 2)
    expected = [0.875, 0.875, 0.8125, 0.8125]  # α* = 3/4, halfway every other update
    assert _train(falling, _linear_model(4.0), x, 4) == pytest.approx(expected, rel=1e-12)
    stable = _adaptive(0.4, estimator, 0.5, 1)
    assert _train(stable, _linear_model(0.5), x, 2) == pytest.approx([0.2, 0.1], rel=1e-12)


def test_estimates_of_jacobian_growth() -> None:
    """Two sequences of two Jacobians, worked out by hand."""
    a, b = torch.diag(torch.tensor([2.0, 1.0])), torch.diag(torch.tensor([0.0, 8.0]))
    J = torch.stack([torch.stack([a, b]), torch.stack([a, -a])])
    found = {name: estimate(J).item() for name, estimate in ESTIMATORS.items()}
    expected = {"product": 4.0, "arithmetic_mean": 4.5, "maximum": 8.0}
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("variant", ["lstm", "plrnn"])
def test_the_product_bounds_the_growth_along_a_sequence(variant: str) -> None:
    model, x = make_model(variant, _LATENTS, _OBSERVED, _INPUTS), make_data(3, 6, _OBSERVED)
    s = make_data(3, 6, _INPUTS, seed=2)
    method = _adaptive(0.0)
    method.advance(0, 1)
    method(model, x, s)
    growth = []
    for sample, driving in zip(x, s, strict=True):
        J = model.jacobian(model.force(sample[:-1]).detach(), driving[1:])
        whole = torch.linalg.multi_dot(list(J.flip(0)))
        growth.append(torch.linalg.matrix_norm(whole, 2) ** (1 / 6))
    assert method.alpha >= 1 - 1 / max(growth).item()


def test_adaptive_alpha_is_estimated_in_training_alone_and_remembered() -> None:
    model, x = _linear_model(4.0), make_data(1, 4, 3)
    method = _adaptive(0.5)
    method(model, x)
    assert method.alpha == 0.5
    _train(method, model, x, 1)
    method(_linear_model(10.0), x)
    assert method.alpha == pytest.approx(0.75)
    other = _adaptive(0.5)
    other.load_state_dict(method.state_dict())
    assert other.alpha == method.alpha


def test_adaptive_alpha_stays_when_the_model_has_diverged() -> None:
    method = _adaptive(0.5)
    assert _train(method, _linear_model(float("inf")), make_data(1, 4, 3), 1) == [0.5]


def test_unknown_names_list_the_choices() -> None:
    with pytest.raises(RequestError, match=r"alpha\.estimator: 'x' is unknown; accepted: arith"):
        _adaptive(1.0, estimator="x")
    with pytest.raises(RequestError, match=r"forcing\.name: 'x' is unknown; accepted: .*none, "):
        build_method(ForcingSettings(name="x"), None, None)
    with pytest.raises(RequestError, match=r"alpha\.name: 'x' is unknown; accepted: adaptive"):
        build_method(ForcingSettings(name="none"), None, AlphaSettings(name="x"))
