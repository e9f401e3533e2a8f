"""Our side of the comparisons: the program's own trainer on a Lorenz series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.experiment.build import build_model
from sfbptt_cli.forcing.sparse import Sparse
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.settings import MODEL_SETTINGS
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.runge_kutta import runge_kutta, vector_field
from sfbptt_cli.training.loop import update
from sfbptt_cli.training.losses import build_loss
from sfbptt_cli.training.optimizers import build_optimizer
from sfbptt_cli.training.settings import OneCycleSettings, SOAPSettings
from sfbptt_cli.training.trainer import Trainer

_BATCHES = 100  # windows are drawn for an epoch at once
_UPDATES = 10_000_000  # more than any measurement makes


def lorenz(steps: int, dt: float = 0.01) -> NDArray[np.float64]:
    """A standardised Lorenz trajectory (steps, 3), good enough to be timed on."""
    system = SYSTEMS["lorenz"]
    field = vector_field(system, system.parameters)
    state = np.array(system.start)
    states = np.empty((steps, 3))
    for i in range(steps):
        states[i] = state = runge_kutta(field, state, dt)
    return Standardiser.of(states).standardise(states)


def series_file(path: Path, steps: int) -> Path:
    """A .npy file of `steps` rows, Lorenz trajectories end to end."""
    part = lorenz(20_000).astype(np.float32)
    file = np.lib.format.open_memmap(path, "w+", part.dtype, (steps, part.shape[1]))
    for first in range(0, steps, len(part)):
        file[first : first + len(part)] = part[: steps - first]
    file.flush()
    return path


def recorded(series: NDArray[Any]) -> Dataset:
    """A series (T, N) as a dataset."""
    return Dataset(
        name="benchmark",
        train=series,
        test=series,
        independent=None,
        variables=tuple(f"x{i + 1}" for i in range(series.shape[1])),
        dt=1.0,
        time_unit="steps",
        lambda_max=None,
        lambda_source="not given",
    )


def make_model(name: str, obs_dim: int = 3, latent_dim: int = 30, warmup: int = 0) -> LatentModel:
    """A model as the program draws it at seed 0."""
    settings = MODEL_SETTINGS[name](name=name, latent_dim=latent_dim)
    return build_model(settings, obs_dim, 0, seed=0, warmup=warmup)


def make_trainer(
    model: LatentModel,
    series: NDArray[Any],
    window: int,
    batch: int,
    tau: int,
) -> Trainer:
    """Make the trainer that `sfbptt train` builds, without validation, with the paper's loss."""
    optimizer, schedule = build_optimizer(
        model.parameters(),
        SOAPSettings(name="soap", learning_rate=1e-2),
        OneCycleSettings(name="onecycle", rise=0.1),
        _UPDATES,
    )
    windows = Windows(
        recorded(series),
        Standardiser.of(series),
        model.warmup + window,
        batch,
        _BATCHES,
        0,
        torch.device("cpu"),
    )
    return Trainer(
        model=model,
        windows=windows,
        method=Sparse(lambda update: tau),
        optimizer=optimizer,
        schedule=schedule,
        clip_norm=1.0,
        epochs=_UPDATES // _BATCHES,
        loss=build_loss(None),
    )


def updates(trainer: Trainer) -> Callable[[], None]:
    """Return a function that makes the next update, epoch after epoch."""
    progress = trainer.progress

    def make() -> None:
        update(trainer)
        if progress.batch == len(trainer.windows):
            progress.epoch, progress.batch = progress.epoch + 1, 0

    return make
