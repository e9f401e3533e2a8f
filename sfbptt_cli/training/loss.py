"""The loss of one model, or of several that differ in their parameters, and its gradient."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sfbptt_cli.forcing.method import Method
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.training.trainer import Batch, Trainer


def differentiate(trainers: Sequence[Trainer], batches: Sequence[Batch]) -> Tensor:
    """Return the losses (K) of K models; their gradients are left in the parameters.

    Methods are alike (`Method.alike`). The penalties count in the gradients, not in the losses.
    """
    models = [trainer.model for trainer in trainers]
    losses = losses_of(models, trainers[0].method, batches)
    penalties = [trainer.penalty(trainer.model) for trainer in trainers if trainer.penalty]
    (losses.sum() + sum(penalties)).backward()
    return losses.detach()


def losses_of(models: Sequence[LatentModel], method: Method, batches: Sequence[Batch]) -> Tensor:
    """Return the mean squared errors (K) of K models, each on its own batch: one rollout for all.

    mean over batch, the T predicted times and observations of (x̂_t − x_t)², standardised.
    """
    if len(models) == 1:
        (batch,) = batches
        return _error(method(models[0], batch.teacher, batch.s), batch.x)[None]
    loss = _Loss(_without_kernels(models[0]), method)
    names = [name for name, _ in models[0].named_parameters()]
    parameters = {
        f"model.{name}": torch.stack([model.get_parameter(name) for model in models])
        for name in names
    }
    x, teacher = (torch.stack([getattr(b, name) for b in batches]) for name in ("x", "teacher"))
    inputs = [batch.s for batch in batches if batch.s is not None]
    s = torch.stack(inputs) if inputs else None

    def of_one(own: dict[str, Tensor], *data: Tensor | None) -> Tensor:
        return functional_call(loss, own, data)

    return vmap(of_one, in_dims=(0, 0, 0, None if s is None else 0))(parameters, x, teacher, s)


def _error(predicted: Tensor, x: Tensor) -> Tensor:
    return nn.functional.mse_loss(predicted, x[:, -predicted.shape[1] :])


def _without_kernels(model: LatentModel) -> LatentModel:
    """A model of the same equations that rolls out step by step: kernels take no ensembles."""
    twin = copy.deepcopy(model)
    twin.rollout, twin.follow = twin.rollout_by_steps, twin.follow_by_steps
    return twin


class _Loss(nn.Module):
    """The loss of one model as a module, so that its parameters can be given."""

    def __init__(self, model: LatentModel, method: Method) -> None:
        super().__init__()
        self.model = model
        self._method = method

    def forward(self, x: Tensor, teacher: Tensor, s: Tensor | None) -> Tensor:
        return _error(self._method(self.model, teacher, s), x)
