"""Free generation: the model alone, from a state forced once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.models.base import LatentModel

# Steps generated at once: latent states of a chunk are all that is held besides the result.
_CHUNK = 20_000


def along(inputs: NDArray[Any], starts: NDArray[Any], steps: int) -> NDArray[Any]:
    """Return the `steps` rows of `inputs` (T, K) after each row of `starts`: (start, steps, K).

    Free steps from these rows arrive at the times of the inputs returned.
    """
    return inputs[np.asarray(starts)[:, None] + np.arange(1, steps + 1)]


@torch.no_grad()
def generate(
    model: LatentModel,
    standardiser: Standardiser,
    x0: NDArray[Any],
    steps: int,
    inputs: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Return trajectories of the freely running model, in data units.

    The state is computed from the observations x0 (trajectory, N), in data units, by the inverted
    readout; the model then runs `steps` steps without data. A model with external inputs takes
    those of the times its steps arrive at: inputs (trajectory, steps, K), standardised. Returns
    (trajectory, steps, N), of which the first step is the prediction one step after x0. A diverged
    trajectory holds ±Inf or NaN from there on.
    """
    parameter = next(model.parameters())
    x = torch.from_numpy(standardiser.standardise(x0)).to(parameter)
    state = model.force(x)
    generated = np.empty((len(x0), steps, model.obs_dim))
    chunk = max(1, _CHUNK // len(x0))
    for first in range(0, steps, chunk):
        s = None
        if inputs is not None:
            s = torch.from_numpy(inputs[:, first : first + chunk]).to(parameter)
        z, state = model.rollout(state, min(chunk, steps - first), s)
        predicted = model.readout(z).double().cpu().numpy()
        generated[:, first : first + chunk] = standardiser.restore(predicted)
    return generated
