"""A small model in training on a closed curve: what the tests of training build."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from conftest import as_dataset, usual_sizes
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sfbptt_cli.data.dataset import Dataset, Inputs, Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.forcing.sparse import Sparse
from sfbptt_cli.models.catalogue import MODELS
from sfbptt_cli.training.loop import fit
from sfbptt_cli.training.losses import build_loss
from sfbptt_cli.training.optimizers import build_optimizer
from sfbptt_cli.training.settings import LR_SCHEDULE_SETTINGS, OPTIMIZER_SETTINGS
from sfbptt_cli.training.trainer import Trainer
from sfbptt_cli.training.validation import Validation

EPOCHS, BATCHES, WINDOW, TAU = 4, 5, 12, 5


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    updates: int,
    optimizer: str = "adam",
    rate: float = 1e-2,
    schedule: str = "onecycle",
    shape: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Optimizer, LRScheduler]:
    """Build an optimizer and its schedule; `shape` holds settings of the schedule."""
    usual = {"rise": 0.3} if schedule == "onecycle" else {}
    chosen = OPTIMIZER_SETTINGS[optimizer](name=optimizer, learning_rate=rate, **options)
    varied = LR_SCHEDULE_SETTINGS[schedule](name=schedule, **{**usual, **(shape or {})})
    return build_optimizer(parameters, chosen, varied, updates)


def curve(N: int = 3, K: int = 0) -> Dataset:
    """Make N variables on a closed curve, driven by K = 1 input or none."""
    t = 0.1 * np.arange(400)
    series = np.stack([np.sin(t), 2 + np.cos(t), np.sin(2 * t)], axis=1)[:, :N]
    driving = np.cos(3 * t)[:, None]
    inputs = Inputs(("s",), driving, driving, Standardiser.of(driving)) if K else None
    return as_dataset(series, inputs=inputs)


def validation_on(dataset: Dataset) -> Validation:
    return Validation(dataset, Standardiser.of(dataset.train), 100, 3)


def make_trainer(
    seed: int = 0,
    *,
    model: str = "lstm",
    readout: str = "linear",
    warmup: int = 0,
    latent_dim: int = 5,
    dataset: Dataset | None = None,
    epochs: int = EPOCHS,
    batches: int = BATCHES,
    optimizer: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    **changes: Any,
) -> Trainer:
    """Make a trainer of sparse forcing without validation; `changes` replace its fields."""
    data = curve() if dataset is None else dataset
    built = MODELS[model](
        data.obs_dim,
        latent_dim,
        torch.Generator().manual_seed(seed),
        input_dim=data.input_dim,
        readout=readout,
        warmup=warmup,
        **usual_sizes(model),
    ).to(device, dtype)
    chosen, schedule = make_optimizer(built.parameters(), epochs * batches, **(optimizer or {}))
    place, scale = torch.device(device), Standardiser.of(data.train)
    settings: dict[str, Any] = {
        "model": built,
        "windows": Windows(data, scale, warmup + WINDOW, 4, batches, seed, place, dtype),
        "method": Sparse(lambda update: TAU),
        "optimizer": chosen,
        "schedule": schedule,
        "clip_norm": 1.0,
        "epochs": epochs,
        "loss": build_loss(None),
    }
    return Trainer(**{**settings, **changes})


def never() -> bool:
    return False


def train(trainer: Trainer, stop: Callable[[], bool] = never) -> list[str]:
    """Train one model to its end; return the checkpoints that were asked for."""
    saved: list[str] = []
    fit(trainer, stop, save=saved.append)
    return saved
