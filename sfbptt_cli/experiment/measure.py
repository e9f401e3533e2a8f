"""Measure a finished model and draw what was measured, into the run's folder."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.progress import Stage
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.recorded import check_measured
from sfbptt_cli.evaluation.evaluate import evaluate
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.experiment.build import build_device
from sfbptt_cli.experiment.drawing import draw_missing, figure_paths
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.metrics.state_space import MAX_BINNED_DIMENSIONS
from sfbptt_cli.storage.checkpoint import checkpoint_hash
from sfbptt_cli.storage.evaluations import Entry, belongs_at_top, keep
from sfbptt_cli.storage.event_files import log_run
from sfbptt_cli.storage.provenance import provenance
from sfbptt_cli.storage.trajectories import write_trajectories

log = logging.getLogger("sfbptt")


def require_measurable(config: EvaluationSettings, dataset: Dataset, warmup: int) -> None:
    """Raise RequestError for data too wide, too short or too constant for the evaluation."""
    require(
        config.estimator != "binned" or dataset.obs_dim <= MAX_BINNED_DIMENSIONS,
        "evaluation.estimator",
        "binned",
        f"auto or gmm beyond {MAX_BINNED_DIMENSIONS} variables; the data have {dataset.obs_dim}",
    )
    series = dataset.test if config.part == "test" else dataset.train[dataset.trajectories[0]]
    left = len(series) - warmup
    require(
        config.prediction_steps < left,
        "evaluation.prediction_steps",
        config.prediction_steps,
        f"less than the {left} {config.part} steps" + (" after the warm-up" if warmup else ""),
    )
    transient, steps = config.measured(left - 1)
    first = warmup + 1 + transient
    check_measured(series[first : first + steps], dataset.variables, config.part)


def measure(run: Run, config: EvaluationSettings, device: str, figures: str) -> Entry:
    """Evaluate the checkpoint of a run; return what was measured, which evaluation.json keeps.

    With the run's own settings, or as the first measurement, trajectories.h5 is written, too, and
    figures are drawn (png; pdf beside; none); with others those of before stay. Raises
    RequestError, before anything is computed, where the data are too short or too wide.
    """
    dataset = run.dataset
    require_measurable(config, dataset, run.model.warmup)
    model = run.model.to(build_device(device))
    stage = Stage("measure")
    result = evaluate(model, run.standardiser, dataset, config)
    stage.done(f"{result.measured_steps:,} free steps of the {config.checkpoint} checkpoint")
    if result.measured_steps < config.steps:
        numbers = (config.steps, config.part, result.measured_steps)
        log.warning("evaluation.steps: %d given, the %s trajectory allows %d", *numbers)
    origin = {
        "checkpoint": config.checkpoint,
        "checkpoint_sha256": checkpoint_hash(run.checkpoint),
        "transient": len(result.truth) - result.measured_steps,
    }
    versions = provenance()
    versions = {"package_version": versions["version"], "commit": versions["commit"] or "unknown"}
    entry = {
        **origin,
        "settings": asdict(config),
        "dynamics": result.dynamics,
        "recorded": result.recorded,
        "steps": result.measured_steps,
        "metrics": _in_words(result.metrics, result.dynamics),
    }
    if not belongs_at_top(run.folder, config, run.config.evaluation):
        keep(run.folder, entry, at_top=False)
        _name_the_other(run, config)
        return entry
    write_trajectories(
        run.folder.trajectories,
        result.generated[None],
        result.truth,
        dataset.dt,
        dataset.time_unit,
        dataset.variables,
        {**origin, **versions},
    )
    keep(run.folder, entry, at_top=True)
    for path in figure_paths(run, "pdf"):
        path.unlink(missing_ok=True)  # what it shows is no longer there
    draw_missing(run, figures)
    log_run(run.folder)
    return entry


def _name_the_other(run: Run, config: EvaluationSettings) -> None:
    own = asdict(run.config.evaluation)
    given = {k: v for k, v in asdict(config).items() if v != own[k]}
    log.info(
        "%s: kept beside its own measurement, which reports, figures and trajectories.h5 show (%s)",
        run.folder.evaluation_file,
        ", ".join(f"evaluation.{k}: {own[k]} there, {v} here" for k, v in given.items()),
    )


def _in_words(metrics: dict[str, Any], dynamics: str) -> dict[str, Any]:
    """Return the metrics with the word `diverged` for what a diverged model has no number of.

    That is not-a-number, and an exponent that is not positive: far away from everything two nearby
    states are one and the same float.
    """
    named = {
        name: {key: "diverged" if value == "nan" else value for key, value in metric.items()}
        for name, metric in metrics.items()
    }
    exponent = named["lambda_max"]
    value = exponent["value"]
    if dynamics == "diverged" and (isinstance(value, str) or value <= 0):
        exponent["value"] = exponent["standard_error"] = "diverged"
    dimension = named["kaplan_yorke_dimension"]
    dimension["exponents"] = ["diverged" if e == "nan" else e for e in dimension["exponents"]]
    return named
