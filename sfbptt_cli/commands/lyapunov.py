"""`sfbptt lyapunov`: exponents of a dataset or of a run's model."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sfbptt_cli.common.atomic import write_json
from sfbptt_cli.common.program import training
from sfbptt_cli.common.terminal import say
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import DatasetSettings, SimulatedSettings
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.denoising import teacher_of
from sfbptt_cli.experiment.drawing import recipe
from sfbptt_cli.experiment.memory import memory_of
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.figures import style as figure_style
from sfbptt_cli.figures.exponents import Exponents as DrawnExponents
from sfbptt_cli.figures.exponents import exponents as exponent_figure
from sfbptt_cli.figures.separation import separation
from sfbptt_cli.lyapunov import exponents
from sfbptt_cli.lyapunov.exponent_table import (
    exponent_table,
    heuristics_table,
    recommendation,
)
from sfbptt_cli.lyapunov.exponents import Exponents
from sfbptt_cli.lyapunov.settings import LyapunovSettings, OrbitSettings
from sfbptt_cli.storage.provenance import provenance
from sfbptt_cli.systems.catalogue import find_system

log = logging.getLogger("sfbptt")

# Of a simulated system, for the heuristics.
_HEURISTIC_STEPS = 20_000
# Exponents of a delay equation, which has infinitely many, when a model is compared with it.
_LEADING = 3


def run(config: LyapunovSettings, overrides: Sequence[str]) -> None:
    """Print the exponents of a dataset or of a run's model, and write them and a figure.

    `overrides` are those of the dataset, for the command that is recommended.
    """
    if config.run is not None:
        _of_run(config, Run(config.run, config.checkpoint, moved=config.moved))
    elif config.method == "equations":
        assert isinstance(config.dataset, SimulatedSettings)
        found = _of_equations(config, config.dataset)
        say(recommendation(found, training(overrides)))
    else:
        assert config.dataset is not None
        found = _of_data(config, config.dataset)
        say(recommendation(found, training(overrides)))


def _of_equations(config: LyapunovSettings, described: SimulatedSettings) -> Exponents:
    # Unknown systems and impossible numbers of exponents are refused before anything is simulated.
    exponents.system_with(described.system, described.library, config.exponents)
    # The heuristics look at so much of the data, the exponents at none.
    steps = min(described.train_steps, _HEURISTIC_STEPS)
    little = replace(described, train_steps=steps, test_steps=100, floor_trajectories=1)
    dataset = build_dataset(little, exponent=False)
    found = exponents.from_equations(described, dataset, config.orbits())
    _conclude(config, dataset, found)
    return found


def _of_data(config: LyapunovSettings, described: DatasetSettings) -> Exponents:
    dataset = build_dataset(described, exponent=False)
    for line in dataset.account():
        log.info("%s", line)
    dataset, denoised = teacher_of(described, dataset, lambda: memory_of(dataset))
    if denoised:
        log.info("%s", denoised)
    found, behind = exponents.from_data(dataset, config.neighbours())
    folder = _conclude(config, dataset, found)
    if len(behind.curve[0]):
        drawn = separation(behind, dataset.dt, dataset.time_unit, dataset.name)
        say(*figure_style.save(drawn, folder, "separation"))
    return found


def _conclude(config: LyapunovSettings, dataset: Dataset, found: Exponents) -> Path:
    """Print and write the exponents of a dataset and the other choices of τ."""
    folder = Path(config.outputs) / config.name / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    others = exponents.heuristics(dataset)
    seen = {"heuristics": others, "preprocessing": list(dataset.preprocessing)}
    say(
        exponent_table(dataset.name, found, every=config.exponents is not None),
        heuristics_table(others),
    )
    _write(folder / "lyapunov.json", config, {**found.as_json(), **seen})
    return folder


def _of_run(config: LyapunovSettings, run: Run) -> None:
    """Print and write the spectra of the model and of its system, in the same units."""
    found = exponents.from_model(run.model, run.standardiser, run.dataset, config.orbits())
    truth = None
    simulated = run.config.dataset
    if isinstance(simulated, SimulatedSettings):
        delayed = find_system(simulated.system, simulated.library).delay is not None
        settings = OrbitSettings(exponents=_LEADING if delayed else None)
        truth = exponents.from_equations(simulated, run.dataset, settings)
    say(exponent_table(str(run.folder.path), found, truth, config.exponents is not None))
    content = {**found.as_json(), "system": None if truth is None else truth.as_json()}
    system = None if truth is None else _drawn(truth)
    drawn = exponent_figure(_drawn(found), system, content["unit"], recipe(run))
    with run.folder.lock():
        _write(run.folder.path / "lyapunov.json", config, content)
        run.folder.figures.mkdir(exist_ok=True)
        say(*figure_style.save(drawn, run.folder.figures, "exponents"))


def _drawn(found: Exponents) -> DrawnExponents:
    return DrawnExponents(
        found.values, found.values * math.nan if found.errors is None else found.errors
    )


def _write(path: Path, config: LyapunovSettings, content: dict[str, Any]) -> None:
    write_json(path, {"settings": asdict(config), **content, "provenance": provenance()})
    say(path)
