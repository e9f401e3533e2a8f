"""What the subcommands do, once their settings are known to be good."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sfbptt_cli.assembly import (
    build_dataset,
    build_device,
    build_trainer,
    seed_torch,
)
from sfbptt_cli.config import EvaluationConfig, TrainConfig
from sfbptt_cli.data import Dataset, Standardiser
from sfbptt_cli.errors import Interrupted, RequestError
from sfbptt_cli.event_files import log_run, require_logger
from sfbptt_cli.measurement import measure
from sfbptt_cli.metrics import MAX_BINNED_DIMENSIONS
from sfbptt_cli.refusals import require
from sfbptt_cli.run_status import note, telling
from sfbptt_cli.runs import Run
from sfbptt_cli.signals import Stopped, StopSignals
from sfbptt_cli.storage.checkpoint import load_training, save_checkpoint
from sfbptt_cli.storage.continuation import keep_previous, latest_checkpoint
from sfbptt_cli.storage.provenance import provenance
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.summary import table
from sfbptt_cli.tau_choice import resolve_tau
from sfbptt_cli.tau_trials import search_by_training
from sfbptt_cli.training import Diverged, Row, Trainer

log = logging.getLogger("sfbptt")

# A third faster than one; at these sizes more do not pay.
_THREADS = 2
# Seconds between two checkpoints of training: what a killed run may have to repeat.
_CHECKPOINT_SECONDS = 5.0


@dataclass
class _Prepared:
    """What the settings of a run come to, before its folder is touched."""

    dataset: Dataset
    standardiser: Standardiser
    tau: int | None
    tau_source: str
    trainer: Trainer


def train(config: TrainConfig, stored: dict[str, Any], path: Path) -> None:
    """Train, evaluate and draw one run in folder `path`; continue it where it was interrupted.

    `stored` is the resolved configuration as plain values, written to config.yaml.
    """
    folder = RunFolder(path)
    try:
        with StopSignals() as stop:
            threads = _THREADS if config.threads == "auto" else int(config.threads)
            if stored["threads"] == "auto" and not config.overwrite:
                # Those that the run was begun with, as the last digits may depend on them.
                threads = folder.manifest().get("threads", threads)
            torch.set_num_threads(threads)
            prepared = _prepare(config)
            stop.check()
            with folder.claimed(stored, config.overwrite):
                if folder.manifest().get("status") == "finished":
                    log.info("%s is finished; overwrite=true trains it again", path)
                    log_run(folder, config.logger.name)
                else:
                    _complete(folder, config, prepared, threads, stop)
                _conclude(folder)
    except Stopped as stopped:
        raise Interrupted(f"{path} stopped {stopped}; the same command continues it") from None


def _prepare(config: TrainConfig) -> _Prepared:
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
    _require_measurable(config.evaluation, dataset)
    return _Prepared(dataset, standardiser, tau, tau_source, trainer)


def _complete(
    folder: RunFolder, config: TrainConfig, found: _Prepared, threads: int, stop: StopSignals
) -> None:
    """From wherever the claimed run stands to its end."""
    fingerprint = found.dataset.fingerprint()
    _require_same_data(folder, fingerprint)
    if config.tau == "search":
        assert found.tau is not None
        with telling(folder):
            found.tau, found.tau_source = search_by_training(
                folder, config, found.dataset, found.standardiser, found.tau, stop
            )
        found.trainer = build_trainer(config, found.dataset, found.standardiser, found.tau)
    _resume(folder, found.trainer)
    log_run(folder, config.logger.name)
    with telling(folder):
        folder.update_manifest(
            **provenance(),
            dataset=fingerprint,
            preprocessing=list(found.dataset.preprocessing),
            lambda_max=found.dataset.lambda_max,
            lambda_source=found.dataset.lambda_source,
            tau=found.tau,
            tau_source=found.tau_source,
            device=str(build_device(config.device)),
            threads=threads,
            parameters=sum(p.numel() for p in found.trainer.model.parameters()),
            started=folder.manifest().get("started", _now()),
            status="running",
        )
        _fit(folder, found.trainer, found.standardiser, config.seed, stop)
        stop.where = "in its evaluation"
        measure(folder.path, config.evaluation, config.device)
        stop.check()
        folder.previous.unlink(missing_ok=True)
        folder.update_manifest(status="finished", finished=_now())
    stop.where = "after its end"


def evaluate(path: Path, changes: dict[str, Any], device: str, threads: int) -> None:
    """Measure a run again, with its own evaluation settings but for `changes`; print a table."""
    torch.set_num_threads(threads)
    run = Run(path)
    config = dataclasses.replace(run.config.evaluation, **changes)
    try:
        with StopSignals("in its evaluation") as stop:
            _require_measurable(config, run.dataset)
            with run.folder.lock():
                measure(path, config, device)
                stop.check()
    except Stopped as stopped:
        raise Interrupted(f"{path} stopped {stopped}; the same command measures it again") from None
    print(table(run.folder.evaluation()))


def _require_measurable(config: EvaluationConfig, dataset: Dataset) -> None:
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


def _require_same_data(folder: RunFolder, fingerprint: str) -> None:
    if folder.manifest().get("dataset") not in (None, fingerprint):
        raise RequestError(
            f"dataset: its data are no longer those that '{folder.path}' was begun with; "
            "accepted: the same data, name=… for another folder, or overwrite=true to start again"
        )


def _resume(folder: RunFolder, trainer: Trainer) -> None:
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


def _fit(
    folder: RunFolder, trainer: Trainer, standardiser: Standardiser, seed: int, stop: StopSignals
) -> None:
    """Train, and tell run.json how long it took."""
    begun = time.monotonic()
    earlier = folder.manifest().get("training_seconds", 0.0)
    try:
        _fit_visibly(folder, trainer, standardiser, stop)
    except Diverged as error:
        raise Diverged(f"{folder.path} {error}; {_last_good(folder, trainer, seed)}") from error
    finally:
        seconds = earlier + time.monotonic() - begun
        note(folder, training_seconds=round(seconds, 2))
    folder.update_manifest(status="trained")


def _last_good(folder: RunFolder, trainer: Trainer, seed: int) -> str:
    """Which windows the update was made of (see `Windows.starts`), and what was before it."""
    progress = trainer.progress
    good = next((p for p in (folder.last, folder.best) if p.exists()), None)
    return (
        f"its windows: row {progress.batch} of SeedSequence({seed}, spawn_key=(1, "
        f"{progress.epoch})); "
        + (f"the last good checkpoint is {good}" if good else "no checkpoint yet")
    )


def _fit_visibly(
    folder: RunFolder, trainer: Trainer, standardiser: Standardiser, stop: StopSignals
) -> None:
    """Train with a progress bar and checkpoints, up to the end or a stop signal."""
    # A bar for people; a log file gets a line for each validation instead.
    with tqdm(
        total=trainer.epochs * len(trainer.windows),
        initial=trainer.updates,
        unit="update",
        disable=None,
    ) as bar:

        def updated() -> None:
            bar.update()

        def epoch_done(row: Row) -> None:
            bar.set_postfix_str(_postfix(row, trainer.progress.best_score))
            if bar.disable and row["validation_d_stsp"] is not None:
                log.info("epoch %s of %d: %s", row["epoch"], trainer.epochs, _postfix(row))

        save = _saver(folder, trainer, standardiser, stop)
        stop.where = "after the last epoch"
        try:
            stop.over(lambda: trainer.fit(stop, save, updated, epoch_done))
        except Interrupted as interruption:
            raise Interrupted(
                f"{folder.path} stopped {interruption}; the same command continues it"
            ) from None


def _saver(
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


def _postfix(row: Row, best: float | None = None) -> str:
    text = f"loss {row['loss']:.2e}, gradient {row['gradient_norm']:.2e}"
    if row["validation_d_stsp"] is not None:
        text += f", D_stsp {row['validation_d_stsp']:.3f}"
    return text


def _conclude(folder: RunFolder) -> None:
    """The table on standard output, then the paths of what was written."""
    print(table(folder.evaluation()))
    print()
    # Names with a point are the lock and what a kill may leave of a file half written.
    for path in sorted(p for p in folder.path.rglob("[!.]*") if p.is_file()):
        print(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
