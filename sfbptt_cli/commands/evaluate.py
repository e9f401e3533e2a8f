"""`sfbptt evaluate`: measure a run again, or the runs below a folder that are not measured so."""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfbptt_cli.common.errors import Interrupted, RequestError, RunFailed
from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.common.terminal import log_to, say
from sfbptt_cli.config.commands import EvaluateSettings
from sfbptt_cli.evaluation.verdict import dynamics_of, result_of
from sfbptt_cli.storage.evaluations import Entry, find
from sfbptt_cli.storage.run_folder import runs_below

log = logging.getLogger("sfbptt")


@dataclass(frozen=True)
class Measured:
    """What became of one run."""

    path: Path
    done: str  # measured, unchanged, or why it could not be
    failed: bool = False
    result: str = ""
    dynamics: str = ""
    values: tuple[float | str, ...] = ()  # D_stsp, D_H


def run(config: EvaluateSettings, changes: dict[str, Any]) -> None:
    """Measure a run, or the runs below a folder, with `changes` to the evaluation of each."""
    if config.runs is not None:
        evaluate_runs(Path(config.runs), changes, config)
        return
    assert config.run is not None
    evaluate(Path(config.run), changes, config)


def evaluate(path: Path, changes: dict[str, Any], chosen: EvaluateSettings) -> None:
    """Measure a run again, with `changes` to its own evaluation settings; print what was found."""
    import torch

    from sfbptt_cli.experiment.conclusion import conclusion, warn_of_unfinished
    from sfbptt_cli.experiment.measure import measure
    from sfbptt_cli.experiment.run import Run
    from sfbptt_cli.experiment.signals import Stopped, StopSignals

    torch.set_num_threads(chosen.threads)
    config = dataclasses.replace(Run(path).config.evaluation, **changes)
    run = Run(path, config.checkpoint, moved=chosen.moved)
    warn_of_unfinished(run)
    try:
        with StopSignals("in its evaluation") as stop, run.folder.lock():
            how = "png" if chosen.figures == "auto" else chosen.figures
            found = measure(run, config, chosen.device, how)
            stop.check()
    except Stopped as stopped:
        raise Interrupted(f"{path} stopped {stopped}; the same command measures it again") from None
    say(*conclusion(run, found, chosen.paper2022))


def evaluate_runs(folder: Path, changes: dict[str, Any], chosen: EvaluateSettings) -> None:
    """Measure the runs below `folder` that have no evaluation with these settings; one row a run.

    `changes` replace evaluation settings of every run; `chosen.jobs` processes (auto: one a core)
    of `chosen.threads` torch threads. Runs without a checkpoint, or that cannot be read, are named
    on standard error and end the command with RunFailed after the others are done.
    """
    if not folder.is_dir():
        raise RequestError(f"runs: '{folder}' is not a folder; accepted: a folder with runs in it")
    paths = runs_below(folder)
    if not paths:
        raise RequestError(f"runs: '{folder}' holds no run; accepted: a folder with runs in it")
    # Spawned, so that no child inherits threads or locks of this process.
    context = multiprocessing.get_context("spawn")
    failed = 0
    width = max(len(str(path.relative_to(folder))) for path in paths)
    say(f"{'run':<{width}}  {'result':<17}  {'dynamics':<11}  {'D_stsp':>8}  {'D_H':>8}  done")
    workers = len(os.sched_getaffinity(0)) if isinstance(chosen.jobs, str) else chosen.jobs
    with ProcessPoolExecutor(min(len(paths), workers), mp_context=context) as pool:
        waiting = [pool.submit(_evaluate_one, p, changes, chosen) for p in paths]
        for result in as_completed(waiting):
            run = result.result()
            failed += run.failed
            name = str(run.path.relative_to(folder))
            if run.failed:
                log.error("sfbptt: %s: %s", run.path, run.done)
                continue
            numbers = "  ".join(f"{number_text(value, 4):>8}" for value in run.values)
            say(f"{name:<{width}}  {run.result:<17}  {run.dynamics:<11}  {numbers}  {run.done}")
            sys.stdout.flush()
    if failed:
        raise RunFailed(f"{failed} of {len(paths)} runs could not be measured")


def _evaluate_one(path: Path, changes: dict[str, Any], chosen: EvaluateSettings) -> Measured:
    """In a process of its own: measure a run unless that was done with the same settings."""
    import torch

    from sfbptt_cli.experiment.drawing import draw_missing
    from sfbptt_cli.experiment.measure import measure
    from sfbptt_cli.experiment.run import Run
    from sfbptt_cli.storage.checkpoint import checkpoint_hash

    log.handlers = log.handlers or [log_to()]
    torch.set_num_threads(chosen.threads)
    try:
        run = Run(path)
        config = dataclasses.replace(run.config.evaluation, **changes)
        run = Run(path, config.checkpoint, moved=chosen.moved)
        if not run.checkpoint.is_file():
            return Measured(path, "it has no checkpoint", failed=True)
        stored = find(run.folder, config)
        how = "none" if chosen.figures == "auto" else chosen.figures
        if stored and stored.get("checkpoint_sha256") == checkpoint_hash(run.checkpoint):
            draw_missing(run, how)
            return _row(path, stored, "unchanged")
        with run.folder.lock():
            return _row(path, measure(run, config, chosen.device, how), "measured")
    except Exception as error:  # one run must not end the others
        return Measured(path, str(error) or type(error).__name__, failed=True)


def _row(path: Path, entry: Entry, done: str) -> Measured:
    metrics = entry["metrics"]
    values = tuple(metrics[name]["value"] if name in metrics else "-" for name in ("d_stsp", "d_h"))
    words = {"result": result_of(entry).result, "dynamics": dynamics_of(entry)}
    return Measured(path, done, **words, values=values)
