"""From checked settings to the objects that do the work."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict

import numpy as np
import torch

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.experiment.horizon import Horizon
from sfbptt_cli.forcing.catalogue import build_method
from sfbptt_cli.forcing.tau_schedule import TAU_SCHEDULES, TauAt
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.catalogue import find_model
from sfbptt_cli.models.settings import ModelSettings
from sfbptt_cli.training.losses import build_loss
from sfbptt_cli.training.optimizers import build_optimizer
from sfbptt_cli.training.penalties import Regularizer, TeacherNoise
from sfbptt_cli.training.trainer import Trainer
from sfbptt_cli.training.validation import JacobianNorms, Validation

# Numbers for each parameter, below which a model is held back, and by what: lorenz of 5,000 steps
# (four numbers a parameter) is reconstructed by five of five seeds with it, by three without.
_FEW, _OF_FEW_DATA = 10, 1e-6


def build_model(
    config: ModelSettings,
    obs_dim: int,
    input_dim: int,
    seed: int,
    warmup: int = 0,
    gain: float | str = "learned",
) -> LatentModel:
    """Make a model with the parameters that `seed` draws."""
    settings = asdict(config)
    model = find_model(settings.pop("name"))
    settings["latent_dim"] = config.latent_states(obs_dim)
    if config.readout == "identity" and settings["latent_dim"] < obs_dim:
        raise RequestError(
            f"model.latent_dim: {config.latent_dim} was given; accepted with readout=identity: at "
            f"least the {obs_dim} observed variables"
        )
    # A stream of its own, so that no other use of the seed changes the parameters.
    state = np.random.SeedSequence(seed, spawn_key=(0,)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0] >> 1))
    common = {"input_dim": input_dim, "warmup": warmup, "gain": gain}
    return model(obs_dim, **settings, **common, generator=generator)


def seed_torch(seed: int) -> None:
    """Seed torch's global stream, which differs from process to process.

    Nothing here draws from it, but models and methods of other packages may.
    """
    state = np.random.SeedSequence(seed, spawn_key=(4,)).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0] >> 1))


def build_device(name: str) -> torch.device:
    """Find the device. RequestError for cuda without a GPU.

    On a GPU, cuDNN's networks are told to keep all bits: by default their products have 10 of 23.
    What cuDNN says of parameters that are not side by side in memory is not shown: a user cannot
    change it.
    """
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RequestError("device: cuda was given, but torch sees no GPU; accepted: cpu")
    torch.backends.cudnn.allow_tf32 = False
    warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
    return torch.device("cuda")


def build_trainer(
    config: TrainSettings, dataset: Dataset, standardiser: Standardiser, horizon: Horizon
) -> Trainer:
    """Make what trains one model, as the settings have it."""
    device = build_device(config.device)
    warmup, window = horizon.warmup, horizon.window
    sizes = dataset.obs_dim, dataset.input_dim
    model = build_model(config.model, *sizes, config.seed, warmup=warmup, gain=horizon.gain)
    _require_observed(config, model)
    model = model.to(device)
    optimizer, schedule = build_optimizer(
        model.parameters(), config.optimizer, config.lr_schedule, config.updates
    )
    regularizer, noise = _regularization(config, dataset, model)
    windows = Windows(
        dataset,
        standardiser,
        warmup + window,
        config.batch_size,
        config.batches_per_epoch,
        config.seed,
        device,
    )
    chosen, clip_norm = config.validation, config.optimizer.clip_norm
    validation = None
    if chosen.every:
        validation = Validation(dataset, standardiser, chosen.steps, chosen.trajectories, warmup)
    return Trainer(
        model=model,
        windows=windows,
        method=build_method(config.forcing, _tau_schedule(config, horizon), config.alpha),
        optimizer=optimizer,
        schedule=schedule,
        epochs=int(config.epochs),
        loss=build_loss(horizon.loss_scale),
        clip_norm=math.inf if clip_norm is None else clip_norm,
        clip_value=config.optimizer.clip_value,
        penalty=regularizer,
        noise=noise,
        validation=validation,
        validate_every=chosen.every,
        diagnose=JacobianNorms(windows, window) if chosen.jacobian_norms else None,
    )


def _require_observed(config: TrainSettings, model: LatentModel) -> None:
    """Raise RequestError where generalised forcing would hold latents that nothing observes.

    It pulls them at every step towards the least ones that explain the observation. With 30 for
    three variables of Lorenz the shallow PLRNN and the PLRNN end on fixed points, at every rate and
    α tried; the shallow PLRNN with three, observed each, reconstructs it (Hess et al. 2023).
    """
    generalized = config.forcing.name == "generalized"
    require(
        not (generalized and model.piecewise_linear and config.model.latent_dim == "auto"),
        "model.latent_dim",
        "auto",
        f"a number with forcing=generalized and model={config.model.name}, such as that of the "
        f"observed variables: model.latent_dim={model.obs_dim} model.readout=identity",
    )


def _tau_schedule(config: TrainSettings, horizon: Horizon) -> TauAt | None:
    if config.tau_schedule is None or horizon.tau is None:
        return None
    settings = asdict(config.tau_schedule)
    build = lookup(TAU_SCHEDULES, settings.pop("name"), "tau_schedule.name")
    chosen = {"updates": config.updates, "window": horizon.window, "seed": config.seed}
    return build(horizon.tau, **chosen, **settings)


def latent_weight(config: TrainSettings, dataset: Dataset, model: LatentModel) -> float:
    """Return the weight of the squared parameters of the latent map."""
    weight = config.regularization.latent_weight
    if weight != "auto":
        return float(weight)
    few = dataset.train.size < _FEW * sum(p.numel() for p in model.parameters())
    return _OF_FEW_DATA if few else 0.0


def _regularization(
    config: TrainSettings, dataset: Dataset, model: LatentModel
) -> tuple[Regularizer | None, TeacherNoise | None]:
    std = config.regularization.teacher_noise
    weight = latent_weight(config, dataset, model)
    regularizer = Regularizer(config.regularization, weight)
    regularizer.check(model)
    return regularizer if regularizer else None, TeacherNoise(std, config.seed) if std else None
