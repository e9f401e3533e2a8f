"""From the settings of a dataset to its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
from sfbptt_cli.lyapunov.system import largest_known_exponent
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.system import complete_parameters


def build_dataset(config: DatasetSettings, *, exponent: bool = True) -> Dataset:
    """Simulate or read the dataset that `config` describes.

    With `exponent`, the λ_max of a simulated system is the given, published or computed one.
    """
    dataset = _SOURCES[type(config)](config)
    if exponent and isinstance(config, SimulatedSettings):
        system = find_system(config.system, config.library)
        parameters = complete_parameters(system, config.parameters)
        value, source = largest_known_exponent(system, parameters, dataset.dt, config.lambda_max)
        dataset = replace(dataset, lambda_max=value, lambda_source=source)
    if config.inputs is None:
        return dataset
    dimension = getattr(config, "dimension", 1)
    if dimension != 1:
        raise RequestError(
            f"dataset.inputs: {config.inputs} was given; accepted: null with delay embedding "
            f"(dataset.dimension = {dimension})"
        )
    return separate_inputs(dataset, config.inputs)


_SOURCES: Mapping[type[DatasetSettings], Callable[[Any], Dataset]] = {
    SimulatedSettings: simulate_dataset,
    ArraySettings: read_array_dataset,
    CsvSettings: read_csv,
    TemperatureSettings: read_temperature,
}
