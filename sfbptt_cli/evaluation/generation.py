"""Free generation: the model alone, from a state computed from the data before."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.models.base import LatentModel

# Steps generated at once: latent states of a chunk are all that is held besides the result.
_CHUNK = 20_000


@torch.no_grad()
def generate(
    model: LatentModel,
    standardiser: Standardiser,
    contexts: NDArray[Any],
    steps: int,
    inputs: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Return trajectories of the freely running model, in data units.

    Each starts from its context, the w + 1 observations up to its start: contexts (trajectory,
    w + 1, N), in data units, of which the model's warm-up makes a state. It then runs `steps` steps
    without data. A model with external inputs takes those of the times that its steps arrive at,
    the w of the warm-up first: inputs (trajectory, w + steps, K), standardised. Returns
    (trajectory, steps, N), of which the first step is the prediction one step after the context.
    A diverged trajectory holds ±Inf or NaN from there on.
    """
    parameter = next(model.parameters())
    x = torch.from_numpy(standardiser.standardise(contexts)).to(parameter)
    warmup = x.shape[1] - 1
    s = None if inputs is None else torch.from_numpy(inputs).to(parameter)
    state = model.warm_up(x, None if s is None else s[:, :warmup])
    generated = np.empty((len(x), steps, model.obs_dim))
    chunk = max(1, _CHUNK // len(x))
    for first in range(0, steps, chunk):
        now = min(chunk, steps - first)
        driving = None if s is None else s[:, warmup + first : warmup + first + now]
        predicted, state = model.predict(state, now, driving)
        found = standardiser.restore(predicted.double().cpu().numpy())
        generated[:, first : first + chunk] = found
    return generated
