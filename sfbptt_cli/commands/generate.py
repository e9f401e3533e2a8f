"""`sfbptt generate`: free runs of a model from chosen starts, into a file."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.checks import require
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.terminal import say
from sfbptt_cli.config.commands import GenerateSettings
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.experiment.free_runs import drawn_rows, from_rows, read_context
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.storage.checkpoint import checkpoint_hash
from sfbptt_cli.storage.trajectories import write_trajectories

log = logging.getLogger("sfbptt")

Array = NDArray[np.float64]

_MOST_NUMBERS = 100_000_000  # of all runs together: 800 MB
_SHOWN = 5  # starts in a line


def run(config: GenerateSettings) -> None:
    """Generate, and write the trajectories with what they started from."""
    assert config.run is not None
    opened = Run(config.run, config.checkpoint, moved=config.moved)
    own = opened.folder.path / "generated.h5"
    path = own if config.output is None else Path(config.output)
    _require_free(path, config.overwrite)
    if config.context is not None:
        context = read_context(opened, config.context)
        _require_room(config.steps, context.shape[0] if context.ndim == 3 else 1, opened)
        generated = opened.generate(config.steps, context)
        generated = generated.reshape(-1, *generated.shape[-2:])
        start: dict[str, Any] = {"context": config.context}
        last, each = opened.model.warmup + 1, " of each trajectory" if context.ndim == 3 else ""
        words = f"the last {'row' if last == 1 else f'{last} rows'}{each} of '{config.context}'"
    else:
        rows = _rows(opened, config)
        _require_room(config.steps, len(rows), opened)
        generated = from_rows(opened, rows, config.steps)
        start = {"part": "test", "start": rows}
        if config.starts is not None:
            start["seed"] = config.seed
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        words = f"test row {', '.join(map(str, rows[:_SHOWN]))}{more} of {len(opened.dataset.test)}"
    origin = {"run": str(opened.folder.path), "warmup": opened.model.warmup}
    origin["checkpoint_sha256"] = checkpoint_hash(opened.checkpoint)
    if path == own:
        with opened.folder.lock():
            _write(path, generated, opened.dataset, {**origin, **start})
    else:
        _write(path, generated, opened.dataset, {**origin, **start})
    many = "a free run" if len(generated) == 1 else f"{len(generated)} free runs"
    log.info("%s of %d steps from %s", many, config.steps, words)
    if lost := int((~np.isfinite(generated).all(axis=(1, 2))).sum()):
        log.warning("%d of %d runs diverged", lost, len(generated))
    say(path)


def _rows(opened: Run, config: GenerateSettings) -> list[int]:
    if config.starts is not None:
        return drawn_rows(opened, config.starts, config.seed)
    return [opened.model.warmup if config.start is None else config.start]


def _require_free(path: Path, overwrite: bool) -> None:
    """Raise RequestError for an output that is there, or cannot be."""
    accepted = "a file in a folder that exists"
    require(path.parent.is_dir() and not path.is_dir(), "output", f"'{path}'", accepted)
    if path.exists() and not overwrite:
        raise RequestError(
            f"output: '{path}' exists; accepted: output=… for another file, or overwrite=true"
        )


def _require_room(steps: int, runs: int, opened: Run) -> None:
    most = _MOST_NUMBERS // (runs * len(opened.standardiser.mean))
    accepted = f"at most {most:,} for {runs:,} runs (memory)"
    require(steps <= most, "steps", steps, accepted)


def _write(path: Path, generated: Array, dataset: Dataset, attributes: dict[str, Any]) -> None:
    """Write trajectories (trajectory, time, N) as the suffix says.

    .h5: as trajectories.h5, with the attributes. .npy: the array; (time, N) of a single run. .csv:
    a row a step: trajectory (of several), time, variables.
    """
    suffix = path.suffix.lower()
    if suffix == ".h5":
        unit = dataset.time_unit
        write_trajectories(path, generated, None, dataset.dt, unit, dataset.variables, attributes)
        return
    single = len(generated) == 1
    with replacing(path) as temporary:
        if suffix == ".npy":
            np.save(temporary, generated[0] if single else generated)
            return
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*([] if single else ["trajectory"]), "time", *dataset.variables])
            time = (dataset.dt * np.arange(generated.shape[1])).tolist()
            for number, trajectory in enumerate(generated):
                label = [] if single else [number]
                for t, x in zip(time, trajectory.tolist(), strict=True):
                    writer.writerow([*label, t, *x])
