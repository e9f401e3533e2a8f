"""From validated settings to the objects that do the work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.forcing.catalogue import METHODS
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.forcing.tau_schedule import TAU_SCHEDULES, TauAt
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import find_model
from sfbptt_cli.models.settings import ModelSettings
from sfbptt_cli.training.cuda_graph import cuda_graph
from sfbptt_cli.training.optimizers import build_optimizer
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise
from sfbptt_cli.training.trainer import Trainer
from sfbptt_cli.training.validation import JacobianNorms, Validation


def build_model(config: ModelSettings, obs_dim: int, input_dim: int, seed: int) -> LatentModel:
    """A model with the parameters that `seed` draws."""
    settings = asdict(config)
    model = find_model(settings.pop("name"))
    if config.readout == "identity" and config.latent_dim < obs_dim:
        raise RequestError(
            f"model.latent_dim: {config.latent_dim} was given; accepted with readout=identity: at "
            f"least the {obs_dim} observed variables"
        )
    # A stream of its own, so that no other use of the seed changes the parameters.
    state = np.random.SeedSequence(seed, spawn_key=(0,)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0] >> 1))
    return model(obs_dim, **settings, input_dim=input_dim, generator=generator)


def seed_torch(seed: int) -> None:
    """Seed torch's global stream, which differs from process to process.

    Nothing here draws from it, but the models and methods of others may, and checkpoints hold it.
    """
    state = np.random.SeedSequence(seed, spawn_key=(4,)).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0] >> 1))


def build_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one; RequestError where `cuda` is asked for and absent."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise RequestError("device: cuda was given, but torch sees no GPU; accepted: auto, cpu")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def build_trainer(
    config: TrainSettings, dataset: Dataset, standardiser: Standardiser, tau: int | None
) -> Trainer:
    """Everything `config` says about training, ready to fit."""
    device = build_device(config.device)
    model = build_model(config.model, dataset.obs_dim, dataset.input_dim, config.seed).to(device)
    chosen = config.optimizer
    assert chosen.learning_rate is not None
    optimizer, schedule = build_optimizer(
        model.parameters(),
        chosen.name,
        chosen.learning_rate,
        chosen.schedule,
        chosen.warmup if chosen.warmup is not None else 0.3,
        config.epochs * config.batches_per_epoch,
        final=chosen.final if chosen.final is not None else 1e-3,
        options=chosen.options(),
    )
    regularizer, noise = _regularization(config, model)
    windows = Windows(
        dataset,
        standardiser,
        config.window,
        config.batch_size,
        config.batches_per_epoch,
        config.seed,
        device,
    )
    norms = JacobianNorms(windows, config.window) if config.validation.jacobian_norms else None
    return Trainer(
        model=model,
        windows=windows,
        method=_method(config),
        tau_at=_tau_schedule(config, tau),
        optimizer=optimizer,
        schedule=schedule,
        clip_norm=chosen.clip_norm,
        epochs=config.epochs,
        validation=_validation(config, dataset, standardiser),
        validate_every=config.validation.every,
        diagnose=norms,
        clip_value=chosen.clip_value,
        regularizer=regularizer,
        noise=noise,
        record=cuda_graph if device.type == "cuda" else None,
    )


def _validation(
    config: TrainSettings, dataset: Dataset, standardiser: Standardiser
) -> Validation | None:
    steps, trajectories = config.validation.steps, config.validation.trajectories
    if steps is None or trajectories is None:
        return None
    return Validation(dataset, standardiser, steps, trajectories)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what is null because another setting leaves it without meaning."""
    return {key: value for key, value in settings.items() if value is not None}


def _method(config: TrainSettings) -> Method:
    settings = asdict(config.forcing)
    build = lookup(METHODS, settings.pop("name"), "forcing.name")
    return build(**_given(settings))


def _tau_schedule(config: TrainSettings, tau: int | None) -> TauAt:
    if tau is None:
        return lambda update: config.window  # of no meaning to a method without interval
    settings = asdict(config.tau_schedule)
    build = lookup(TAU_SCHEDULES, settings.pop("name"), "tau_schedule.name")
    updates = config.epochs * config.batches_per_epoch
    return build(tau, updates=updates, window=config.window, seed=config.seed, **settings)


def _regularization(
    config: TrainSettings, model: LatentModel
) -> tuple[Regularizer | None, TeacherNoise | None]:
    settings = asdict(config.regularization)
    std = settings.pop("teacher_noise")
    regularizer = Regularizer(**_given(settings))
    regularizer.check(model)
    return regularizer if regularizer else None, TeacherNoise(std, config.seed) if std else None
