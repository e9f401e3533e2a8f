"""`sfbptt train ensemble=K`: the runs of K seeds, trained together in one process."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sfbptt_cli.common.errors import Interrupted, RunFailed
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.evaluation.table import table
from sfbptt_cli.experiment.build import build_trainer
from sfbptt_cli.experiment.measure import measure
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.experiment.signals import Stopped, StopSignals
from sfbptt_cli.experiment.status import note, telling
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
from sfbptt_cli.training.ensemble import Member, fit_together
from sfbptt_cli.training.trainer import Diverged, Row

log = logging.getLogger("sfbptt")


@dataclass
class _Run:
    """One of the ensemble's runs."""

    folder: RunFolder
    config: TrainSettings
    stored: dict[str, Any]
    prepared: Prepared
    failure: str | None = None  # how it diverged


def train_ensemble(config: TrainSettings, stored: dict[str, Any], paths: Sequence[Path]) -> None:
    """Train, evaluate and draw the runs of seeds seed … seed + ensemble - 1, in folders `paths`.

    Each has the folder, the settings and the files of the run of its seed alone; run.json names the
    seeds it was trained with. Members that are finished are left as they are, the others go on from
    where each stands. One that diverges does not end the others; RunFailed names it at the end.
    """
    try:
        with StopSignals() as stop, ExitStack() as claims:
            use_threads(RunFolder(paths[0]), config, stored)
            runs = _prepare(config, stored, paths)
            stop.check()
            for run in runs:
                claims.enter_context(run.folder.claimed(run.stored, config.overwrite))
            missing = [r for r in runs if r.folder.manifest().get("status") != "finished"]
            for run in runs:
                if run not in missing:
                    log_run(run.folder, config.logger.name)
            _train(missing, config, stop)
            for run in missing:
                if run.failure is None:
                    _measure(run, stop)
            for run in runs:
                if run.failure is None:
                    print(f"{run.folder.path}\n{table(run.folder.evaluation())}\n")
    except Stopped as stopped:
        raise Interrupted(
            f"{paths[0].parent} stopped {stopped}; the same command continues it"
        ) from None
    if failures := [run.failure for run in runs if run.failure is not None]:
        raise RunFailed("; ".join(failures))


def _prepare(config: TrainSettings, stored: dict[str, Any], paths: Sequence[Path]) -> list[_Run]:
    """All members, each with the settings of its seed alone; data and τ are those of the first."""
    runs: list[_Run] = []
    for k, path in enumerate(paths):
        own = copy.deepcopy(config)
        own.seed, own.ensemble = config.seed + k, 1
        if runs:
            first = runs[0].prepared
            trainer = build_trainer(own, first.dataset, first.standardiser, first.tau)
            prepared = replace(first, trainer=trainer)
        else:
            prepared = prepare(own)
        settings = {**stored, "seed": own.seed, "ensemble": 1}
        runs.append(_Run(RunFolder(path), own, settings, prepared))
    return runs


def _train(runs: list[_Run], config: TrainSettings, stop: StopSignals) -> None:
    if not runs:
        return
    seeds = [config.seed + k for k in range(config.ensemble)]
    fingerprint = runs[0].prepared.dataset.fingerprint()
    with ExitStack() as told:
        for run in runs:
            require_same_data(run.folder, fingerprint)
            resume(run.folder, run.prepared.trainer)
            log_run(run.folder, run.config.logger.name)
            told.enter_context(telling(run.folder))
            begin(run.folder, run.config, run.prepared, fingerprint, trained_with_seeds=seeds)
        begun = time.monotonic()
        try:
            _fit_visibly(runs, stop)
        finally:
            share = (time.monotonic() - begun) / len(runs)
            for run in runs:
                earlier = run.folder.manifest().get("training_seconds", 0.0)
                note(run.folder, training_seconds=round(earlier + share, 2))
    for run in runs:
        if run.failure is None:
            run.folder.update_manifest(status="trained")


def _fit_visibly(runs: list[_Run], stop: StopSignals) -> None:
    """Train with one progress bar and the checkpoints of every run."""
    trainers = [run.prepared.trainer for run in runs]
    with tqdm(
        total=sum(trainer.epochs * len(trainer.windows) for trainer in trainers),
        initial=sum(trainer.updates for trainer in trainers),
        unit="update",
        disable=None,
    ) as bar:
        members = [_member(run, bar, stop) for run in runs]
        stop.where = "after the last epoch"
        try:
            stop.over(lambda: fit_together(members, stop))
        except Interrupted as interruption:
            raise Interrupted(
                f"{runs[0].folder.path} and {len(runs) - 1} more stopped {interruption}; "
                "the same command continues them"
            ) from None


def _member(run: _Run, bar: tqdm[Any], stop: StopSignals) -> Member:
    trainer = run.prepared.trainer

    def updated() -> None:
        bar.update()

    def epoch_done(row: Row) -> None:
        if bar.disable and row["validation_d_stsp"] is not None:
            epoch, of = row["epoch"], trainer.epochs
            log.info("seed %d, epoch %s of %d: %s", run.config.seed, epoch, of, in_short(row))

    def failed(error: Diverged) -> None:
        run.failure = f"{run.folder.path} {error}; " + last_good(
            run.folder, trainer, run.config.seed
        )
        with suppress(Diverged), telling(run.folder):
            raise error

    save = saver(run.folder, trainer, run.prepared.standardiser, stop)
    return Member(trainer, save, updated, epoch_done, failed)


def _measure(run: _Run, stop: StopSignals) -> None:
    with telling(run.folder):
        stop.where = "in its evaluation"
        config = run.config.evaluation
        evaluated = Run(run.folder.path, config.checkpoint, run.prepared.dataset)
        measure(evaluated, config, run.config.device)
        stop.check()
        conclude(run.folder)
    stop.where = "after its end"
