"""Training sequences drawn at random from a series."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from sfbptt_cli.data.dataset import Standardiser


class Windows:
    """Batches of windows x_1 … x_{T+1}, standardised, at starts drawn uniformly.

    The windows are views of the series until a batch is gathered, so a memory-mapped series stays
    on disk. The starts of an epoch depend on `seed` and the epoch alone: the position in training
    is the whole state of the sampler.

    series (time, N); a batch is (batch, T + 1, N) on `device`.
    """

    def __init__(
        self,
        series: NDArray[Any],
        standardiser: Standardiser,
        window: int,
        batch_size: int,
        batches_per_epoch: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        # (start, N, T + 1), no copy
        self._views = sliding_window_view(series, window + 1, axis=0)
        self._standardiser = standardiser
        self._shape = (batches_per_epoch, batch_size)
        self._seed = seed
        self._device = device
        self._dtype = dtype

    def __len__(self) -> int:
        return self._shape[0]

    def starts(self, epoch: int) -> NDArray[np.int64]:
        """First time steps of an epoch's windows, (batches_per_epoch, batch)."""
        generator = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(1, epoch)))
        return generator.integers(len(self._views), size=self._shape)

    def batch(self, starts: NDArray[np.int64]) -> Tensor:
        """The windows at `starts` (batch,), standardised: (batch, T + 1, N)."""
        windows = self._standardiser.standardise(self._views[starts].swapaxes(1, 2))
        return torch.from_numpy(windows).to(self._device, self._dtype)
