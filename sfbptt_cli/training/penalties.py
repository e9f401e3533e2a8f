"""Penalties added to the prediction error, and noise on the teacher."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.training.settings import RegularizationSettings


def manifold_attractor(model: LatentModel, fraction: float) -> Tensor:
    """Return Σ_i [(A_ii - 1)² + Σ_j W_ij² + h_i²] over the last `fraction` of the latents (scalar).

    A latent with A_ii = 1 and nothing else in its equation keeps its value: directions in which
    states neither move nor gradients fade, for slow time scales (Schmidt, Koppe, Durstewitz, ICLR
    2021, with one weight for the three terms). W is the matrix whose rows enter each latent's
    equation: W without its diagonal in the PLRNN and its dendritic kind, the whole of W in the
    AL-RNN, W1 in the shallow PLRNN. External inputs may still move the latents. The last ones,
    because an identity readout observes the first.

    Raises RequestError for a model outside the PLRNN family.
    """
    A, W, h = model.linear_terms()
    first = model.latent_dim - round(fraction * model.latent_dim)
    return (A[first:] - 1).square().sum() + W[first:].square().sum() + h[first:].square().sum()


def latent_l2(model: LatentModel) -> Tensor:
    """Return Σ θ² over the parameters of the latent map (scalar)."""
    named = model.named_parameters()
    return _sum_of_squares(model, [p for n, p in named if not n.startswith("readout.")])


def readout_l2(model: LatentModel) -> Tensor:
    """Return Σ θ² over the parameters of the readout (scalar), 0 where it has none."""
    return _sum_of_squares(model, list(model.readout.parameters()))


def _sum_of_squares(model: LatentModel, parameters: list[torch.nn.Parameter]) -> Tensor:
    squares = [p.square().sum() for p in parameters]
    return torch.stack(squares).sum() if squares else model.readout.weight.new_zeros(())


@dataclass(frozen=True)
class Regularizer:
    """w_m · manifold_attractor + w_l · latent_l2 + w_r · readout_l2, added to the loss (scalar).

    A weight of 0 is off; w_l is `latent_weight`, as that of the settings may be `auto`.
    """

    settings: RegularizationSettings
    latent_weight: float

    def __call__(self, model: LatentModel) -> Tensor:
        w, penalty = self.settings, model.readout.weight.new_zeros(())
        if w.manifold_weight:
            term = manifold_attractor(model, w.manifold_fraction)
            penalty = penalty + w.manifold_weight * term
        if self.latent_weight:
            penalty = penalty + self.latent_weight * latent_l2(model)
        if w.readout_weight:
            penalty = penalty + w.readout_weight * readout_l2(model)
        return penalty

    def check(self, model: LatentModel) -> None:
        """Raise RequestError when the model has nothing that a term could act on."""
        if self.settings.manifold_weight:
            model.linear_terms()

    def __bool__(self) -> bool:
        """Return whether any term is on."""
        w = self.settings
        return bool(w.manifold_weight or self.latent_weight or w.readout_weight)


@dataclass(frozen=True)
class TeacherNoise:
    """x_t + std · ξ_t, ξ standard normal, in what states are computed from; targets stay as they
    are.

    std is in standardised units. The noise is a function of seed and update alone, the same on
    every device.
    """

    std: float
    seed: int

    def __call__(self, x: Tensor, update: int) -> Tensor:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(3, update))
        noise = np.random.default_rng(sequence).standard_normal(tuple(x.shape))
        return x + self.std * torch.from_numpy(noise).to(x)
