"""Recurrent networks; a new one is a file here, a line in MODELS and a YAML file."""

from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.readout import LinearReadout

MODELS: dict[str, type[LatentModel]] = {"lstm": LSTM}

__all__ = ["LSTM", "MODELS", "LatentModel", "LinearReadout"]
