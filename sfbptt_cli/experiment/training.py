"""The training of one run: from checked settings to checkpoints in its folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.experiment.build import build_device, build_trainer, seed_torch
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.tau_choice import resolve_tau
from sfbptt_cli.metrics.state_space import MAX_BINNED_DIMENSIONS
from sfbptt_cli.storage.checkpoint import load_training, save_checkpoint
from sfbptt_cli.storage.continuation import keep_previous, latest_checkpoint
from sfbptt_cli.storage.event_files import log_run, require_logger
from sfbptt_cli.storage.provenance import provenance
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.training.trainer import Row, Trainer

log = logging.getLogger("sfbptt")

# A tenth to a third faster than one; at these sizes more do not pay.
_THREADS = 2
# Seconds between two checkpoints of training: what a killed run may have to repeat.
_CHECKPOINT_SECONDS = 5.0


@dataclass
class Prepared:
    """What the settings of a run come to, before its folder is touched."""

    dataset: Dataset
    standardiser: Standardiser
    tau: int | None
    tau_source: str
    trainer: Trainer


def use_threads(folder: RunFolder, config: TrainSettings, stored: dict[str, Any]) -> None:
    """Let torch use the threads of the run."""
    threads = _THREADS if config.threads == "auto" else int(config.threads)
    if stored["threads"] == "auto" and not config.overwrite:
        # Those that the run was begun with, as the last digits may depend on them.
        threads = folder.manifest().get("threads", threads)
    torch.set_num_threads(threads)


def prepare(config: TrainSettings) -> Prepared:
    """Data, τ and model; finds all that can be wrong with the request."""
    require_logger(config.logger.name)
    seed_torch(config.seed)
    build_device(config.device)
    dataset = build_dataset(config.dataset, config.window)
    evidence = getattr(config.dataset, "lambda_evidence", "clear")
    tau, tau_source = resolve_tau(config.tau, config.window, dataset, evidence)
    if config.tau == "auto":
        log.info("tau = %s: %s", tau, tau_source)
    standardiser = Standardiser.of(dataset.train)
    trainer = build_trainer(config, dataset, standardiser, tau)
    require_measurable(config.evaluation, dataset)
    return Prepared(dataset, standardiser, tau, tau_source, trainer)


def require_measurable(config: EvaluationSettings, dataset: Dataset) -> None:
    """RequestError for an evaluation that the dataset is too wide or too short for."""
    require(
        config.estimator != "binned" or dataset.obs_dim <= MAX_BINNED_DIMENSIONS,
        "evaluation.estimator",
        "binned",
        f"auto or gmm beyond {MAX_BINNED_DIMENSIONS} variables; the data have {dataset.obs_dim}",
    )
    steps = len(dataset.test if config.part == "test" else dataset.train[dataset.trajectories[0]])
    require(
        config.prediction_steps < steps,
        "evaluation.prediction_steps",
        config.prediction_steps,
        f"less than the {steps} {config.part} steps",
    )


def require_same_data(folder: RunFolder, fingerprint: str) -> None:
    """RequestError where the run was begun with other data."""
    if folder.manifest().get("dataset") not in (None, fingerprint):
        raise RequestError(
            f"dataset: its data are no longer those that '{folder.path}' was begun with; "
            "accepted: the same data, name=… for another folder, or overwrite=true to start again"
        )


def begin(
    folder: RunFolder, config: TrainSettings, found: Prepared, fingerprint: str, **more: object
) -> None:
    """Tell run.json what is about to be trained, and on what data; `more` goes there, too."""
    folder.update_manifest(
        **provenance(),
        dataset=fingerprint,
        preprocessing=list(found.dataset.preprocessing),
        lambda_max=found.dataset.lambda_max,
        lambda_source=found.dataset.lambda_source,
        tau=found.tau,
        tau_source=found.tau_source,
        device=str(build_device(config.device)),
        threads=torch.get_num_threads(),
        parameters=sum(p.numel() for p in found.trainer.model.parameters()),
        started=folder.manifest().get("started", now()),
        status="running",
        **more,
    )


def resume(folder: RunFolder, trainer: Trainer) -> None:
    """Continue from the latest checkpoint, if there is one."""
    beginning, batches = trainer.state_dict(), len(trainer.windows)
    content = latest_checkpoint(
        folder, lambda path: load_training(path, beginning, trainer.epochs, batches)
    )
    if content is None:
        return
    trainer.load_state_dict(content)
    log.info("continuing %s after %d updates", folder.path, trainer.updates)
    if folder.manifest().get("status") == "diverged":
        log.warning("it diverged after those; with the same data and settings it will again")
    if trainer.progress.history:  # may have rows of epochs that are to come again, or be damaged
        folder.write_history(trainer.progress.history)


def last_good(folder: RunFolder, trainer: Trainer, seed: int) -> str:
    """Which windows the update was made of (see `Windows.starts`), and what was before it."""
    progress = trainer.progress
    good = next((p for p in (folder.last, folder.best) if p.exists()), None)
    return (
        f"its windows: row {progress.batch} of SeedSequence({seed}, spawn_key=(1, "
        f"{progress.epoch})); "
        + (f"the last good checkpoint is {good}" if good else "no checkpoint yet")
    )


def saver(
    folder: RunFolder, trainer: Trainer, standardiser: Standardiser, stop: Callable[[], bool]
) -> Callable[[str], None]:
    """A function that writes the `last` or `best` checkpoint; `last` only when it is due."""
    saved = time.monotonic()
    scale = {
        "mean": torch.from_numpy(standardiser.mean),
        "std": torch.from_numpy(standardiser.std),
    }

    def save(which: str) -> None:
        nonlocal saved
        done = trainer.progress.epoch == trainer.epochs
        due = time.monotonic() - saved > _CHECKPOINT_SECONDS
        if which == "last" and not (done or due or stop()):
            return
        # First the history: training that has a checkpoint of its end does not write it again.
        if trainer.progress.history:
            folder.write_history(trainer.progress.history)
            log_run(folder, training=not (done or stop()))
        folder.require_own()
        folder.checkpoints.mkdir(exist_ok=True)
        if which == "last":
            keep_previous(folder)
        content = {"standardiser": scale, **trainer.state_dict()}
        save_checkpoint(folder.last if which == "last" else folder.best, content)
        saved = time.monotonic()

    return save


def in_short(row: Row) -> str:
    """An epoch, for a progress bar or a log."""
    text = f"loss {row['loss']:.2e}, gradient {row['gradient_norm']:.2e}"
    if row["validation_d_stsp"] is not None:
        text += f", D_stsp {row['validation_d_stsp']:.3f}"
    return text


def conclude(folder: RunFolder) -> None:
    """The run is trained and measured."""
    folder.previous.unlink(missing_ok=True)
    folder.update_manifest(status="finished", finished=now())


def now() -> str:
    """The time, as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
