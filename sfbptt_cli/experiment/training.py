"""The training of a run: from settings to checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.common.progress import Stage
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.experiment.build import build_device, build_trainer, latent_weight, seed_torch
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.denoising import teacher_of
from sfbptt_cli.experiment.horizon import Horizon, choose_horizon, with_interval
from sfbptt_cli.experiment.longer import continue_shorter
from sfbptt_cli.experiment.measure import require_measurable
from sfbptt_cli.experiment.memory import LEAST_WARMUP, memory_of
from sfbptt_cli.experiment.signals import StopSignals
from sfbptt_cli.experiment.status import note, noting_end
from sfbptt_cli.experiment.stored_data import require_same_data
from sfbptt_cli.storage.checkpoint import load_training, save_checkpoint
from sfbptt_cli.storage.continuation import keep_previous, latest_checkpoint
from sfbptt_cli.storage.event_files import log_run, require_logger
from sfbptt_cli.storage.provenance import provenance
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.training.loop import fit
from sfbptt_cli.training.losses import loss_scale
from sfbptt_cli.training.trainer import Diverged, Row, Trainer

log = logging.getLogger("sfbptt")

# Seconds between two checkpoints of training: what a killed run may have to repeat.
_CHECKPOINT_SECONDS = 5.0


@dataclass
class TrainingRun:
    """A run in training: its folder, settings, data and model."""

    folder: RunFolder
    config: TrainSettings
    stored: dict[str, Any]  # the settings as config.yaml has them
    origin: dict[str, Any]  # the choices and overrides they were made from, for run.json
    dataset: Dataset
    teacher: Dataset  # what is trained on: the same, or denoised
    standardiser: Standardiser
    horizon: Horizon
    trainer: Trainer
    stages: list[str]  # lines about data and model, until they are told

    def announce(self) -> None:
        """Log what was made, once, as soon as nothing can be refused any more."""
        for line in self.stages:
            log.info("%s", line)
        self.stages.clear()

    @property
    def finished(self) -> bool:
        """Whether the run is trained and measured."""
        return self.folder.manifest().get("status") == "finished"


def prepare(
    config: TrainSettings, stored: dict[str, Any], path: Path, origin: dict[str, Any]
) -> TrainingRun:
    """Make data, τ and a model for the run of folder `path`.

    Everything that can be wrong with the request is found here, before the folder is touched.
    """
    require_logger(config.logger)
    seed_torch(config.seed)
    build_device(config.device)
    stage = Stage("data")
    dataset = build_dataset(config.dataset)
    for line in dataset.account():
        log.info("%s", line)
    read = stage.line(dataset.size())
    stage = Stage("model")
    teacher = dataset
    if config.denoise == "auto":
        teacher, denoised = teacher_of(config.dataset, dataset, lambda: memory_of(dataset))
        if denoised:
            log.info("%s", denoised)
    horizon = choose_horizon(config, teacher, dataset)
    _tell_choices(config, horizon, dataset)
    standardiser = Standardiser.of(dataset.train)
    trainer = build_trainer(config, teacher, standardiser, horizon)
    require_measurable(config.evaluation, dataset, horizon.warmup)
    lengths = f"warmup {horizon.warmup}, window {horizon.window}"
    if horizon.tau is not None:
        lengths = f"tau {horizon.tau}, {lengths}"
    sizes = f"latent_dim {trainer.model.latent_dim}, {trainer.parameters:,} parameters"
    made = stage.line(f"{config.model.name}, {sizes}; {lengths}")
    found = (dataset, teacher, standardiser, horizon, trainer, [read, made])
    return TrainingRun(RunFolder(path), config, stored, origin, *found)


def _tell_choices(config: TrainSettings, horizon: Horizon, dataset: Dataset) -> None:
    """Log what was chosen from the data, and why."""
    if config.warmup == "auto" and horizon.warmup > LEAST_WARMUP:
        log.info("warmup = %d: %s", horizon.warmup, horizon.warmup_source)
    if config.gain == "auto" and horizon.gain != "learned":
        log.info("gain = %g, as the data are noisy", horizon.gain)
    if (horizon.loss_scale or 0.0) > loss_scale(noise=0.0):
        log.info("loss_scale = %.2g, by the noise of the data", horizon.loss_scale)
    if config.tau == "auto":
        log.info("tau = %d: %s", horizon.tau, horizon.tau_source)
    if short := horizon.without_sequence(dataset):
        log.warning("%s", short)


def train(run: TrainingRun, stop: StopSignals) -> None:
    """Train from where the run stands.

    Its folder is claimed. Raises Interrupted after a checkpoint when a stop signal came, and
    Diverged. run.json states how the training ended, and its time.
    """
    fingerprint = run.dataset.fingerprint()
    require_same_data(run.folder, fingerprint)
    run.announce()
    _resume(run, fingerprint)
    with noting_end(run.folder):
        log_run(run.folder, run.config.logger)
        _begin(run, fingerprint)
        begun, stage = time.monotonic(), Stage("train")
        try:
            _fit(run, stop)
            stage.done(_trained(run.trainer))
        finally:
            seconds = run.folder.manifest().get("training_seconds", 0.0) + time.monotonic() - begun
            note(run.folder, training_seconds=round(seconds, 2))
    run.folder.update_manifest(status="trained")


def _begin(run: TrainingRun, fingerprint: str) -> None:
    """Write into run.json what is about to be trained, and on what data."""
    weight = latent_weight(run.config, run.teacher, run.trainer.model)
    if run.config.regularization.latent_weight == "auto" and weight:
        reason = "as there are few data for so many parameters"
        log.info("regularization.latent_weight = %g, %s", weight, reason)
    run.folder.update_manifest(
        **provenance(),
        **run.origin,
        dataset=fingerprint,
        preprocessing=list(run.teacher.preprocessing),
        lambda_max=run.dataset.lambda_max,
        lambda_source=run.dataset.lambda_source,
        **asdict(run.horizon),
        device=str(build_device(run.config.device)),
        threads=torch.get_num_threads(),
        latent_dim=run.trainer.model.latent_dim,
        parameters=run.trainer.parameters,
        latent_weight=weight,
        started=run.folder.manifest().get("started", now()),
        status="running",
    )


def _resume(run: TrainingRun, fingerprint: str) -> None:
    """Continue from the latest checkpoint, or that of a run with fewer epochs, if there is one."""
    folder, trainer = run.folder, run.trainer
    beginning, batches = trainer.state_dict(), len(trainer.windows)

    def load(path: Path) -> dict[str, Any]:
        return load_training(path, beginning, trainer.epochs, batches)

    content = latest_checkpoint(folder, load)
    if content is None and continue_shorter(folder, run.config, fingerprint, load):
        content = latest_checkpoint(folder, load)
    if content is None:
        return
    trainer.load_state_dict(content)
    log.info("continuing %s after %d updates", folder.path, trainer.updates)
    if folder.manifest().get("status") == "diverged":
        log.warning("it diverged after those; with the same data and settings it will again")
    if trainer.progress.history:  # may have rows of epochs that are to come again, or be damaged
        folder.write_history(trainer.progress.history)


def _fit(run: TrainingRun, stop: StopSignals) -> None:
    """Train with a progress bar and checkpoints."""
    trainer, folder = run.trainer, run.folder
    # A bar for people; a log file gets a line for each validation instead.
    with tqdm(
        total=trainer.epochs * len(trainer.windows),
        initial=trainer.updates,
        unit="update",
        disable=None,
    ) as bar:

        def epoch_done(row: Row) -> None:
            bar.set_postfix_str(_in_short(row))
            if bar.disable and row["validation_d_stsp"] is not None:
                log.info("epoch %s of %d: %s", row["epoch"], trainer.epochs, _in_short(row))

        told = {"save": _saver(run, stop), "updated": bar.update, "epoch_done": epoch_done}
        stop.where = "after the last epoch"
        try:
            stop.over(lambda: fit(trainer, stop, **told))
        except Interrupted as interruption:
            raise Interrupted(
                f"{folder.path} stopped {interruption}; the same command continues it"
            ) from None
        except Diverged as error:
            raise Diverged(f"{folder.path} {error}; {_last_good(run)}") from None


def _trained(trainer: Trainer) -> str:
    """Describe a training that has ended: its updates, and the best checkpoint."""
    text = f"{trainer.updates:,} updates"
    best = [row for row in trainer.progress.history if row["best"]]
    if not best or (score := best[-1]["validation_d_stsp"]) is None:
        return text
    return f"{text}; best is epoch {best[-1]['epoch']}, validation D_stsp {score:.3g}"


def _last_good(run: TrainingRun) -> str:
    """Name the windows of the diverged update (see `Windows.starts`), and the checkpoint before."""
    progress, folder = run.trainer.progress, run.folder
    good = next((p for p in (folder.last, folder.best) if p.exists()), None)
    return (
        f"its windows: row {progress.batch} of SeedSequence({run.config.seed}, spawn_key=(1, "
        f"{progress.epoch})); "
        + (f"the last good checkpoint is {good}" if good else "no checkpoint yet")
    )


def _saver(run: TrainingRun, stop: Callable[[], bool]) -> Callable[[str], None]:
    """Return a function that writes the `last` or `best` checkpoint; `last` only when it is due."""
    folder, trainer = run.folder, run.trainer
    saved = time.monotonic()
    scale = {
        "mean": torch.from_numpy(run.standardiser.mean),
        "std": torch.from_numpy(run.standardiser.std),
    }

    def save(which: str) -> None:
        nonlocal saved
        due = time.monotonic() - saved > _CHECKPOINT_SECONDS
        if which == "last" and not (trainer.done or due or stop()):
            return
        # First the history: training that has a checkpoint of its end does not write it again.
        if trainer.progress.history:
            folder.write_history(trainer.progress.history)
            log_run(folder, training=not (trainer.done or stop()))
        folder.require_own()
        folder.checkpoints.mkdir(exist_ok=True)
        if which == "last":
            keep_previous(folder)
        observer = {"warmup": run.horizon.warmup, "gain": run.horizon.gain}
        content = {"standardiser": scale, **observer, **trainer.state_dict()}
        save_checkpoint(folder.last if which == "last" else folder.best, content)
        saved = time.monotonic()

    return save


def _in_short(row: Row) -> str:
    """Describe an epoch, for a progress bar or a log."""
    text = f"loss {row['loss']:.2e}, gradient {row['gradient_norm']:.2e}"
    if row["validation_d_stsp"] is not None:
        text += f", D_stsp {row['validation_d_stsp']:.3f}"
    return text


def conclude(folder: RunFolder) -> None:
    """Mark a run that is trained and measured as finished."""
    folder.previous.unlink(missing_ok=True)
    folder.update_manifest(status="finished", finished=now())


def now() -> str:
    """Return the time as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def with_tau(run: TrainingRun, tau: int, source: str) -> TrainingRun:
    """Return the run with another τ, and a model that is trained with it."""
    horizon = with_interval(run.horizon, run.config, run.teacher, tau, source)
    trainer = build_trainer(run.config, run.teacher, run.standardiser, horizon)
    return replace(run, horizon=horizon, trainer=trainer)
