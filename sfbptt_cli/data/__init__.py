"""Observed time series: simulated or read, split, standardised, cut into windows."""

from sfbptt_cli.data.arrays import read_dataset
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.simulated import simulate_dataset
from sfbptt_cli.data.windows import Windows

__all__ = ["Dataset", "Standardiser", "Windows", "read_dataset", "simulate_dataset"]
