"""Observed time series: simulated or read, split, standardised, cut into windows."""

from sfbptt_cli.data.arrays import read_dataset
from sfbptt_cli.data.csv_reader import CsvSource, read_csv_dataset, read_temperature
from sfbptt_cli.data.dataset import Dataset, Standardiser, separate_inputs
from sfbptt_cli.data.simulated import simulate_dataset
from sfbptt_cli.data.windows import Windows

__all__ = [
    "CsvSource",
    "Dataset",
    "Standardiser",
    "Windows",
    "read_csv_dataset",
    "read_dataset",
    "read_temperature",
    "separate_inputs",
    "simulate_dataset",
]
