"""What `train` and `evaluate` do, once their settings are known to be good."""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.evaluation.table import table
from sfbptt_cli.experiment.build import build_trainer
from sfbptt_cli.experiment.measure import measure
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.experiment.signals import Stopped, StopSignals
from sfbptt_cli.experiment.status import note, telling
from sfbptt_cli.experiment.tau_trials import search_by_training
from sfbptt_cli.experiment.training import (
    Prepared,
    begin,
    conclude,
    in_short,
    last_good,
    prepare,
    require_same_data,
    resume,
    saver,
    use_threads,
)
from sfbptt_cli.storage.event_files import log_run
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.training.trainer import Diverged, Row, Trainer

log = logging.getLogger("sfbptt")


def train(config: TrainSettings, stored: dict[str, Any], path: Path) -> None:
    """Train, evaluate and draw one run in folder `path`; continue it where it was interrupted.

    `stored` is the resolved configuration as plain values, written to config.yaml.
    """
    folder = RunFolder(path)
    try:
        with StopSignals() as stop:
            use_threads(folder, config, stored)
            prepared = prepare(config)
            stop.check()
            with folder.claimed(stored, config.overwrite):
                if folder.manifest().get("status") == "finished":
                    log.info("%s is finished; overwrite=true trains it again", path)
                    log_run(folder, config.logger.name)
                else:
                    _complete(folder, config, prepared, stop)
                show(folder)
    except Stopped as stopped:
        raise Interrupted(f"{path} stopped {stopped}; the same command continues it") from None


def _complete(folder: RunFolder, config: TrainSettings, found: Prepared, stop: StopSignals) -> None:
    """From wherever the claimed run stands to its end."""
    fingerprint = found.dataset.fingerprint()
    require_same_data(folder, fingerprint)
    if config.tau == "search":
        assert found.tau is not None
        with telling(folder):
            found.tau, found.tau_source = search_by_training(
                folder, config, found.dataset, found.standardiser, found.tau, stop
            )
        found.trainer = build_trainer(config, found.dataset, found.standardiser, found.tau)
    resume(folder, found.trainer)
    log_run(folder, config.logger.name)
    with telling(folder):
        begin(folder, config, found, fingerprint)
        _fit(folder, found.trainer, found.standardiser, config.seed, stop)
        stop.where = "in its evaluation"
        evaluated = Run(folder.path, config.evaluation.checkpoint, found.dataset)
        measure(evaluated, config.evaluation, config.device)
        stop.check()
        conclude(folder)
    stop.where = "after its end"


def _fit(
    folder: RunFolder, trainer: Trainer, standardiser: Standardiser, seed: int, stop: StopSignals
) -> None:
    """Train, and tell run.json how long it took."""
    begun = time.monotonic()
    earlier = folder.manifest().get("training_seconds", 0.0)
    try:
        _fit_visibly(folder, trainer, standardiser, stop)
    except Diverged as error:
        raise Diverged(f"{folder.path} {error}; {last_good(folder, trainer, seed)}") from error
    finally:
        seconds = earlier + time.monotonic() - begun
        note(folder, training_seconds=round(seconds, 2))
    folder.update_manifest(status="trained")


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
            bar.set_postfix_str(in_short(row))
            if bar.disable and row["validation_d_stsp"] is not None:
                log.info("epoch %s of %d: %s", row["epoch"], trainer.epochs, in_short(row))

        save = saver(folder, trainer, standardiser, stop)
        stop.where = "after the last epoch"
        try:
            stop.over(lambda: trainer.fit(stop, save, updated, epoch_done))
        except Interrupted as interruption:
            raise Interrupted(
                f"{folder.path} stopped {interruption}; the same command continues it"
            ) from None


def evaluate(path: Path, changes: dict[str, Any], device: str, threads: int) -> None:
    """Measure a run again, with its own evaluation settings but for `changes`; print a table."""
    torch.set_num_threads(threads)
    config = dataclasses.replace(Run(path).config.evaluation, **changes)
    run = Run(path, config.checkpoint)
    try:
        with StopSignals("in its evaluation") as stop, run.folder.lock():
            measure(run, config, device)
            stop.check()
    except Stopped as stopped:
        raise Interrupted(f"{path} stopped {stopped}; the same command measures it again") from None
    print(table(run.folder.evaluation()))


def show(folder: RunFolder) -> None:
    """The table on standard output, then the paths of what was written."""
    print(table(folder.evaluation()))
    print()
    # Names with a point are the lock and what a kill may leave of a file half written.
    for path in sorted(p for p in folder.path.rglob("[!.]*") if p.is_file()):
        print(path)
