"""`sfbptt train`: train, evaluate and draw runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sfbptt_cli.common.errors import Interrupted, RequestError
from sfbptt_cli.common.terminal import say
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.settings import RecordedSettings
from sfbptt_cli.evaluation.table import table
from sfbptt_cli.experiment.measure import measure
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.experiment.signals import Stopped, StopSignals
from sfbptt_cli.experiment.status import noting_end
from sfbptt_cli.experiment.stored_data import require_same_data
from sfbptt_cli.experiment.tau_trials import search_by_training
from sfbptt_cli.experiment.training import (
    TrainingRun,
    conclude,
    prepare,
    train,
    use_threads,
)
from sfbptt_cli.storage.evaluations import find, measured
from sfbptt_cli.storage.event_files import log_run
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.training.trainer import Diverged

log = logging.getLogger("sfbptt")


def run_training(
    config: TrainSettings, stored: dict[str, Any], paths: Sequence[Path], origin: dict[str, Any]
) -> None:
    """Train, evaluate and draw the runs of seeds seed … seed + ensemble − 1, in folders `paths`.

    `stored` holds the settings as plain values, for config.yaml, `origin` the choices and overrides
    they were made from, for run.json. Each run has the folder, the
    settings and the files of the run of its seed alone. Finished ones are left as they are, the
    others go on from where each stands. One that diverges does not end the others; Diverged names
    it at the end.
    """
    try:
        with StopSignals() as stop, ExitStack() as claims:
            use_threads(RunFolder(paths[0]), config, stored)
            runs = prepare(config, stored, paths, origin)
            stop.check()
            for run in runs:
                claims.enter_context(run.folder.claimed(run.stored, config.overwrite))
            runs = _complete(runs, stop)
            for run in runs:
                if run.failure is None:
                    show(run, whole=len(runs) == 1)
    except Stopped as stopped:
        path = paths[0] if len(paths) == 1 else paths[0].parent
        raise Interrupted(f"{path} stopped {stopped}; the same command continues it") from None
    if failures := [run.failure for run in runs if run.failure is not None]:
        raise Diverged("; ".join(failures))


def _complete(runs: list[TrainingRun], stop: StopSignals) -> list[TrainingRun]:
    """Train and measure the claimed runs that are not finished."""
    if runs[0].config.tau == "search" and not runs[0].finished:
        require_same_data(runs[0].folder, runs[0].dataset.fingerprint())
        with noting_end(runs[0].folder):
            runs = [search_by_training(runs[0], stop)]
    missing, again = [], []
    for run in runs:
        if run.finished:
            _keep_place_of_data(run)
            log.info("%s is finished; overwrite=true trains it again", run.folder.path)
            if _is_measured(run):
                log_run(run.folder, run.config.logger)
            else:
                again.append(run)
        else:
            missing.append(run)
    if missing:
        train(missing, stop)
    for run in [*missing, *again]:
        if run.failure is None:
            _measure(run, stop)
    return runs


def _is_measured(run: TrainingRun) -> bool:
    """Return whether a finished run was measured as asked for, or say why it is measured again."""
    try:
        measured(run.folder)
    except RequestError as error:
        log.warning("%s; it is measured again", error)
        return False
    return find(run.folder, run.config.evaluation) is not None


def _keep_place_of_data(run: TrainingRun) -> None:
    """Let a finished run know where its recorded data lie now; RequestError for other data."""
    paths = run.origin.get("data_paths")
    if isinstance(run.config.dataset, RecordedSettings):
        require_same_data(run.folder, run.dataset.fingerprint())
        if paths != run.folder.manifest().get("data_paths"):
            run.folder.update_manifest(data_paths=paths)


def _measure(run: TrainingRun, stop: StopSignals) -> None:
    with noting_end(run.folder):
        stop.where = "in its evaluation"
        opened = Run(run.folder.path, run.config.evaluation.checkpoint, run.dataset)
        measure(opened, run.config.evaluation, run.config.device)
        stop.check()
        conclude(run.folder)
    stop.where = "after its end"


def show(run: TrainingRun, whole: bool) -> None:
    """Print the table of metrics, then the paths of the run's files; its folder if not `whole`."""
    folder = run.folder
    found = table(find(folder, run.config.evaluation) or measured(folder))
    if not whole:
        say(folder.path, found, "")
        return
    say(found, "")
    # Names with a point are the lock and what a kill may leave of a file half written.
    for path in sorted(p for p in folder.path.rglob("[!.]*") if p.is_file()):
        say(path)
