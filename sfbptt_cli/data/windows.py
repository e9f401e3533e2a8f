"""Training sequences drawn at random from a series."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from sfbptt_cli.data.dataset import Dataset, Standardiser


class Windows:
    """Batches of windows of `window` = w + T steps, standardised, at starts drawn uniformly.

    No window spans two trajectories; shorter ones have none. The windows are views of
    the series until a batch is gathered, so a memory-mapped series stays on disk. The starts of an
    epoch depend on `seed` and the epoch alone: the position in training is the whole state of the
    sampler.

    A batch is (batch, window + 1, N), of inputs (batch, window + 1, K), on `device`.
    """

    def __init__(
        self,
        dataset: Dataset,
        standardiser: Standardiser,
        window: int,
        batch_size: int,
        batches_per_epoch: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        # (start, N, window + 1), no copy
        self._views = sliding_window_view(dataset.train, window + 1, axis=0)
        self._inputs = None
        if dataset.inputs is not None:
            self._inputs = sliding_window_view(dataset.inputs.train, window + 1, axis=0)
        rows = dataset.trajectories
        counts = [max(0, part.stop - part.start - window) for part in rows]
        # The n-th window of all starts at row n + the shift of the trajectory that it lies in.
        self._ends = np.cumsum(counts, dtype=np.int64)
        before = self._ends - counts
        self._shifts = np.array([part.start for part in rows], dtype=np.int64) - before
        # Of the rows of a window end to end: numpy is slow along an axis as short as N.
        scale = (np.tile(of_each, window + 1) for of_each in (standardiser.mean, standardiser.std))
        self._standardiser = Standardiser(*scale)
        self._shape = (batches_per_epoch, batch_size)
        self._seed = seed
        self._device = device
        self._dtype = dtype

    def __len__(self) -> int:
        return self._shape[0]

    def starts(self, epoch: int) -> NDArray[np.int64]:
        """Draw the first time steps of an epoch's windows: (batches_per_epoch, batch)."""
        generator = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(1, epoch)))
        drawn = generator.integers(self._ends[-1], size=self._shape, dtype=np.int64)
        return drawn + self._shifts[np.searchsorted(self._ends, drawn, side="right")]

    def batch(self, starts: NDArray[np.int64]) -> Tensor:
        """Return the windows at `starts` (batch,), standardised: (batch, window + 1, N)."""
        windows = self._views[starts].swapaxes(1, 2)
        joined = self._standardiser.standardise(windows.reshape(len(starts), -1))
        return self._tensor(joined.reshape(windows.shape))

    def inputs(self, starts: NDArray[np.int64]) -> Tensor | None:
        """Return the external inputs of the windows: (batch, window + 1, K), or None."""
        return None if self._inputs is None else self._tensor(self._inputs[starts].swapaxes(1, 2))

    def _tensor(self, windows: NDArray[Any]) -> Tensor:
        return torch.from_numpy(windows).to(self._device, self._dtype)
