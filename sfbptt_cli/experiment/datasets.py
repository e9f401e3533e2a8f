"""From the settings of a dataset to its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.dataset import Dataset, separate_inputs
from sfbptt_cli.data.settings import (
    ArraySettings,
    CsvSettings,
    DatasetSettings,
    SimulatedSettings,
    TemperatureSettings,
)
from sfbptt_cli.data.simulated import simulate_dataset
from sfbptt_cli.data.tables.reader import read_csv, read_temperature


def build_dataset(config: DatasetSettings, window: int) -> Dataset:
    """Simulate or read the dataset that `config` describes."""
    dataset = _SOURCES[type(config)](config, window)
    if config.inputs is None:
        return dataset
    dimension = getattr(config, "dimension", 1)
    if dimension != 1:
        raise RequestError(
            f"dataset.inputs: {config.inputs} was given; accepted: null with delay embedding "
            f"(dataset.dimension = {dimension})"
        )
    return separate_inputs(dataset, config.inputs)


def _simulate(config: SimulatedSettings, window: int) -> Dataset:
    settings = asdict(config)
    del settings["source"], settings["inputs"]
    return simulate_dataset(**settings)


_SOURCES: Mapping[type[DatasetSettings], Callable[[Any, int], Dataset]] = {
    SimulatedSettings: _simulate,
    ArraySettings: read_array_dataset,
    CsvSettings: read_csv,
    TemperatureSettings: read_temperature,
}
