"""The observations before a start, and the states of a model that they lead to."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.models.base import LatentModel


def stretches(series: NDArray[Any], starts: NDArray[Any], first: int, last: int) -> NDArray[Any]:
    """Return rows start + first … start + last of a series (T, N) for each of `starts`.

    (start, last − first + 1, N). A state at a row comes of rows −w … 0, and free steps from there
    take the external inputs of rows 1 … steps.
    """
    return series[np.asarray(starts)[:, None] + np.arange(first, last + 1)]


@torch.no_grad()
def states_at(
    model: LatentModel,
    standardiser: Standardiser,
    series: NDArray[Any],
    starts: NDArray[Any],
    inputs: NDArray[Any] | None = None,
) -> Tensor:
    """Return the states of a model at rows `starts` of a series, (start, state_dim), in float64.

    Each is that of `model.warm_up` on the w + 1 rows of series (T, N), in data units, that end
    there; w = model.warmup, and no start is below it. inputs (T, K): standardised.
    """
    model = copy.deepcopy(model).double()
    device = next(model.parameters()).device
    x = standardiser.standardise(stretches(series, starts, -model.warmup, 0))
    s = None
    if inputs is not None and model.warmup:
        s = torch.from_numpy(stretches(inputs, starts, 1 - model.warmup, 0)).to(device)
    return model.warm_up(torch.from_numpy(x).to(device), s)
