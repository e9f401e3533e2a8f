"""How far a model looks: the interval τ, the warm-up w and the window T, from settings and data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from sfbptt_cli.common.checks import require
from sfbptt_cli.config.commands import LEAST_WINDOW, TrainSettings
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.experiment.memory import (
    memory_of,
    noise_of,
    suggested_gain,
    suggested_warmup,
)
from sfbptt_cli.experiment.tau_choice import predicted_tau
from sfbptt_cli.training.losses import loss_scale

# Of a window by default, so that an update of 32 sequences has 128 segments.
_SEGMENTS = 4


@dataclass(frozen=True)
class Horizon:
    """τ, w and T of a training, in steps, and where τ and w come from; the gain, and ε of the loss.

    ε is None for squared errors.
    """

    tau: int | None
    tau_source: str
    warmup: int
    warmup_source: str
    gain: float | str
    loss_scale: float | None
    window: int

    def without_sequence(self, dataset: Dataset) -> str | None:
        """Say how many training trajectories are shorter than a training sequence, if any are."""
        steps = self.warmup + self.window
        short = sum(part.stop - part.start <= steps for part in dataset.trajectories)
        if not short:
            return None
        return (
            f"{short} of {len(dataset.trajectories)} training trajectories are not trained on: "
            f"they have at most warmup + window = {steps} steps"
        )


def choose_horizon(config: TrainSettings, dataset: Dataset, recorded: Dataset) -> Horizon:
    """Return what the settings say, and what the data say where they leave it open.

    Warm-up and gain follow the data as they were recorded, the others what is trained on: of the
    noise that was taken off the training part some is left, and the starts of free runs have all.
    Raises RequestError, naming the setting, where the data are too short.
    """
    train, test = longest_training(dataset), len(dataset.test)
    warmup, warmup_source = config.warmup, "warmup"
    before = cache(lambda: memory_of(recorded))
    memory = before if dataset is recorded else cache(lambda: memory_of(dataset))
    if warmup == "auto":
        warmup, warmup_source = suggested_warmup(config.dataset, before)
    warmup = int(warmup)
    accepted = f"at most half of the {train} training and {test} test steps"
    require(warmup <= min(train, test) // 2, "warmup", warmup, accepted)
    tau, tau_source = config.tau, "tau"
    if isinstance(tau, str):
        most = train - warmup - 1 if config.window == "auto" else int(config.window)
        tau, tau_source = predicted_tau(dataset, most, memory)
    gain: float | str = config.gain
    if gain == "auto":
        gain = suggested_gain(config.dataset, before, tau) if warmup else "learned"
    scale = None
    if config.loss == "cauchy":
        noise = np.array([*noise_of(config.dataset, memory)])
        scale = loss_scale(float(np.linalg.norm(noise)) / math.sqrt(dataset.obs_dim))
    horizon = Horizon(None, "", warmup, warmup_source, gain, scale, window=0)
    return with_interval(horizon, config, dataset, tau, tau_source)


def with_interval(
    horizon: Horizon, config: TrainSettings, dataset: Dataset, tau: int | None, source: str
) -> Horizon:
    """Return the horizon with this τ and the T that goes with it; RequestError if it does not fit.

    `window=auto` is four segments, at least 120 steps, and fewer only where the data end.
    """
    longest = longest_training(dataset) - horizon.warmup - 1
    window, field = config.window, "window"
    if window == "auto":
        wanted, field = max(LEAST_WINDOW, _SEGMENTS * (tau or 0)), "tau"
        window = max(tau or 1, min(wanted, longest))
    window = int(window)
    accepted = f"at most {longest}, what the longest training trajectory has after the warm-up"
    require(window <= longest, field, window, accepted)
    return replace(horizon, tau=tau, tau_source=source, window=window)


def longest_training(dataset: Dataset) -> int:
    """Return the steps of the longest training trajectory."""
    return max(part.stop - part.start for part in dataset.trajectories)
