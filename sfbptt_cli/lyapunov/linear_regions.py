"""The linear regions of a piecewise linear model, where they can all be listed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sfbptt_cli.models.al_rnn import ALRNN
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.dendritic_plrnn import DendriticPLRNN
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.models.shallow_plrnn import ShallowPLRNN

MOST_REGIONS = 2**12


def affine_regions(model: LatentModel, s: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
    """The maps z' = J z + b of all linear regions: J (regions, M, M) and b (regions, M).

    None if there are more than 4096 of them or the model is not piecewise linear. Regions of a
    PLRNN and its kin are boxes between the kinks of each latent; of a shallow PLRNN, every
    combination of its hidden units that are on, though no state may have it. s (input_dim):
    constant external inputs.
    """
    if isinstance(model, ShallowPLRNN):
        return _hidden_regions(model, s)
    kinks = _kinks(model)
    if kinks is None or math.prod(len(row) + 1 for row in kinks) > MOST_REGIONS:
        return None
    # A point of each interval of each latent, and of each box.
    inside = [torch.cat([row[:1] - 1, (row[1:] + row[:-1]) / 2, row[-1:] + 1]) for row in kinks]
    inside = [row if len(row) else model.readout.weight.new_zeros(1) for row in inside]
    z = torch.cartesian_prod(*inside).reshape(-1, model.latent_dim)
    inputs = None if s is None else s.expand(len(z), -1)
    J = model.jacobian(z, inputs)
    return J, model.step(z, inputs) - (J @ z[..., None])[..., 0]


def _kinks(model: LatentModel) -> list[Tensor] | None:
    """Where the map bends in each latent, increasing; None unless it bends in latents alone."""
    zero = model.readout.weight.new_zeros(1)
    if isinstance(model, PLRNN):
        return [zero] * model.latent_dim
    if isinstance(model, ALRNN):
        return [zero[:0]] * model.linear_units + [zero] * (model.latent_dim - model.linear_units)
    if isinstance(model, DendriticPLRNN):
        extra = [zero] if model.clipped else []
        return [torch.cat([row, *extra]).unique() for row in model.H.detach()]
    return None


def _hidden_regions(model: ShallowPLRNN, s: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """A + W1 D W2 and W1 D1 h2 + h1 + C s; D = D1, less another D2 when clipped."""
    L = len(model.h2)
    if 2 ** (L * (1 + model.clipped)) > MOST_REGIONS:
        return None
    bits = torch.cartesian_prod(*[model.h2.new_tensor([0.0, 1.0])] * L).reshape(-1, L)
    on = above = bits
    if model.clipped:
        on = bits.repeat_interleave(len(bits), dim=0)
        above = on - bits.repeat(len(bits), 1)
    J = torch.diag(model.A) + (model.W1 * above[:, None, :]) @ model.W2
    return J, (on * model.h2) @ model.W1.T + model.h1 + model.drive(s)
