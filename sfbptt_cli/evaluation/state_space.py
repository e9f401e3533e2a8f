"""The space in which attractors are compared: the observations, or delay vectors of few of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.embedding import delay_embed, estimate_dimension, estimate_lag
from sfbptt_cli.data.time_scales import principal_component
from sfbptt_cli.metrics.state_space import MAX_BINNED_DIMENSIONS

Array = NDArray[np.float64]

# A histogram of one or two variables says little of an attractor.
_FEW_VARIABLES = 2
# The estimates need no more.
_LONGEST = 20_000


class Delays(NamedTuple):
    """Delay vectors of `dimension` values of each variable, `lag` steps apart; 1: none."""

    lag: int = 1
    dimension: int = 1

    def __call__(self, x: Array) -> Array:
        """Return the delay vectors of a trajectory, (T, N) -> (T − (m − 1) lag, N m)."""
        return x if self.dimension == 1 else delay_embed(x, self.lag, self.dimension)

    def settings(self) -> dict[str, Any]:
        """Return what a distance between delay vectors is stored with."""
        return {} if self.dimension == 1 else {"lag": self.lag, "dimension": self.dimension}


def delays_of(truth: Array, steps: int) -> Delays:
    """Return the delays with which a true trajectory (T, N) shows its attractor.

    More than two variables are taken as they are. Of fewer, lag and dimension are those of
    `estimate_lag` (of the first principal component) and `estimate_dimension`, at most five values
    in all, which span at most a quarter of `steps`, the shortest trajectory that is compared; the
    variables as they are where neither can be found.
    """
    variables = truth.shape[1]
    if variables > _FEW_VARIABLES:
        return Delays()
    series = np.asarray(truth[:_LONGEST], dtype=np.float64)
    try:
        lag, _ = estimate_lag(principal_component(series) if variables > 1 else series[:, 0])
        dimension, _ = estimate_dimension(series, lag)
    except RequestError:
        return Delays()
    dimension = min(dimension, MAX_BINNED_DIMENSIONS // variables, 1 + steps // (4 * lag))
    return Delays(lag, dimension) if dimension > 1 else Delays()
