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

from sfbptt_cli.data import Dataset, Standardiser, Windows
from sfbptt_cli.errors import Interrupted, RunFailed
from sfbptt_cli.forcing import Method
from sfbptt_cli.generation import along, generate
from sfbptt_cli.lyapunov.jacobian_products import jacobian_products
from sfbptt_cli.metrics import d_stsp_binned, d_stsp_gmm, grid_is_filled
from sfbptt_cli.models import LatentModel

Row = dict[str, float | int | None]

# Windows whose first states Jacobian products start from.
_JACOBIAN_STARTS = 16
# Points of the training series that a validation compares with.
_VALIDATION_POINTS = 100_000
_VALIDATION_BINS = 30
# Two validations of one model differ by about this factor. Among scores that close the later epoch
# is kept: its loss is lower, and the lowest of many scores is the luckiest one.
_TIE = 1.25


# Columns of `JacobianNorms`.
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


class Validation:
    """D_stsp between short free generations and the training series.

    Many trajectories at once cost little more than one, and one of the same cost has a D_stsp too
    noisy to tell converged models apart. Their first tenth, still near the data they start from, is
    not counted. Binned where the points fill the grid, else GMM. With external inputs they run
    along the training trajectories, as far as those reach.
    """

    def __init__(
        self, dataset: Dataset, standardiser: Standardiser, steps: int, trajectories: int
    ) -> None:
        series = dataset.train
        stride = max(1, len(series) // _VALIDATION_POINTS)
        self._truth = np.asarray(series[::stride])
        self._inputs = None
        if dataset.inputs is None:
            starts = np.linspace(0, len(series) - 1, trajectories).astype(int)
        else:
            lengths = [part.stop - part.start for part in dataset.trajectories]
            steps = min(steps, max(lengths) - 1)
            possible = np.concatenate(
                [np.arange(part.start, part.stop - steps) for part in dataset.trajectories]
            )
            starts = possible[np.linspace(0, len(possible) - 1, trajectories).astype(int)]
            self._inputs = along(dataset.inputs.train, starts, steps)
        self._starts = np.asarray(series[starts])
        self._standardiser = standardiser
        self._steps = steps

    def __call__(self, model: LatentModel) -> float:
        generated = generate(model, self._standardiser, self._starts, self._steps, self._inputs)
        generated = generated[:, self._steps // 10 :].reshape(-1, model.obs_dim)
        if grid_is_filled(*self._truth.shape, bins=_VALIDATION_BINS):
            return d_stsp_binned(self._truth, generated, bins=_VALIDATION_BINS).value
        return d_stsp_gmm(self._truth, generated, points=2_000, samples=500)


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    # At once: half the time, and one transfer from the device.
    return bool(torch.cat([tensor.detach().flatten() for tensor in tensors]).isfinite().all())


class JacobianNorms:
    """Mean ln ‖∂z_{t+n}/∂z_t‖₂ over n = τ and n = T steps, from states forced on training data.

    With forcing every τ steps no gradient passes more than the first; without, none less than the
    second (Mikhaeil et al. 2022, theorem 2).
    """

    def __init__(self, windows: Windows, window: int) -> None:
        starts = windows.starts(0).reshape(-1)[:_JACOBIAN_STARTS]
        self._x = windows.batch(starts)[:, 0]
        self._s = windows.inputs(starts)
        self._window = window

    def __call__(self, model: LatentModel, tau: int) -> dict[str, float]:
        state = model.force(self._x).detach()
        s = None if self._s is None else self._s[:, 1:]
        norms = jacobian_products(model, state, self._window, 1, s).values.mean(axis=0)
        return {
            "log_jacobian_tau": float(norms[min(tau, self._window) - 1]),
            "log_jacobian_window": float(norms[-1]),
        }


class Trainer:
    """Minimises the mean squared error of a training method's predictions.

    To it comes what `regularizer` makes of the model. `noise`, of the windows and the update, makes
    the observations that states are computed from. The gradient is scaled down to `clip_norm`, then
    each of its entries is cut at ±`clip_value`. What `diagnose` says of the model, with the τ of
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
        self.progress = Progress()

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return self.progress.epoch * len(self.windows) + self.progress.batch

    def loss(self, x: Tensor, tau: int | None, s: Tensor | None = None) -> Tensor:
        """Mean squared error of x̂_2 … x̂_{T+1}, x (batch, T + 1, obs), standardised."""
        teacher = x if self.noise is None else self.noise(x, self.updates)
        return nn.functional.mse_loss(self.method(self.model, teacher, tau, s), x[:, 1:])

    def update(self, starts: NDArray[np.int64]) -> None:
        """One step of the optimizer on the windows at `starts`.

        Raises Diverged: for a loss or gradient before the parameters are harmed, for parameters
        before there can be a checkpoint of them.
        """
        tau = self.tau_at(self.updates) if self.method.uses_tau else None
        self.method.advance(self.updates, self.epochs * len(self.windows))
        self.optimizer.zero_grad()
        try:
            loss = self.loss(self.windows.batch(starts), tau, self.windows.inputs(starts))
        except torch.linalg.LinAlgError as error:  # pyright: ignore[reportPrivateImportUsage]
            raise Diverged(f"{self._where()}: the readout lost rank and has no inverse") from error
        penalty = 0.0 if self.regularizer is None else self.regularizer(self.model)
        (loss + penalty).backward()
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
        while self.progress.epoch < self.epochs:
            starts = self.windows.starts(self.progress.epoch)
            while self.progress.batch < len(self.windows):
                if stop():
                    save("last")
                    raise Interrupted(f"epoch {self.progress.epoch + 1} of {self.epochs}")
                self.update(starts[self.progress.batch])
                updated()
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
