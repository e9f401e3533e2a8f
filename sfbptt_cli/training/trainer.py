"""The training loop: loss, update, epochs, validation, resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sfbptt_cli.common.errors import Interrupted, RunFailed
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.training.cuda_graph import Batch, Record, Recordings
from sfbptt_cli.training.validation import Validation

Row = dict[str, float | int | None]

# Two validations of one model differ by about this factor. Among scores that close the later epoch
# is kept: its loss is lower, and the lowest of many scores is the luckiest one.
_TIE = 1.25

# Columns of `validation.JacobianNorms`.
_NOT_DIAGNOSED: Row = {"log_jacobian_tau": None, "log_jacobian_window": None}


class Diverged(RunFailed):
    """Loss, gradient or parameters left the finite numbers."""


@dataclass
class Progress:
    """Where training stands; with the parameters, all that resuming needs."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished updates of the epoch in progress
    loss: float = 0.0  # sums over the epoch in progress
    gradient_norm: float = 0.0
    tau: float = 0.0
    best_score: float = math.inf  # lowest validation D_stsp so far
    history: list[Row] = field(default_factory=list)


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    # At once: half the time, and one transfer from the device.
    return bool(torch.cat([tensor.detach().flatten() for tensor in tensors]).isfinite().all())


class Trainer:
    """Minimises the mean squared error of a training method's predictions.

    To it comes what `regularizer` makes of the model. `noise`, of the windows and the update, makes
    the observations that states are computed from. The gradient is scaled down to `clip_norm`, then
    each of its entries is cut at ±`clip_value`. On a GPU `record` makes a graph of loss and
    gradient. What `diagnose` says of the model, with the τ of
    the epoch's last update, joins the rows of validated epochs.
    """

    def __init__(
        self,
        model: LatentModel,
        windows: Windows,
        method: Method,
        tau_at: Callable[[int], int],
        optimizer: Optimizer,
        schedule: LRScheduler,
        clip_norm: float | None,
        epochs: int,
        validation: Validation | None,
        validate_every: int,
        diagnose: Callable[[LatentModel, int], dict[str, float]] | None = None,
        clip_value: float | None = None,
        regularizer: Callable[[LatentModel], Tensor] | None = None,
        noise: Callable[[Tensor, int], Tensor] | None = None,
        record: Record | None = None,
    ) -> None:
        self.model = model
        self.windows = windows
        self.method = method
        self.tau_at = tau_at
        self.optimizer = optimizer
        self.schedule = schedule
        self.clip_norm = math.inf if clip_norm is None else clip_norm
        self.clip_value = clip_value
        self.regularizer = regularizer
        self.noise = noise
        self.epochs = epochs
        self.validation = validation
        self.validate_every = validate_every
        self.diagnose = diagnose
        self.record = record
        self.progress = Progress()
        self._gradient = Recordings(
            lambda batches: self._differentiate(batches[0]), list(model.parameters()), record
        )
        self._drawn: tuple[int, NDArray[np.int64]] | None = None  # an epoch and its windows

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return self.progress.epoch * len(self.windows) + self.progress.batch

    @property
    def done(self) -> bool:
        """Whether all epochs are finished."""
        return self.progress.epoch >= self.epochs

    def loss(self, x: Tensor, tau: int | None, s: Tensor | None = None) -> Tensor:
        """Mean squared error of x̂_2 … x̂_{T+1}, x (batch, T + 1, obs), standardised."""
        return self._loss(Batch(x, self._teacher(x), tau, s))

    def _teacher(self, x: Tensor) -> Tensor:
        return x if self.noise is None else self.noise(x, self.updates)

    def _loss(self, batch: Batch) -> Tensor:
        predicted = self.method(self.model, batch.teacher, batch.tau, batch.s)
        return nn.functional.mse_loss(predicted, batch.x[:, 1:])

    def update(self, starts: NDArray[np.int64]) -> None:
        """One step of the optimizer on the windows at `starts`.

        Raises Diverged: for a loss or gradient before the parameters are harmed, for parameters
        before there can be a checkpoint of them.
        """
        batch = self.begin(starts)
        self.step(self.differentiate(batch), batch.tau)

    def begin(self, starts: NDArray[np.int64]) -> Batch:
        """What the next update is made of, with the windows at `starts`."""
        tau = self.tau_at(self.updates) if self.method.uses_tau else None
        self.method.advance(self.updates, self.epochs * len(self.windows))
        self.optimizer.zero_grad()
        x = self.windows.batch(starts)
        return Batch(x, self._teacher(x), tau, self.windows.inputs(starts))

    def differentiate(self, batch: Batch) -> Tensor:
        """The loss of a batch; the gradient of it and the penalty becomes the parameters'."""
        try:
            return self._gradient([batch], self.method.alike)
        except torch.linalg.LinAlgError as error:  # pyright: ignore[reportPrivateImportUsage]
            raise Diverged(f"{self._where()}: the readout lost rank and has no inverse") from error

    def _differentiate(self, batch: Batch) -> Tensor:
        loss = self._loss(batch)
        (loss + self.penalty()).backward()
        return loss

    def penalty(self) -> Tensor | float:
        """What the regularizer adds to the loss."""
        return 0.0 if self.regularizer is None else self.regularizer(self.model)

    def step(self, loss: Tensor, tau: int | None) -> None:
        """Move the parameters along the gradient that `differentiate` left, and count the update.

        Raises Diverged as `update` does.
        """
        norm = self._clip()
        loss_value, norm_value = loss.item(), norm.item()
        if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
            raise Diverged(f"{self._where()}: loss {loss_value}, gradient norm {norm_value}")
        self.optimizer.step()
        if not _all_finite(self.model.parameters()):
            raise Diverged(
                f"{self._where()}: parameters not finite after loss {loss_value}, "
                f"gradient norm {norm_value}"
            )
        self.schedule.step()
        self.progress.batch += 1
        self.progress.loss += loss_value
        self.progress.gradient_norm += norm_value
        self.progress.tau += tau or 0

    def _clip(self) -> Tensor:
        """Clip the gradient; its norm before that."""
        parameters = list(self.model.parameters())
        norm = nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        if self.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.clip_value)
        return norm

    def _where(self) -> str:
        return f"diverged in epoch {self.progress.epoch + 1}, update {self.progress.batch + 1}"

    def fit(
        self,
        stop: Callable[[], bool],
        save: Callable[[str], None],
        updated: Callable[[], None],
        epoch_done: Callable[[Row], None],
    ) -> None:
        """Train to the last epoch, from wherever `progress` stands.

        `save('last')` and `save('best')` ask for a checkpoint; `updated` is called after every
        update, `epoch_done` with the history's new row. When `stop()` is true the next update is
        followed by a checkpoint and Interrupted.
        """
        while not self.done:
            if stop():
                save("last")
                raise Interrupted(self.position())
            self.update(self.next_starts())
            updated()
            self.conclude(save, epoch_done)

    def position(self) -> str:
        """Where training stands, in words."""
        return f"epoch {self.progress.epoch + 1} of {self.epochs}"

    def next_starts(self) -> NDArray[np.int64]:
        """The windows of the next update."""
        epoch = self.progress.epoch
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, self.windows.starts(epoch)
        return self._drawn[1][self.progress.batch]

    def conclude(self, save: Callable[[str], None], epoch_done: Callable[[Row], None]) -> None:
        """What follows the last update of an epoch; nothing after another one."""
        if self.progress.batch < len(self.windows):
            return
        improved = self._finish_epoch()
        epoch_done(self.progress.history[-1])
        if improved:
            save("best")
        save("last")

    def _finish_epoch(self) -> bool:
        """Add the epoch's row to the history; True when best.pt should be replaced."""
        progress, updates = self.progress, len(self.windows)
        epoch = progress.epoch + 1
        final = epoch == self.epochs
        score = None
        if self.validation and self.validate_every and (final or epoch % self.validate_every == 0):
            score = self.validation(self.model)
        # Without a validated score the last epoch is the best one that is known.
        best = score is not None and score <= _TIE * progress.best_score
        best = best or (final and math.isinf(progress.best_score) and score is None)
        if score is not None:
            progress.best_score = min(score, progress.best_score)
        said: Row = {}
        if self.diagnose is not None:
            # Every row has the columns, empty where nothing was computed.
            tau = self.tau_at(self.updates - 1)
            said.update(self.diagnose(self.model, tau) if score is not None else _NOT_DIAGNOSED)
        progress.history.append(
            {
                "epoch": epoch,
                "loss": progress.loss / updates,
                "tau": progress.tau / updates if self.method.uses_tau else None,
                "gradient_norm": progress.gradient_norm / updates,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "validation_d_stsp": score,
                "best": int(best),
                **said,
            }
        )
        progress.epoch, progress.batch = epoch, 0
        progress.loss = progress.gradient_norm = progress.tau = 0.0
        return best

    def state_dict(self) -> dict[str, Any]:
        """Everything that resuming needs beside the configuration, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "method": self.method.state_dict(),
            "progress": asdict(self.progress),
            "rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.method.load_state_dict(state["method"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["rng"])
