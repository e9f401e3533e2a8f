"""The training loop, for one model or several that differ in their seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.training.cuda_graph import Differentiate, Recordings, cuda_graph
from sfbptt_cli.training.loss import differentiate
from sfbptt_cli.training.trainer import Batch, Diverged, Row, Trainer


@dataclass(frozen=True)
class Member:
    """A model in training, and who wants to know of it."""

    trainer: Trainer
    save: Callable[[str], None] = lambda which: None  # asks for a checkpoint: last, best
    updated: Callable[[], None] = lambda: None  # called after every update
    epoch_done: Callable[[Row], None] = lambda row: None  # with the history's new row
    failed: Callable[[Diverged], None] | None = None  # without it a divergence is raised


def fit(members: Sequence[Member], stop: Callable[[], bool]) -> None:
    """Train all to their last epoch, each from where it stands; one that diverges is left behind.

    When `stop()` is true the next update is followed by checkpoints and Interrupted.
    """
    on_gpu = any(p.is_cuda for m in members for p in m.trainer.model.parameters())
    gradient = Recordings(differentiate, cuda_graph) if on_gpu else differentiate
    active = [member for member in members if not member.trainer.done]
    while active:
        if stop():
            for member in active:
                member.save("last")
            raise Interrupted(active[0].trainer.position)
        errors = update([member.trainer for member in active], gradient)
        for member, error in zip(active, errors, strict=True):
            _conclude(member, error)
        finite = [m for m, error in zip(active, errors, strict=True) if error is None]
        active = [member for member in finite if not member.trainer.done]


def update(
    trainers: Sequence[Trainer], differentiate: Differentiate = differentiate
) -> list[Diverged | None]:
    """Make one step of the optimizer for each model; return which have diverged, and how.

    Windows of data are drawn, the method predicts them, the loss is differentiated, its gradient is
    clipped, and the parameters move (Mikhaeil et al. 2022, section 4). Models whose methods are
    alike, in τ or α, share a rollout.
    """
    batches = [trainer.next_batch() for trainer in trainers]
    errors: list[Diverged | None] = [None] * len(trainers)
    for members in _alike(trainers):
        chosen = [trainers[index] for index in members]
        found = _step(chosen, [batches[index] for index in members], differentiate)
        for index, error in zip(members, found, strict=True):
            errors[index] = error
    return errors


def _step(
    trainers: Sequence[Trainer], batches: Sequence[Batch], differentiate: Differentiate
) -> list[Diverged | None]:
    """Differentiate the loss of models whose methods are alike, and move their parameters."""
    for trainer in trainers:
        trainer.optimizer.zero_grad()
    try:
        losses = differentiate(trainers, batches)
    except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
        if len(trainers) == 1:
            return [trainers[0].diverged("the readout lost rank and has no inverse")]
        # The error does not name the model; each by itself does.
        alone = zip(trainers, batches, strict=True)
        return [error for t, b in alone for error in _step([t], [b], differentiate)]
    errors: list[Diverged | None] = []
    for trainer, loss in zip(trainers, losses, strict=True):
        try:
            trainer.step(loss)
            errors.append(None)
        except Diverged as error:
            errors.append(error)
    return errors


def _alike(trainers: Sequence[Trainer]) -> list[list[int]]:
    """Group the indices of the models that can share a rollout."""
    groups: dict[float | str, list[int]] = defaultdict(list)
    for index, trainer in enumerate(trainers):
        alike = trainer.method.alike
        groups[f"alone {index}" if alike is None else alike].append(index)
    return list(groups.values())


def _conclude(member: Member, error: Diverged | None) -> None:
    """Tell of an update, and of an epoch that it has ended."""
    if error is not None:
        if member.failed is None:
            raise error
        member.failed(error)
        return
    trainer = member.trainer
    member.updated()
    if trainer.progress.batch == len(trainer.windows):
        improved = trainer.finish_epoch()
        member.epoch_done(trainer.progress.history[-1])
        if improved:
            member.save("best")
        member.save("last")
