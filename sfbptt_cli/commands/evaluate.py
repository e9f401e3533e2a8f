"""`sfbptt evaluate`: measure a run again, or the runs below a folder that are not measured so."""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sfbptt_cli.common.errors import Interrupted, RequestError, RunFailed
from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.config.commands import EvaluateSettings
from sfbptt_cli.storage.run_folder import RunFolder

log = logging.getLogger("sfbptt")


@dataclass(frozen=True)
class Measured:
    """What became of one run."""

    path: Path
    done: str  # measured, unchanged, or why it could not be
    failed: bool = False
    verdict: str = ""
    values: tuple[float | str, ...] = ()  # D_stsp, D_H


def run(config: EvaluateSettings, changes: dict[str, Any]) -> None:
    """Measure a run, or the runs below a folder, with `changes` to the evaluation of each."""
    if config.runs is not None:
        evaluate_runs(Path(config.runs), changes, config.device, config.threads, config.jobs)
        return
    assert config.run is not None
    evaluate(Path(config.run), changes, config.device, config.threads)


def evaluate(path: Path, changes: dict[str, Any], device: str, threads: int) -> None:
    """Measure a run again, with `changes` to its own evaluation settings; print a table."""
    import torch

    from sfbptt_cli.evaluation.table import table
    from sfbptt_cli.experiment.measure import measure
    from sfbptt_cli.experiment.run import Run
    from sfbptt_cli.experiment.signals import Stopped, StopSignals

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


def evaluate_runs(
    folder: Path, changes: dict[str, Any], device: str, threads: int, jobs: int | str
) -> None:
    """Measure the runs below `folder` that have no evaluation with these settings; one row a run.

    `changes` replace evaluation settings of every run; `jobs` processes (auto: one a core) of
    `threads` torch threads. Runs without a checkpoint, or that cannot be read, are named on
    standard error and end the command with RunFailed after the others are done.
    """
    paths = list(_runs(folder))
    if not paths:
        raise RequestError(f"runs: '{folder}' holds no run; accepted: a folder with runs in it")
    # Spawned, so that no child inherits threads or locks of this process.
    context = multiprocessing.get_context("spawn")
    failed = 0
    width = max(len(str(path.relative_to(folder))) for path in paths)
    print(f"{'run':<{width}}  {'verdict':<11}  {'D_stsp':>8}  {'D_H':>8}  done")
    workers = len(os.sched_getaffinity(0)) if isinstance(jobs, str) else jobs
    with ProcessPoolExecutor(min(len(paths), workers), mp_context=context) as pool:
        waiting = [pool.submit(_evaluate_one, p, changes, device, threads) for p in paths]
        for result in as_completed(waiting):
            run = result.result()
            failed += run.failed
            name = str(run.path.relative_to(folder))
            if run.failed:
                log.error("sfbptt: %s: %s", run.path, run.done)
                continue
            numbers = "  ".join(f"{number_text(value):>8}" for value in run.values)
            print(f"{name:<{width}}  {run.verdict:<11}  {numbers}  {run.done}", flush=True)
    if failed:
        raise RunFailed(f"{failed} of {len(paths)} runs could not be measured")


def _runs(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise RequestError(f"runs: '{folder}' is not a folder; accepted: a folder with runs in it")
    for config in sorted(folder.rglob("config.yaml")):
        if (config.parent / "run.json").is_file():
            yield config.parent


def _evaluate_one(path: Path, changes: dict[str, Any], device: str, threads: int) -> Measured:
    """In a process of its own: measure a run unless that was done with the same settings."""
    import torch

    from sfbptt_cli.experiment.measure import measure
    from sfbptt_cli.experiment.run import Run
    from sfbptt_cli.storage.checkpoint import checkpoint_hash

    torch.set_num_threads(threads)
    try:
        run = Run(path)
        config = dataclasses.replace(run.config.evaluation, **changes)
        run = Run(path, config.checkpoint)
        if not run.checkpoint.is_file():
            return Measured(path, "it has no checkpoint", failed=True)
        stored = run.folder.evaluation() if run.folder.evaluation_file.is_file() else {}
        same = stored.get("settings") == asdict(config)
        if same and stored.get("checkpoint_sha256") == checkpoint_hash(run.checkpoint):
            return _row(run.folder, "unchanged")
        with run.folder.lock():
            measure(run, config, device)
        return _row(run.folder, "measured")
    except Exception as error:  # one run must not end the others
        return Measured(path, str(error) or type(error).__name__, failed=True)


def _row(folder: RunFolder, done: str) -> Measured:
    evaluation = folder.evaluation()
    metrics = evaluation["metrics"]
    values = tuple(metrics[name]["value"] for name in ("d_stsp", "d_h"))
    return Measured(folder.path, done, verdict=evaluation["verdict"], values=values)
