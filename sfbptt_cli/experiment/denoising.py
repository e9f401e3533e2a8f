"""What a model is trained on: the data, without their noise where they are noisy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sfbptt_cli.common.cache import cached
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.denoising import Denoised, denoise
from sfbptt_cli.data.settings import DatasetSettings
from sfbptt_cli.experiment.memory import Memory, noise_of

# Raised when the same data are denoised in another way than before.
_VERSION = 1
# Noise in standard deviations below which training does as well with it as without.
_LEAST = 0.01
# And above which there is more of it than of a signal.
_MOST = 0.5**0.5


def teacher_of(
    described: DatasetSettings, dataset: Dataset, memory: Callable[[], Memory]
) -> tuple[Dataset, str | None]:
    """Return the dataset with a denoised training part, and what was done; None: nothing.

    memory: what its training part as it was recorded says of noise. Delay vectors are left alone:
    neighbours in time share samples, and so their noise. So are variables of more noise than
    signal, of which nothing would be left.
    """
    if getattr(described, "dimension", 1) != 1:
        return dataset, None
    noise = [level * (level < _MOST) for level in noise_of(described, memory)]
    if max(noise, default=0.0) < _LEAST:
        return dataset, None
    found = cached(
        "denoised",
        {"version": _VERSION, "data": dataset.fingerprint(), "noise": noise},
        ".npz",
        lambda: denoise([dataset.train[rows] for rows in dataset.trajectories], np.array(noise)),
        _write,
        _read,
    )
    removed = float(np.sqrt(np.mean(found.removed**2)))
    if removed < _LEAST:
        return dataset, None
    said = (
        f"denoised: {100 * removed:.2g}% of a standard deviation taken off the training part, by "
        f"regression on {found.reach} step{'s' * (found.reach > 1)} before and after"
    )
    train = np.concatenate(found.parts).astype(dataset.train.dtype)
    return replace(dataset, train=train, preprocessing=(*dataset.preprocessing, said)), said


def _write(path: Path, found: Denoised) -> None:
    lengths = [len(part) for part in found.parts]
    with path.open("wb") as file:
        np.savez(
            file,
            train=np.concatenate(found.parts),
            lengths=lengths,
            reach=found.reach,
            removed=found.removed,
        )


def _read(path: Path) -> Denoised:
    with path.open("rb") as file, np.load(file) as stored:
        parts = np.split(stored["train"], np.cumsum(stored["lengths"])[:-1])
        return Denoised(parts, int(stored["reach"]), stored["removed"])
