"""Recurrent networks; a new one is a file here, a line in MODELS and a YAML file."""

from sfbptt_cli.models.al_rnn import ALRNN
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.dendritic_plrnn import DendriticPLRNN
from sfbptt_cli.models.gru import GRU
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.models.readout import READOUTS, IdentityReadout, LinearReadout, Readout
from sfbptt_cli.models.rnn import RNN
from sfbptt_cli.models.shallow_plrnn import ShallowPLRNN

MODELS: dict[str, type[LatentModel]] = {
    "lstm": LSTM,
    "rnn": RNN,
    "gru": GRU,
    "plrnn": PLRNN,
    "dendritic_plrnn": DendriticPLRNN,
    "shallow_plrnn": ShallowPLRNN,
    "al_rnn": ALRNN,
}

__all__ = [
    "ALRNN",
    "GRU",
    "LSTM",
    "MODELS",
    "PLRNN",
    "READOUTS",
    "RNN",
    "DendriticPLRNN",
    "IdentityReadout",
    "LatentModel",
    "LinearReadout",
    "Readout",
    "ShallowPLRNN",
]
