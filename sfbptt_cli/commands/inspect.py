"""`sfbptt inspect`: what the data of a dataset allow, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfbptt_cli.common.atomic import write_json
from sfbptt_cli.common.numbers import word_or_number
from sfbptt_cli.common.program import training
from sfbptt_cli.config.commands import InspectSettings
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.time_scales import standardise
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.inspection import Inspection, inspect_dataset
from sfbptt_cli.experiment.inspection_text import inspection_text
from sfbptt_cli.figures import style as figure_style
from sfbptt_cli.figures.inspection import inspection
from sfbptt_cli.lyapunov.from_data import LONGEST
from sfbptt_cli.metrics.spectrum import power_spectrum
from sfbptt_cli.storage.provenance import provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Cycles of the series that are drawn, and steps at least and at most.
_CYCLES = 12
_STEPS = (200, 5_000)


def run(config: InspectSettings, overrides: Sequence[str]) -> None:
    """Print what was found; write it and a figure. `overrides` are those of the dataset."""
    described = config.dataset
    assert described is not None
    dataset = build_dataset(described)
    found = inspect_dataset(described, dataset)
    print(inspection_text(described, dataset, found, training(overrides)))
    folder = Path(config.outputs) / config.name / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    for path in figure_style.save(_figure(dataset, found), folder, "inspection"):
        print(path)
    path = folder / "inspection.json"
    content = {"settings": asdict(config), **_plain(asdict(found)), "provenance": provenance()}
    write_json(path, content)
    print(path)


def _figure(dataset: Dataset, found: Inspection) -> Figure:
    series = standardise(dataset.longest_training(LONGEST))
    cycles = _CYCLES * found.cycle if math.isfinite(found.cycle) else 0
    steps = int(np.clip(cycles, *_STEPS))
    past = found.determinism
    errors = ([], [], []) if past is None else (past.pasts, past.ahead, past.errors)
    return inspection(
        series[:steps],
        power_spectrum(series),
        errors,
        found.exponent,
        dataset.variables,
        dataset.dt,
        dataset.time_unit,
        dataset.name,
    )


def _plain(value: Any) -> Any:
    """Return arrays as lists, and words for numbers that JSON cannot hold."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (float, np.floating)):
        return word_or_number(float(value))
    return value.item() if isinstance(value, np.generic) else value
