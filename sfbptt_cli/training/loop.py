"""The training loop and the update."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.training.trainer import Batch, Row, Trainer


def fit(
    trainer: Trainer,
    stop: Callable[[], bool],
    *,
    save: Callable[[str], None] = lambda which: None,
    updated: Callable[[], None] = lambda: None,
    epoch_done: Callable[[Row], None] = lambda row: None,
) -> None:
    """Train from where the trainer stands to the last epoch; raises Diverged.

    `save("last")` or `save("best")` asks for a checkpoint, `updated()` is called after each update,
    `epoch_done(row)` with each new row of the history. When `stop()` is true the next update is
    replaced by a checkpoint and Interrupted.
    """
    while not trainer.done:
        if stop():
            save("last")
            raise Interrupted(trainer.position)
        update(trainer)
        updated()
        if trainer.progress.batch == len(trainer.windows):
            improved = trainer.finish_epoch()
            epoch_done(trainer.progress.history[-1])
            if improved:
                save("best")
            save("last")


def update(trainer: Trainer) -> None:
    """Make one step of the optimizer; raises Diverged.

    Windows of data are drawn, the method predicts them, the loss is differentiated, its gradient is
    clipped, and the parameters move (Mikhaeil et al. 2022, section 4). A penalty counts in the
    gradient, not in the loss that is reported.
    """
    batch = trainer.next_batch()
    trainer.forget_gradient()
    try:
        loss = loss_of(trainer, batch)
        penalty = trainer.penalty(trainer.model) if trainer.penalty else 0.0
        (loss + penalty).backward()
    except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
        raise trainer.diverged("the readout lost rank and has no inverse") from None
    trainer.step(loss.detach())


def loss_of(trainer: Trainer, batch: Batch) -> Tensor:
    """Return the loss of x̂_2 … x̂_{T+1} of the windows, a scalar."""
    predicted = trainer.method(trainer.model, batch.teacher, batch.s)
    return trainer.loss(predicted, batch.x[:, -predicted.shape[1] :])
