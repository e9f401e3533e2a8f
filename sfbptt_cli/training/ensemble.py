"""Models that differ in their seed, trained together: one loss, its gradient, for all of them.

On a GPU an update of these small models is a matter of starting kernels, and K models need no more
of them than one. Everything else (data, optimizer, clipping, validation, checkpoints) stays with
each model's own trainer, so that a member is the run of its seed up to rounding.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.piecewise_linear import PiecewiseLinear
from sfbptt_cli.training.cuda_graph import Batch, Recordings
from sfbptt_cli.training.trainer import Diverged, Row, Trainer


@dataclass(frozen=True)
class Member:
    """A trainer, and what `Trainer.fit` tells others; `failed` hears of its divergence."""

    trainer: Trainer
    save: Callable[[str], None]
    updated: Callable[[], None]
    epoch_done: Callable[[Row], None]
    failed: Callable[[Diverged], None]


def fit_together(members: Sequence[Member], stop: Callable[[], bool]) -> None:
    """Train all to their last epoch, each from where it stands; one that diverges is left behind.

    When `stop()` is true the next update is followed by checkpoints and Interrupted.
    """
    ensemble = Ensemble()
    active = [member for member in members if not member.trainer.done]
    while active:
        if stop():
            for member in active:
                member.save("last")
            raise Interrupted(active[0].trainer.position())
        errors = ensemble.update([member.trainer for member in active])
        for member, error in zip(active, errors, strict=True):
            if error is None:
                member.updated()
                member.trainer.conclude(member.save, member.epoch_done)
            else:
                member.failed(error)
        active = [
            member
            for member, error in zip(active, errors, strict=True)
            if error is None and not member.trainer.done
        ]


class Ensemble:
    """Updates of trainers together, and the recordings of them on a GPU."""

    def __init__(self) -> None:
        self._gradients: dict[tuple[int, ...], Recordings] = {}

    def update(self, trainers: Sequence[Trainer]) -> list[Diverged | None]:
        """The next update of every trainer; the divergence of those that have diverged.

        Gradients are computed together for models whose τ is the same at this update.
        """
        batches = [trainer.begin(trainer.next_starts()) for trainer in trainers]
        groups: dict[tuple[int | None, float | str], list[int]] = defaultdict(list)
        for index, (trainer, batch) in enumerate(zip(trainers, batches, strict=True)):
            alike = trainer.method.alike
            groups[batch.tau, f"alone {index}" if alike is None else alike].append(index)
        errors: list[Diverged | None] = [None] * len(trainers)
        for members in groups.values():
            chosen = [trainers[index] for index in members]
            found = self._update_alike(chosen, [batches[index] for index in members])
            for index, error in zip(members, found, strict=True):
                errors[index] = error
        return errors

    def _update_alike(
        self, trainers: Sequence[Trainer], batches: Sequence[Batch]
    ) -> list[Diverged | None]:
        losses = self._differentiate(trainers, batches) if len(trainers) > 1 else None
        return [
            _step(trainer, batch, None if losses is None else losses[index])
            for index, (trainer, batch) in enumerate(zip(trainers, batches, strict=True))
        ]

    def _differentiate(
        self, trainers: Sequence[Trainer], batches: Sequence[Batch]
    ) -> Tensor | None:
        """Losses (K), their gradients in the parameters; None where one cannot be computed."""
        key = tuple(map(id, trainers))
        if key not in self._gradients:
            parameters = [p for trainer in trainers for p in trainer.model.parameters()]
            differentiate = partial(_differentiate, trainers, stepwise(trainers[0].model))
            self._gradients[key] = Recordings(differentiate, parameters, trainers[0].record)
        try:
            return self._gradients[key](batches, trainers[0].method.alike)
        except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
            return None  # each by itself tells whose it is


def _step(trainer: Trainer, batch: Batch, loss: Tensor | None) -> Diverged | None:
    try:
        trainer.step(trainer.differentiate(batch) if loss is None else loss, batch.tau)
    except Diverged as error:
        return error
    return None


def _differentiate(
    trainers: Sequence[Trainer], twin: LatentModel, batches: Sequence[Batch]
) -> Tensor:
    models = [trainer.model for trainer in trainers]
    losses = losses_together(twin, models, trainers[0].method, batches)
    penalties = sum(trainer.penalty() for trainer in trainers)
    (losses.sum() + penalties).backward()
    return losses.detach()


def losses_together(
    twin: LatentModel, models: Sequence[LatentModel], method: Method, batches: Sequence[Batch]
) -> Tensor:
    """The mean squared errors (K) of K models that differ in their parameters, each on its batch.

    One rollout for all, by `twin`, which is what `stepwise` makes of one of them.
    """
    loss = _Loss(twin, method, batches[0].tau)
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


def stepwise(model: LatentModel) -> LatentModel:
    """A model of the same equations that rolls out step by step: kernels take no ensembles."""
    twin = copy.deepcopy(model)
    generic = PiecewiseLinear if isinstance(model, PiecewiseLinear) else LatentModel
    twin.rollout = partial(generic.rollout, twin)
    return twin


class _Loss(nn.Module):
    """The loss of one model as a module, so that its parameters can be given."""

    def __init__(self, model: LatentModel, method: Method, tau: int | None) -> None:
        super().__init__()
        self.model = model
        self._method = method
        self._tau = tau

    def forward(self, x: Tensor, teacher: Tensor, s: Tensor | None) -> Tensor:
        predicted = self._method(self.model, teacher, self._tau, s)
        return nn.functional.mse_loss(predicted, x[:, 1:])
