"""Remove trend, cycles and fast noise from a series, without a look at the test part."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import CleaningSettings
from sfbptt_cli.data.tables.timestamps import UNITS

Array = NDArray[np.float64]

# Days: the mean year of the Gregorian calendar, and the solar day.
_YEAR = 365.2425
PERIODS = {"yearly_cycle": _YEAR, "daily_cycle": 1.0}
# Time units, in days.
_LENGTHS = {
    **{unit: length / UNITS["days"] for unit, length in UNITS.items()},
    **{"months": _YEAR / 12, "years": _YEAR},
}
# In a shorter part of a period, a cycle cannot be told from a trend or an offset.
_SHORTEST_PART = 0.75


def clean(
    values: Array, train: int, test: int, dt: float, unit: str, cleaning: CleaningSettings
) -> tuple[Array, Array, list[str]]:
    """Clean a series, and return its two parts and notes on what was done.

    values (T, N); the parts are its samples before `train`, and those from `test` on.

    Trend and cycles are fitted to the training part and subtracted everywhere. The filter runs
    over each part alone. So no value of the training part depends on a later one.
    """
    notes, frequencies = [], []
    if cleaning.trend == "linear":
        notes.append(f"linear trend removed, fitted to the {train} training samples")
    for name, days in PERIODS.items():
        if harmonics := getattr(cleaning, name):
            period = _samples_a_period(name, harmonics, dt, unit, train)
            frequencies += [k / period for k in range(1, harmonics + 1)]
            notes.append(
                f"{name.replace('_', ' ')} removed: {harmonics} harmonics of {days:g} days, "
                f"fitted to the {train} training samples ({train / period:.2f} periods)"
            )
    if notes:
        values = remove_fit(values, train, cleaning.trend == "linear", frequencies)
    parts = [values[:train], values[test:]]
    if cleaning.smoothing > 0:
        parts = smooth(parts, cleaning.smoothing)
        notes.append(
            f"Gaussian filter of sigma {cleaning.smoothing:g} samples, "
            "over training and test part alone, reflected at their ends"
        )
    return parts[0], parts[1], notes


def _samples_a_period(name: str, harmonics: int, dt: float, unit: str, split: int) -> float:
    """Return the period of a cycle in samples; RequestError if it cannot be removed."""
    if unit not in _LENGTHS:
        raise RequestError(
            f"dataset.{name}: {harmonics} harmonics were given, but the time unit is '{unit}'; "
            f"accepted: 0, or data in {', '.join(_LENGTHS)}"
        )
    period = PERIODS[name] / _LENGTHS[unit] / dt
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


def smooth(parts: Sequence[Array], sigma: float) -> list[Array]:
    """Filter each part (T, N) along time by a Gaussian, cut at 4 sigma; its ends are reflected.

    Raises RequestError if the filter is longer than the shortest part.
    """
    from scipy.ndimage import gaussian_filter1d

    shortest = min(map(len, parts))
    if 4 * sigma >= shortest:
        raise RequestError(
            f"dataset.smoothing: {sigma:g} samples were given; accepted: less than a quarter of "
            f"the shortest part, which has {shortest}"
        )
    return [gaussian_filter1d(x, sigma, axis=0, mode="reflect", truncate=4.0) for x in parts]


def remove_fit(values: Array, split: int, trend: bool, frequencies: Sequence[float]) -> Array:
    """Return the residuals x_t − β·a_t of least squares, β from t < split alone.

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
