"""What the subcommands do, once their settings are known to be good."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable
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
from sfbptt_cli.measurement import measure
from sfbptt_cli.refusals import require
from sfbptt_cli.runs import Run
from sfbptt_cli.signals import StopSignals
from sfbptt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from sfbptt_cli.storage.provenance import provenance
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.summary import table
from sfbptt_cli.tau_choice import resolve_tau, search_tau, tau_candidates
from sfbptt_cli.training import Diverged, Row, Trainer

log = logging.getLogger("sfbptt")

# A third faster than one; at these sizes more do not pay.
_THREADS = 2
# Seconds between two checkpoints of training: what a killed run may have to repeat.
_CHECKPOINT_SECONDS = 5.0


def train(config: TrainConfig, stored: dict[str, Any], path: Path) -> None:
    """Train, evaluate and draw one run in folder `path`; continue it where it was interrupted.

    `stored` is the resolved configuration as plain values, written to config.yaml.
    """
    folder = RunFolder(path)
    threads = _THREADS if config.threads == "auto" else int(config.threads)
    if stored["threads"] == "auto" and not config.overwrite:
        # Those that the run was begun with, as the last digits may depend on them.
        threads = folder.manifest().get("threads", threads)
    torch.set_num_threads(threads)
    seed_torch(config.seed)
    # All that can be wrong with the request is found before the folder is touched.
    device = build_device(config.device)
    dataset = build_dataset(config.dataset, config.window)
    evidence = getattr(config.dataset, "lambda_evidence", "clear")
    tau, tau_source = resolve_tau(config.tau, config.window, dataset, evidence)
    if config.tau == "auto":
        log.info("tau = %s: %s", tau, tau_source)
    standardiser = Standardiser.of(dataset.train)
    trainer = build_trainer(config, dataset, standardiser, tau)
    _require_predictable(config.evaluation, dataset)
    folder.claim(stored, config.overwrite)
    with folder.lock():
        if folder.manifest().get("status") == "finished":
            log.info("%s is finished; overwrite=true trains it again", path)
        else:
            fingerprint = dataset.fingerprint()
            _require_same_data(folder, fingerprint)
            if config.tau == "search":
                assert tau is not None
                tau, tau_source = _search(folder, config, dataset, standardiser, tau)
                trainer = build_trainer(config, dataset, standardiser, tau)
            _resume(folder, trainer)
            folder.update_manifest(
                **provenance(),
                dataset=fingerprint,
                preprocessing=list(dataset.preprocessing),
                lambda_max=dataset.lambda_max,
                lambda_source=dataset.lambda_source,
                tau=tau,
                tau_source=tau_source,
                device=str(device),
                threads=threads,
                parameters=sum(p.numel() for p in trainer.model.parameters()),
                started=folder.manifest().get("started", _now()),
                status="running",
            )
            _fit(folder, trainer, standardiser)
            measure(path, config.evaluation, config.device)
            folder.update_manifest(status="finished", finished=_now())
        _conclude(folder)


def evaluate(path: Path, changes: dict[str, Any], device: str, threads: int) -> None:
    """Measure a run again, with its own evaluation settings but for `changes`; print a table."""
    torch.set_num_threads(threads)
    run = Run(path)
    config = dataclasses.replace(run.config.evaluation, **changes)
    _require_predictable(config, run.dataset)
    with run.folder.lock():
        measure(path, config, device)
    print(table(run.folder.evaluation()))


def _require_predictable(config: EvaluationConfig, dataset: Dataset) -> None:
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


def _search(
    folder: RunFolder,
    config: TrainConfig,
    dataset: Dataset,
    standardiser: Standardiser,
    predicted: int,
) -> tuple[int, str]:
    """The τ around τ_pred whose short training ends with the lowest validation D_stsp.

    The scores are kept in run.json as they come.
    """
    epochs, factors = config.tau_search.epochs, config.tau_search.factors
    assert epochs is not None
    assert factors is not None
    brief = dataclasses.replace(
        config, epochs=epochs, validation=dataclasses.replace(config.validation, every=epochs)
    )

    def score_of(tau: int) -> float:
        trainer = build_trainer(brief, dataset, standardiser, tau)
        with StopSignals() as stop:
            try:
                stop.over(
                    lambda: trainer.fit(stop, lambda which: None, lambda: None, lambda row: None)
                )
            except Interrupted as interruption:
                folder.update_manifest(status="interrupted")
                raise Interrupted(
                    f"{folder.path} stopped in the search for tau ({interruption}); "
                    "the same command continues it"
                ) from None
        score = trainer.progress.history[-1]["validation_d_stsp"]
        assert score is not None
        log.info("tau %d: D_stsp %.3f after %d epochs", tau, score, epochs)
        return score

    known = {
        int(tau): float(score) for tau, score in folder.manifest().get("tau_search", {}).items()
    }
    tau = search_tau(
        tau_candidates(predicted, config.window, factors),
        score_of,
        known,
        lambda scores: folder.update_manifest(
            status="running",
            dataset=dataset.fingerprint(),
            # JSON has no infinity.
            tau_search={t: s if math.isfinite(s) else "inf" for t, s in scores.items()},
        ),
    )
    return tau, f"lowest validation D_stsp of a search around {predicted} steps"


def _resume(folder: RunFolder, trainer: Trainer) -> None:
    if not folder.last.exists():
        return
    trainer.load_state_dict(load_checkpoint(folder.last))
    log.info("continuing %s after %d updates", folder.path, trainer.updates)


def _fit(folder: RunFolder, trainer: Trainer, standardiser: Standardiser) -> None:
    """Train, and tell run.json how it ended and how long it took."""
    begun = time.monotonic()
    earlier = folder.manifest().get("training_seconds", 0.0)
    status = "failed"
    try:
        _fit_visibly(folder, trainer, standardiser)
        status = "trained"
    except (Interrupted, KeyboardInterrupt):
        status = "interrupted"
        raise
    except SystemExit:  # a cluster's job, which its launcher has put back into the queue
        status = "requeued"
        raise
    except Diverged as error:
        status = "diverged"
        last = "no checkpoint"
        if folder.last.exists():
            last = f"the last good checkpoint is {folder.last}"
        raise Diverged(f"{folder.path} {error}; {last}") from error
    finally:
        seconds = earlier + time.monotonic() - begun
        folder.update_manifest(status=status, training_seconds=round(seconds, 2))


def _fit_visibly(folder: RunFolder, trainer: Trainer, standardiser: Standardiser) -> None:
    """Train with a progress bar and checkpoints, up to the end or a stop signal."""
    with (
        StopSignals() as stop,
        # A bar for people; a log file gets a line for each validation instead.
        tqdm(
            total=trainer.epochs * len(trainer.windows),
            initial=trainer.updates,
            unit="update",
            disable=None,
        ) as bar,
    ):

        def updated() -> None:
            bar.update()

        def epoch_done(row: Row) -> None:
            bar.set_postfix_str(_postfix(row, trainer.progress.best_score))
            if bar.disable and row["validation_d_stsp"] is not None:
                log.info("epoch %s of %d: %s", row["epoch"], trainer.epochs, _postfix(row))

        save = _saver(folder, trainer, standardiser, stop)
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
