"""Free runs of a model from chosen starts: rows of the test data, or given observations."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.contexts import stretches
from sfbptt_cli.data.kinds import reader_of
from sfbptt_cli.data.members import ArrayFile
from sfbptt_cli.data.recorded import refusing_as
from sfbptt_cli.data.settings import CleaningSettings, CsvSettings, DelaySettings, TextSettings
from sfbptt_cli.data.tables.table import read_table
from sfbptt_cli.evaluation.generation import generate
from sfbptt_cli.experiment.run import Run

log = logging.getLogger("sfbptt")

Array = NDArray[np.float64]

_TRAJECTORY = "trajectory"  # the column of a table of several runs


def drawn_rows(run: Run, count: int, seed: int) -> list[int]:
    """Draw `count` different rows of the test data, each with w rows before it, sorted."""
    first, rows = run.model.warmup, len(run.dataset.test)
    require(count <= rows - first, "starts", count, f"at most the {rows - first} rows to start at")
    drawn = np.random.default_rng(seed).choice(np.arange(first, rows), count, replace=False)
    return sorted(drawn.tolist())


def from_rows(run: Run, rows: Sequence[int], steps: int) -> Array:
    """Let the model run freely from rows of the test data (row, steps, N), in data units.

    A row, counted from 0, is the last observation that the model sees; w are before it. Raises
    RequestError for a row without them, and where the external inputs do not reach as far.
    """
    dataset, warmup = run.dataset, run.model.warmup
    last = len(dataset.test) - 1
    for row in rows:
        before = f", as the model sees {warmup} rows before it" if warmup else ""
        require(warmup <= row <= last, "start", row, f"a row from {warmup} to {last}{before}")
    inputs = None
    if dataset.inputs is not None:
        left = last - max(rows)
        accepted = f"at most {left}, as far as the inputs of the test data reach from there"
        require(steps <= left, "steps", steps, accepted)
        inputs = stretches(dataset.inputs.test, np.array(rows), 1 - warmup, steps)
    contexts = stretches(dataset.test, np.array(rows), -warmup, 0)
    return generate(run.model, run.standardiser, contexts, steps, inputs)


def read_context(run: Run, path: str) -> Array:
    """Read the observations before one free run, (time, N), or several, (trajectory, time, N).

    Arrays are taken as they lie. Of a text table the columns with the names of the run's variables
    are read, or all where it has none of them. Raises RequestError for what cannot be read, and
    where the run's data were cleaned or embedded, as those of the file are not.
    """
    own = run.config.dataset
    if run.config.dataset.inputs:
        _refuse(path, "the model is driven by inputs", "")
    if changed := _changes(own):
        _refuse(path, f"the run's data were changed ({', '.join(changed)})", " of such data")
    with refusing_as("context"):
        require(Path(path).is_file(), "context", f"'{path}'", "a file of observations")
        if reader_of(path) == "csv":
            return _from_table(path, own, run.dataset.variables)
        file = ArrayFile(Path(path))
        names = list(file.members)
        require(len(names) == 1, "context", f"'{path}' of {len(names)} arrays", "one array")
        file.require_numbers(names)
        return np.asarray(file.read(names)[0], np.float64)


def _refuse(path: str, why: str, what: str) -> None:
    raise RequestError(
        f"context: '{path}' was given, but {why}; accepted: start=… or starts=… in the run's own "
        f"data, or run.generate(steps, context, inputs) in Python, with a context{what}"
    )


def _changes(own: Any) -> list[str]:
    """Name the settings by which the values of a run are no longer those of its file."""
    changed = [f for part in (CleaningSettings, DelaySettings) for f in fields(part)]
    found = [f.name for f in changed if getattr(own, f.name, f.default) != f.default]
    return [f"dataset.{name}" for name in found]


def _from_table(path: str, own: Any, variables: Sequence[str]) -> Array:
    """Read the columns of the variables; all in their order where no name is a variable's.

    A column `trajectory`, as `generate` writes it, tells the observations before each run apart.
    """
    written = {}
    if isinstance(own, TextSettings):
        written = {field.name: getattr(own, field.name) for field in fields(TextSettings)}
    settings = CsvSettings(name="context", path=path, time_column=None, **written)
    named = replace(settings, columns=list(variables))
    if _TRAJECTORY not in variables:
        apart = replace(named, trajectory_column=_TRAJECTORY, train_fraction=None)
        with suppress(RequestError):
            table = read_table(Path(path), apart)
            parts = [part.values for part in table.trajectories().values()]
            return np.stack([part[-min(map(len, parts)) :] for part in parts])
    try:
        return read_table(Path(path), named).values
    except RequestError:
        table = read_table(Path(path), settings)
        if {*variables} <= {*table.names}:
            raise
    fits = not {*variables} & {*table.names} and len(table.names) == len(variables)
    found, own_names = ", ".join(table.names), ", ".join(variables)
    require(fits, "context", f"'{path}' with columns {found}", f"those of the run: {own_names}")
    log.info("the columns %s of '%s' are taken as %s", found, path, own_names)
    return table.values
