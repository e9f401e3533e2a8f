"""Cycles and trends in closed form, filters that look nowhere, delays of known systems."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.embedding import (
    delay_embed,
    estimate_dimension,
    estimate_lag,
    false_neighbours,
)
from sfbptt_cli.data.preprocessing import clean, smooth
from sfbptt_cli.data.settings import CleaningSettings, CsvSettings
from sfbptt_cli.data.tables.reader import read_csv
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.system import Times

Array = NDArray[Any]
PAPER = Path(__file__).parents[3] / "shared" / "data"

DAYS = np.arange(3 * 365 * 24) / 24  # hourly for three years
YEAR = 2 * np.pi * DAYS / 365.2425
DAY = 2 * np.pi * DAYS
TREND = 0.003 * DAYS
YEARLY = 8 * np.cos(YEAR - 0.4) + 2 * np.sin(2 * YEAR)
DAILY = 3 * np.cos(DAY - 1) + np.cos(2 * DAY) + 0.5 * np.sin(3 * DAY)


def cleaned(values: Array, split: int, dt: float, unit: str, cleaning: CleaningSettings) -> Array:
    """Return both parts together."""
    train, test, _ = clean(values, split, split, dt, unit, cleaning)
    return np.concatenate([train, test])


def test_a_trend_and_pure_cycles_are_removed_to_rounding() -> None:
    series = np.column_stack([9 + TREND + YEARLY + DAILY, 2 - DAILY])
    cleaning = CleaningSettings(trend="linear", yearly_cycle=2, daily_cycle=3)
    train, test, notes = clean(series, 20_000, 20_010, 1 / 24, "days", cleaning)
    assert len(train) == 20_000
    assert len(test) == len(series) - 20_010
    np.testing.assert_allclose(train, 0, atol=1e-11)
    np.testing.assert_allclose(test, 0, atol=1e-11)
    assert notes == [
        "linear trend removed, fitted to the 20000 training samples",
        "yearly cycle removed: 2 harmonics of 365.243 days, fitted to the 20000 training samples "
        "(2.28 periods)",
        "daily cycle removed: 3 harmonics of 1 days, fitted to the 20000 training samples "
        "(833.33 periods)",
    ]
    for unit, dt in (("hours", 1.0), ("minutes", 60.0), ("seconds", 3600.0)):
        again = cleaned(series, 20_000, dt, unit, cleaning)
        np.testing.assert_allclose(again, 0, atol=1e-11)


def test_what_is_no_cycle_is_left() -> None:
    noise = np.random.default_rng(0).normal(size=len(DAYS))
    cleaning = CleaningSettings(yearly_cycle=2, daily_cycle=3)
    left = cleaned((5 + YEARLY + DAILY + noise)[:, None], 20_000, 1 / 24, "days", cleaning)
    assert np.abs(left[:, 0] - noise).max() < 0.1
    train, test, notes = clean(noise[:, None], 20_000, 20_000, 1.0, "steps", CleaningSettings())
    np.testing.assert_array_equal(np.concatenate([train, test])[:, 0], noise)
    assert notes == []


def test_smoothing_is_a_gaussian_filter() -> None:
    impulse = np.zeros((201, 2))
    impulse[100, 0] = 1
    kernel = np.exp(-0.5 * ((np.arange(201) - 100) / 5) ** 2)
    kernel[np.abs(np.arange(201) - 100) > 20] = 0
    (smoothed,) = smooth([impulse], 5.0)
    np.testing.assert_allclose(smoothed[:, 0], kernel / kernel.sum(), atol=1e-16)
    np.testing.assert_array_equal(smoothed[:, 1], 0)
    # A sine of angular frequency w is damped by exp(−(w σ)²/2), up to the cut at 4 σ.
    time = np.arange(2000)
    sine = np.sin(0.2 * time)[:, None]
    (damped,) = smooth([sine], 5.0)
    np.testing.assert_allclose(damped[100:-100], np.exp(-0.5) * sine[100:-100], atol=2e-4)


@pytest.mark.parametrize(
    ("cleaning", "unit", "message"),
    [
        ({"yearly_cycle": 1}, "steps", "dataset.yearly_cycle: 1 harmonics .*unit is 'steps'"),
        ({"daily_cycle": 12}, "days", "dataset.daily_cycle: 12 .* at most 11 at 24 samples a"),
        ({"yearly_cycle": 1}, "hours", "dataset.yearly_cycle: the training part covers 0.23"),
        ({"smoothing": 300.0}, "days", "dataset.smoothing: 300 .*shortest part, which"),
    ],
)
def test_cleaning_that_is_refused(cleaning: dict[str, Any], unit: str, message: str) -> None:
    dt = 1.0 if unit == "hours" else 1 / 24
    with pytest.raises(RequestError, match=message):
        clean(np.zeros((3000, 1)), 2000, 2000, dt, unit, CleaningSettings(**cleaning))


def test_delay_embedding_counts_back() -> None:
    series = np.column_stack([np.arange(100.0), -np.arange(100.0)])
    embedded = delay_embed(series, lag=7, dimension=3)
    assert embedded.shape == (100 - 14, 6)
    for t in (0, 40, 85):
        now = t + 14
        expected = [now, now - 7, now - 14, -now, -(now - 7), -(now - 14)]
        np.testing.assert_array_equal(embedded[t], expected)
    np.testing.assert_array_equal(delay_embed(series, 5, 1), series)


def test_the_papers_temperature_and_its_five_delays() -> None:
    path = PAPER / "temperature_paper.csv"
    if not path.exists():
        pytest.skip(f"the paper's temperature series is not at {path}")
    published = np.load(PAPER / "temperature_paper_embedded.npy")
    series = np.concatenate([published[:2000, 4], published[:, 0]])
    np.testing.assert_array_equal(delay_embed(series[:, None], 500, 5), published)
    # The text is rounded to nine digits, the array to 32 bits.
    embedded = delay_embed(np.loadtxt(path, skiprows=1)[:, None], 500, 5)
    np.testing.assert_allclose(embedded, published, rtol=2e-7, atol=1e-9)
    source = CsvSettings("x", path=str(path), lag=500, dimension=5, train_fraction=0.6)
    dataset = read_csv(source)
    split = round(0.6 * 7900)
    np.testing.assert_array_equal(dataset.train, embedded[: split - 2000])
    np.testing.assert_array_equal(dataset.test, embedded[split:])
    assert dataset.variables == tuple(f"temperature t-{500 * k}" for k in range(5))
    assert dataset.preprocessing == ("5 delays of 500 samples, each part alone",)
    for fraction, message in ((0.8, "dataset.dimension: 5 delays of 500"), (0.73, "too short")):
        with pytest.raises(RequestError, match=message):
            read_csv(replace(source, train_fraction=fraction))


@pytest.mark.parametrize("period", [40, 101.3, 600])
def test_the_lag_of_a_sine_is_a_quarter_of_its_period(period: float) -> None:
    time = np.arange(round(20.25 * period))
    lag, criterion = estimate_lag(np.sin(2 * np.pi * time / period + 0.3))
    assert lag == pytest.approx(period / 4, abs=1 + 0.01 * period)
    assert criterion == "zero of the autocorrelation"


def test_the_lag_of_noise_that_forgets() -> None:
    # x' = a x + noise has the autocorrelation a^lag, which falls to 1/e at −1 / ln a.
    noise = np.random.default_rng(0).normal(size=200_000)
    series = np.zeros(200_000)
    for i in range(1, len(series)):
        series[i] = 0.95 * series[i - 1] + noise[i]
    lag, criterion = estimate_lag(series)
    assert lag == pytest.approx(-1 / np.log(0.95), abs=2)
    assert criterion == "autocorrelation of 1/e"
    with pytest.raises(RequestError, match=r"dataset\.lag: auto finds no minimum"):
        estimate_lag(np.arange(1000.0))


@pytest.fixture(scope="module")
def lorenz_x() -> Array:
    parameters = {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}
    start = np.array([1.0, 2.0, 20.0])
    return integrate("lorenz", parameters, start, Times(1000, 20_000, 0.01), 1e-7, 1e-7)[:, 0]


def test_lag_and_dimension_of_lorenz(lorenz_x: Array) -> None:
    lag, criterion = estimate_lag(lorenz_x)
    assert 14 <= lag <= 19  # Fraser and Swinney's minimum, 0.16 time units
    assert criterion == "first minimum of the mutual information"
    dimension, share = estimate_dimension(lorenz_x, lag)
    assert dimension == 3
    assert share < 0.01
    assert estimate_dimension(lorenz_x.round(1), lag)[0] == 3
    assert estimate_dimension(100 + 1e-3 * lorenz_x, lag)[0] == 3


def test_dimensions_of_a_sine_of_noise_and_of_too_little() -> None:
    time = np.arange(5000.0)
    assert estimate_dimension(np.sin(time / np.e**2), 12)[0] == 2
    # Noise fills every dimension: the smallest share is told, and it is no small one.
    assert estimate_dimension(np.random.default_rng(0).normal(size=3000), 1)[1] > 0.1
    assert false_neighbours(np.sin(time[:30]), 10, 3) is None
    with pytest.raises(RequestError, match=r"dataset\.dimension: auto needs more than 30"):
        estimate_dimension(np.sin(time[:30] ** 2), 10)


def test_estimates_in_a_dataset(tmp_path: Path, lorenz_x: Array) -> None:
    path = tmp_path / "lorenz.csv"
    np.savetxt(
        path, np.column_stack([lorenz_x, -lorenz_x]), header="x,y", comments="", delimiter=","
    )
    source = CsvSettings("x", path=str(path), columns=["x"], lag="auto", dimension="auto", dt=0.01)
    dataset = read_csv(source)
    notes = dataset.preprocessing
    lag = estimate_lag(lorenz_x[:16_000])[0]
    assert dataset.variables == ("x t-0", f"x t-{lag}", f"x t-{2 * lag}")
    assert dataset.train.shape == (16_000 - 2 * lag, 3)
    assert dataset.test.shape == (4_000 - 2 * lag, 3)
    assert notes[0].startswith(f"lag {lag} samples estimated from the training part: first min")
    assert notes[1].startswith("dimension 3 estimated from the training part: 0.")
