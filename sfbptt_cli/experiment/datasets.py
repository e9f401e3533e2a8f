"""From the settings of a dataset to its data."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.arrays import read_dataset
from sfbptt_cli.data.dataset import Dataset, separate_inputs
from sfbptt_cli.data.preprocessing import Cleaning
from sfbptt_cli.data.sampling import Repairs
from sfbptt_cli.data.settings import (
    ArraySettings,
    DatasetSettings,
    SimulatedSettings,
    TableSettings,
    TemperatureSettings,
)
from sfbptt_cli.data.simulated import simulate_dataset
from sfbptt_cli.data.tables.reader import CsvSource, read_csv_dataset, read_temperature
from sfbptt_cli.data.tables.table import TableFormat
from sfbptt_cli.lyapunov.system import largest_known_exponent
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.system import complete_parameters


def build_dataset(config: DatasetSettings, window: int, *, exponent: bool = True) -> Dataset:
    """Simulate or read the dataset that `config` describes; with `exponent`, λ_max of a system."""
    dataset = _observations(config, window)
    if exponent and isinstance(config, SimulatedSettings):
        dataset = _with_exponent(dataset, config)
    if config.inputs is None:
        return dataset
    dimension = getattr(config, "dimension", 1)
    if dimension != 1:
        raise RequestError(
            f"dataset.inputs: {config.inputs} was given; accepted: null with delay embedding "
            f"(dataset.dimension = {dimension})"
        )
    return separate_inputs(dataset, config.inputs)


def _with_exponent(dataset: Dataset, config: SimulatedSettings) -> Dataset:
    system = find_system(config.system, config.library)
    parameters = complete_parameters(system, config.parameters)
    value, source = largest_known_exponent(system, parameters, dataset.dt, config.lambda_max)
    return replace(dataset, lambda_max=value, lambda_source=source)


def _observations(config: DatasetSettings, window: int) -> Dataset:
    settings = asdict(config)
    del settings["source"], settings["inputs"]
    settings.pop("lambda_evidence", None)  # says what is made of the data, not what they are
    if isinstance(config, SimulatedSettings):
        return simulate_dataset(config)
    if isinstance(config, ArraySettings):
        return read_dataset(**settings, window=window)
    assert isinstance(config, TableSettings)
    return _read_table(config, settings, window)


def _read_table(config: TableSettings, settings: dict[str, Any], window: int) -> Dataset:
    """Sort the settings of a text file by what they are for, and read it."""
    settings["missing_values"] = tuple(settings["missing_values"])
    parts = {"form": TableFormat, "repairs": Repairs, "cleaning": Cleaning}
    built = {
        name: part(**_given({f.name: settings.pop(f.name) for f in fields(part)}))
        for name, part in parts.items()
    }
    if settings["lag"] is None:
        del settings["lag"]
    if isinstance(config, TemperatureSettings):
        column = settings.pop("column")
        return read_temperature(CsvSource(**settings, **built), column, window)
    columns = settings.pop("columns")
    chosen = None if columns is None else tuple(columns)
    return read_csv_dataset(CsvSource(**settings, **built, columns=chosen), window)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what is null because another setting leaves it without meaning."""
    return {key: value for key, value in settings.items() if value is not None}
