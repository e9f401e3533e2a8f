"""`sfbptt train`: train, evaluate and draw a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from sfbptt_cli.common.errors import Interrupted, RequestError
from sfbptt_cli.common.terminal import say
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.settings import RecordedSettings
from sfbptt_cli.experiment.conclusion import conclusion
from sfbptt_cli.experiment.drawing import draw_missing
from sfbptt_cli.experiment.measure import measure
from sfbptt_cli.experiment.repeat import equality
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
)
from sfbptt_cli.storage.evaluations import find, measured
from sfbptt_cli.storage.event_files import log_run
from sfbptt_cli.storage.run_folder import RunFolder

log = logging.getLogger("sfbptt")


def run_training(
    config: TrainSettings, stored: dict[str, Any], path: Path, origin: dict[str, Any]
) -> None:
    """Train, evaluate and draw the run of folder `path`.

    `stored` holds the settings as plain values, for config.yaml, `origin` the choices and overrides
    they were made from, for run.json. A finished run is left as it is, another goes on from where
    it stands. Raises Diverged, and Interrupted at a stop signal.
    """
    try:
        with StopSignals() as stop:
            torch.set_num_threads(config.threads)
            run = prepare(config, stored, path, origin)
            stop.check()
            with run.folder.claimed(run.stored, config.overwrite):
                _complete(run, stop)
                show(run)
    except Stopped as stopped:
        raise Interrupted(f"{path} stopped {stopped}; the same command continues it") from None


def _complete(run: TrainingRun, stop: StopSignals) -> None:
    """Train and measure the claimed run, as far as that is not done."""
    if run.finished:
        _keep_place_of_data(run)
        log.info("%s is finished; overwrite=true trains it again", run.folder.path)
        if _is_measured(run):
            draw_missing(Run(run.folder.path, dataset=run.dataset), run.config.figures)
            log_run(run.folder, run.config.logger)
            return
    else:
        if run.config.tau == "search":
            require_same_data(run.folder, run.dataset.fingerprint())
            run.announce()
            with noting_end(run.folder):
                run = search_by_training(run, stop)
        train(run, stop)
    _measure(run, stop)


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
        measure(opened, run.config.evaluation, run.config.device, run.config.figures)
        stop.check()
        conclude(run.folder)
    stop.where = "after its end"


def show(run: TrainingRun) -> None:
    """Print what was found, where it is and what to do next."""
    folder = run.folder
    entry = find(folder, run.config.evaluation) or measured(folder)
    opened = Run(folder.path, run.config.evaluation.checkpoint, run.dataset)
    repeats = None
    if first := run.origin.get("repeats"):
        try:
            repeats = equality(folder, RunFolder(Path(first)), entry)
        except RequestError as error:
            log.warning("'%s' cannot be compared with: %s", first, error)
    say(*conclusion(opened, entry, run.config.paper2022, repeats))
