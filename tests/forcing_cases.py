"""Models, data and the comparison with the literal oracle that the tests of methods share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import literal
import torch
from literal import Literal, State, Step
from torch import Tensor

from sfbptt_cli.forcing.catalogue import build_method
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.forcing.settings import FORCING_SETTINGS, ConstantAlphaSettings
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import MODELS

# Every model and variant: name in MODELS, sizes, its literal step.
Variant = tuple[str, dict[str, Any], Callable[..., Step]]
VARIANTS: dict[str, Variant] = {
    "lstm": ("lstm", {}, literal.lstm_step),
    "rnn": ("rnn", {}, literal.rnn_step),
    "gru": ("gru", {}, literal.gru_step),
    "plrnn": ("plrnn", {}, literal.plrnn_step),
    "dendritic": ("dendritic_plrnn", {"bases": 4, "clipped": False}, literal.dendritic_plrnn_step),
    "clipped dendritic": (
        "dendritic_plrnn",
        {"bases": 4, "clipped": True},
        lambda p: literal.dendritic_plrnn_step(p, clipped=True),
    ),
    "shallow": ("shallow_plrnn", {"hidden_dim": 6, "clipped": False}, literal.shallow_plrnn_step),
    "clipped shallow": (
        "shallow_plrnn",
        {"hidden_dim": 6, "clipped": True},
        lambda p: literal.shallow_plrnn_step(p, clipped=True),
    ),
    "al_rnn": (
        "al_rnn",
        {"linear_threshold_units": 2},
        lambda p: literal.al_rnn_step(p, linear_threshold_units=2),
    ),
}


def make_model(
    variant: str,
    latent_dim: int,
    obs_dim: int,
    input_dim: int = 0,
    readout: str = "linear",
    **observer: Any,
) -> LatentModel:
    name, sizes, _ = VARIANTS[variant]
    common = {"input_dim": input_dim, "readout": readout, **observer}
    generator = torch.Generator().manual_seed(0)
    model = MODELS[name](obs_dim, latent_dim, generator, **sizes, **common).double()
    with torch.no_grad():  # parameters that start at zero would hide mistakes
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator).double()
    return model


def make_method(name: str, tau: int = 3, alpha: float = 0.3) -> Method:
    """Build a method from its settings, without the interval or the α that it does not have."""
    settings = FORCING_SETTINGS[name](name=name)
    strength = ConstantAlphaSettings(name="constant", value=alpha)
    return build_method(
        settings,
        (lambda update: tau) if settings.has_tau else None,
        strength if settings.has_alpha else None,
    )


def make_data(batch: int, steps: int, dim: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, steps + 1, dim, generator=generator, dtype=torch.float64)


def gradients(model: LatentModel, loss: Tensor) -> dict[str, Tensor]:
    """Return the gradient of each parameter, zero where the loss does not depend on it."""
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
    return dict(zip(named, found, strict=True))


def make_literal(variant: str, model: LatentModel, obs_dim: int) -> Literal:
    _, _, step = VARIANTS[variant]
    p: dict[str, Tensor] = dict(model.named_parameters())
    one = next(iter(p.values()))
    if "C" not in p:
        p["C"] = one.new_zeros(model.gates * model.latent_dim, 0)
    if "readout.weight" in p:
        readout = literal.linear_readout(p["readout.weight"])
    else:
        readout = literal.identity_readout(p.get("readout.L", one.new_zeros(0, obs_dim)))

    def start(z: Tensor) -> State:
        return (z, torch.zeros_like(z)) if variant == "lstm" else (z,)

    return Literal(readout, step(p), start)


def mean_squared_error(predicted: Tensor, x: Tensor) -> Tensor:
    return torch.nn.functional.mse_loss(predicted, x[:, -predicted.shape[1] :])


def assert_same_gradients(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Compare to 1e-10 of a parameter's whole gradient: single entries may cancel to zero."""
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert (gradient - expected[name]).norm() <= 1e-10 * expected[name].norm(), name


def assert_same(model: LatentModel, loss: Tensor, expected: Tensor) -> None:
    """Compare losses, to 1e-10 relative, and gradients."""
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    assert_same_gradients(gradients(model, loss), gradients(model, expected))
