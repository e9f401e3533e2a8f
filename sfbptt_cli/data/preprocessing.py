"""Trend, cycles and fast noise taken out of a series, without a look at the part that tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.timestamps import UNITS
from sfbptt_cli.errors import RequestError, lookup

Array = NDArray[np.float64]

# Days: the mean year of the Gregorian calendar, and the solar day.
PERIODS = {"yearly_cycle": 365.2425, "daily_cycle": 1.0}
# A shorter part of a period does not tell a cycle from a trend or an offset.
_SHORTEST_PART = 0.75


@dataclass(frozen=True)
class Cleaning:
    """What is taken out of the series."""

    trend: str = "none"  # none, linear
    yearly_cycle: int = 0  # harmonics of 365.2425 days; 0: not removed
    daily_cycle: int = 0  # harmonics of a day; 0: not removed
    smoothing: float = 0.0  # standard deviation of a Gaussian filter, samples; 0: none


def clean(
    values: Array, split: int, dt: float, unit: str, cleaning: Cleaning
) -> tuple[Array, list[str]]:
    """The (T, N) series without what `cleaning` names, and sentences that tell what was done.

    Trend and cycles are fitted to the first `split` samples and subtracted everywhere. The filter
    runs over each part alone. So no number before `split` depends on one after it.
    """
    lookup(dict.fromkeys(("none", "linear")), cleaning.trend, "dataset.trend")
    harmonics = {"yearly_cycle": cleaning.yearly_cycle, "daily_cycle": cleaning.daily_cycle}
    periods = {
        name: _samples_a_period(name, count, dt, unit, split)
        for name, count in harmonics.items()
        if count
    }
    notes = []
    if cleaning.trend == "linear":
        notes.append(f"linear trend removed, fitted to the {split} training samples")
    for name, period in periods.items():
        notes.append(
            f"{name.replace('_', ' ')} removed: {harmonics[name]} harmonics of {PERIODS[name]:g} "
            f"days, fitted to the {split} training samples ({split / period:.2f} periods)"
        )
    if notes:
        frequencies = [k / p for n, p in periods.items() for k in range(1, harmonics[n] + 1)]
        values = remove_fit(values, split, cleaning.trend == "linear", frequencies)
    if cleaning.smoothing > 0:
        values = np.concatenate(
            [smooth(part, cleaning.smoothing) for part in (values[:split], values[split:])]
        )
        notes.append(
            f"Gaussian filter of sigma {cleaning.smoothing:g} samples, "
            "over training and test part alone, reflected at their ends"
        )
    return values, notes


def _samples_a_period(name: str, harmonics: int, dt: float, unit: str, split: int) -> float:
    if unit not in UNITS:
        raise RequestError(
            f"dataset.{name}: {harmonics} harmonics were given, but the time unit is '{unit}'; "
            f"accepted: 0, or data in {', '.join(UNITS)}"
        )
    period = PERIODS[name] * UNITS["days"] / UNITS[unit] / dt
    most = math.ceil(period / 2) - 1
    if harmonics > most:
        raise RequestError(
            f"dataset.{name}: {harmonics} harmonics were given; accepted: at most {most} at "
            f"{period:.4g} samples a period"
        )
    if split < _SHORTEST_PART * period:
        raise RequestError(
            f"dataset.{name}: the training part covers {split / period:.2f} periods; "
            f"accepted: 0, or a training part of at least {_SHORTEST_PART:g}"
        )
    return period


def remove_fit(values: Array, split: int, trend: bool, frequencies: Sequence[float]) -> Array:
    """Residuals x_t − β·a_t of least squares, β from t < split alone.

    a_t = (1, t, cos 2πft, sin 2πft, …) with f in cycles a sample; t only with `trend`. The mean
    goes too: what is left are deviations. values (T, N).
    """
    time = np.arange(len(values))
    columns = [np.ones(len(values))]
    if trend:
        columns.append(time / split - 0.5)
    for frequency in frequencies:
        columns += [np.cos(2 * np.pi * frequency * time), np.sin(2 * np.pi * frequency * time)]
    design = np.column_stack(columns)
    coefficients = np.linalg.lstsq(design[:split], values[:split])[0]
    return values - design @ coefficients


def smooth(values: Array, sigma: float) -> Array:
    """Gaussian filter along the time of (T, N), cut at 4 sigma, the series reflected at its ends."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(values, sigma, axis=0, mode="reflect", truncate=4.0)
