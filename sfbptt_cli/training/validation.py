"""Measurements during training: short free generations and Jacobian products."""

from __future__ import annotations

import numpy as np

from sfbptt_cli.data.contexts import stretches
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.evaluation.generation import generate
from sfbptt_cli.evaluation.state_space import delays_of
from sfbptt_cli.lyapunov.jacobian_products import jacobian_products
from sfbptt_cli.metrics.state_space import d_stsp_binned, d_stsp_gmm, grid_is_filled
from sfbptt_cli.models.base import LatentModel

# Windows whose first states Jacobian products start from.
_JACOBIAN_STARTS = 16
# Points of the training series that a validation compares with.
_VALIDATION_POINTS = 100_000
_VALIDATION_BINS = 30


class Validation:
    """D_stsp between short free generations and the training series.

    Many trajectories at once cost little more than one, and the D_stsp of one of the same cost is
    too noisy to compare converged models. Their first tenth, still near the data they start from,
    is not counted. Binned where the points fill the grid, else GMM. Each starts from
    `warmup` + 1 observations of one training trajectory; with external inputs they run along it,
    as far as the longest reaches.
    """

    def __init__(
        self,
        dataset: Dataset,
        standardiser: Standardiser,
        steps: int,
        trajectories: int,
        warmup: int = 0,
    ) -> None:
        series = dataset.train
        stride = max(1, len(series) // _VALIDATION_POINTS)
        self._inputs = None
        parts = [(part.start + warmup, part.stop) for part in dataset.trajectories]
        after = 0
        if dataset.inputs is not None:
            after = steps = min(steps, max(stop - start for start, stop in parts) - 1)
        possible = np.concatenate([np.arange(start, stop - after) for start, stop in parts])
        starts = possible[np.linspace(0, len(possible) - 1, trajectories).astype(int)]
        if dataset.inputs is not None:
            self._inputs = stretches(dataset.inputs.train, starts, 1 - warmup, steps)
        self._contexts = stretches(series, starts, -warmup, 0)
        rows = max(dataset.trajectories, key=lambda part: part.stop - part.start)
        self._delays = delays_of(series[rows], steps)
        parts_seen = [self._delays(series[part]) for part in dataset.trajectories]
        self._truth = np.concatenate([part[::stride] for part in parts_seen])
        self._standardiser = standardiser
        self._steps = steps

    def __call__(self, model: LatentModel) -> float:
        generated = generate(model, self._standardiser, self._contexts, self._steps, self._inputs)
        after = generated[:, self._steps // 10 :]
        generated = np.concatenate([self._delays(trajectory) for trajectory in after])
        if grid_is_filled(*self._truth.shape, bins=_VALIDATION_BINS):
            return d_stsp_binned(self._truth, generated, bins=_VALIDATION_BINS).value
        return d_stsp_gmm(self._truth, generated, points=2_000, samples=500)


class JacobianNorms:
    """Mean ln ‖∂z_{t+n}/∂z_t‖₂ over n = τ and n = T steps, from states forced on training data.

    With forcing every τ steps no gradient passes more than the first; without, none less than the
    second (Mikhaeil et al. 2022, theorem 2).
    """

    def __init__(self, windows: Windows, window: int) -> None:
        starts = windows.starts(0).reshape(-1)[:_JACOBIAN_STARTS]
        self._x = windows.batch(starts)
        self._s = windows.inputs(starts)
        self._window = window

    def __call__(self, model: LatentModel, tau: int | None) -> dict[str, float]:
        begun, s, warming = model.warmup + 1, None, None
        if self._s is not None:
            warming, s = self._s[:, 1:begun], self._s[:, begun:]
        state = model.warm_up(self._x[:, :begun], warming).detach()
        norms = jacobian_products(model, state, self._window, 1, s).values.mean(axis=0)
        return {
            "log_jacobian_tau": float(norms[min(tau or self._window, self._window) - 1]),
            "log_jacobian_window": float(norms[-1]),
        }
