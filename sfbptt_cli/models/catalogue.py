"""The models by name."""

from sfbptt_cli.common.entry_points import extended
from sfbptt_cli.common.errors import lookup
from sfbptt_cli.models.al_rnn import ALRNN
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.dendritic_plrnn import DendriticPLRNN
from sfbptt_cli.models.gru import GRU
from sfbptt_cli.models.lstm import LSTM
from sfbptt_cli.models.plrnn import PLRNN
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


def find_model(name: str) -> type[LatentModel]:
    """Return the model `name` of MODELS, or one that another package registers (`sfbptt.models`).

    Raises RequestError, listing the known ones, for an unknown name.
    """
    return lookup(extended(MODELS, "models"), name, "model.name")
