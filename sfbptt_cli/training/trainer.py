"""A training: its parts, where it stands, and what an update does to it."""

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

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.training.losses import Loss
from sfbptt_cli.training.validation import Validation

Row = dict[str, float | int | None]

# Models as good as one another differ by about this factor, as trajectories of a system do. Among
# scores that close the later epoch is kept: its loss is lower, and the lowest of many scores is the
# luckiest one. On Lorenz data it had a fourteenth of the loss and predicted a third
# further.
_TIE = 2.0

# Added to the norm of a gradient that may be zero.
_ABOVE_ZERO = 1e-6

# Columns of `validation.JacobianNorms`.
_NOT_DIAGNOSED: Row = {"log_jacobian_tau": None, "log_jacobian_window": None}


class Diverged(RunFailed):
    """Loss, gradient or parameters left the finite numbers."""


@dataclass
class Batch:
    """What the loss is computed from."""

    x: Tensor  # windows (batch, w + T + 1, obs), standardised
    teacher: Tensor  # the same with noise, what states are computed from
    s: Tensor | None  # external inputs (batch, w + T + 1, input)


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


@dataclass
class Trainer:
    """A model in training and everything that belongs to it.

    `loss(predicted, x)` is of the method's predictions x̂_2 … x̂_{T+1}, standardised;
    `penalty(model)` is added to it. `noise(x, update)` gives the observations that states are
    computed from. The gradient is scaled down to the norm `clip_norm`, then each of its entries is
    cut at ± `clip_value`. `diagnose(model, tau)` adds columns to the rows of validated epochs.
    """

    model: LatentModel
    windows: Windows
    method: Method
    optimizer: Optimizer
    schedule: LRScheduler
    epochs: int
    loss: Loss
    clip_norm: float = math.inf
    clip_value: float | None = None
    penalty: Callable[[LatentModel], Tensor] | None = None
    noise: Callable[[Tensor, int], Tensor] | None = None
    validation: Validation | None = None
    validate_every: int = 0
    diagnose: Callable[[LatentModel, int | None], dict[str, float]] | None = None
    progress: Progress = field(default_factory=Progress)
    _drawn: tuple[int, NDArray[np.int64]] | None = None  # an epoch and its windows

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return self.progress.epoch * len(self.windows) + self.progress.batch

    @property
    def done(self) -> bool:
        """Whether all epochs are finished."""
        return self.progress.epoch >= self.epochs

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def position(self) -> str:
        """Where training stands, in words."""
        return f"epoch {self.progress.epoch + 1} of {self.epochs}"

    def next_batch(self) -> Batch:
        """Return the windows of the next update, with τ and α set for it."""
        epoch = self.progress.epoch
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, self.windows.starts(epoch)
        starts = self._drawn[1][self.progress.batch]
        self.method.advance(self.updates, self.epochs * len(self.windows))
        x = self.windows.batch(starts)
        teacher = x if self.noise is None else self.noise(x, self.updates)
        return Batch(x, teacher, self.windows.inputs(starts))

    @property
    def _parameters(self) -> list[nn.Parameter]:
        # A walk through the model takes longer than a norm.
        return self.optimizer.param_groups[0]["params"]

    def forget_gradient(self) -> None:
        """Make room for the gradient of the next update."""
        for parameter in self._parameters:
            parameter.grad = None

    def _clip(self) -> float:
        """Clip the gradient; return its norm before that."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm = _joined(gradients).norm().item()
        scale = self.clip_norm / (norm + _ABOVE_ZERO)
        for gradient in gradients:
            if scale < 1:
                gradient.mul_(scale)
            if self.clip_value is not None:
                gradient.clamp_(-self.clip_value, self.clip_value)
        return norm

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        """Clip the gradient, move the parameters along it, and count the update.

        Raises Diverged: for a loss or gradient before the parameters are harmed, for parameters
        before there can be a checkpoint of them.
        """
        loss_value, norm = loss.item(), self._clip()
        if not (math.isfinite(loss_value) and math.isfinite(norm)):
            raise self.diverged(f"loss {loss_value}, gradient norm {norm}")
        self.optimizer.step()
        # 0 · x is 0 of finite numbers alone: a third of the time of `isfinite`.
        if _joined(self._parameters).mul_(0).sum().item() != 0:
            found = f"loss {loss_value}, gradient norm {norm}"
            raise self.diverged(f"parameters not finite after {found}")
        self.schedule.step()
        self.progress.batch += 1
        self.progress.loss += loss_value
        self.progress.gradient_norm += norm
        self.progress.tau += self.method.tau or 0

    def diverged(self, how: str) -> Diverged:
        """Name the update that diverged."""
        where = f"epoch {self.progress.epoch + 1}, update {self.progress.batch + 1}"
        return Diverged(f"diverged in {where}: {how}")

    def finish_epoch(self) -> bool:
        """Add the epoch's row to the history; return whether this model is the best so far."""
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
        diagnosis: Row = {}
        if self.diagnose is not None:
            # Every row has the columns, empty where nothing was computed.
            diagnosis.update(
                _NOT_DIAGNOSED if score is None else self.diagnose(self.model, self.method.tau)
            )
        progress.history.append(
            {
                "epoch": epoch,
                "loss": progress.loss / updates,
                "tau": None if self.method.tau is None else progress.tau / updates,
                "gradient_norm": progress.gradient_norm / updates,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "validation_d_stsp": score,
                "best": int(best),
                **diagnosis,
            }
        )
        progress.epoch, progress.batch = epoch, 0
        progress.loss = progress.gradient_norm = progress.tau = 0.0
        return best

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs in addition to the settings: tensors and plain values."""
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


def _joined(tensors: Iterable[Tensor]) -> Tensor:
    # What is asked of all at once takes half the time, and one transfer from the device.
    return torch.cat([tensor.flatten() for tensor in tensors])
