"""What is found in datasets of which the answer is known, and how it reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import ArraySettings, DatasetSettings, SimulatedSettings
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.inspection import compare_halves, inspect_dataset
from sfbptt_cli.experiment.inspection_text import inspection_text

RECORDED = ArraySettings("recorded", path="x.npy", dt=0.01)


def _lorenz(**changes: object) -> tuple[SimulatedSettings, Dataset]:
    settings = SimulatedSettings(
        "lorenz",
        system="lorenz",
        dt=0.01,
        train_steps=5_000,
        test_steps=1_000,
        floor_trajectories=1,
        transient=500,
        **changes,  # type: ignore[arg-type]
    )
    return settings, build_dataset(settings)


def _of(described: DatasetSettings, dataset: Dataset) -> dict[str, str]:
    """Return the text of each row, after a look at its form."""
    found = inspect_dataset(described, dataset)
    text = inspection_text(described, dataset, found, "sfbptt train dataset=x")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 32
    rows: dict[str, str] = {}
    for line in lines[1:]:
        label, rest = line[:15].strip(), line[15:]
        rows[label or list(rows)[-1]] = rest if label else f"{rows[list(rows)[-1]]} {rest}"
    return rows


def _recorded(x: np.ndarray, dt: float = 0.01, unit: str = "seconds") -> Dataset:
    names = tuple(f"x{i + 1}" for i in range(x.shape[1]))
    cut = 4 * len(x) // 5
    return Dataset("recorded", x[:cut], x[cut:], None, names, dt, unit, None, "not given")


def test_a_clean_simulated_system() -> None:
    rows = _of(*_lorenz())
    assert rows["sampling"].endswith(": right")
    assert rows["noise"].startswith("none seen")
    assert rows["stationarity"].startswith("the halves agree")
    assert rows["memory"].startswith("one observation tells as much as any past")
    assert float(rows["dimension"].split(",")[0]) == pytest.approx(2.05, abs=0.15)
    assert rows["lambda_max"].startswith("0.9057 per time unit (Viswanath")
    assert rows["tau"].startswith("77 steps")
    assert rows["warm-up"].startswith("10 steps")
    assert rows["next"] == "sfbptt train dataset=x"


def test_noise_and_hidden_variables_are_told_apart() -> None:
    _, noisy = _lorenz(observation_noise=0.05)
    rows = _of(RECORDED, replace(noisy, lambda_max=None))
    shares = [
        float(word.strip("%,")) for word in rows["noise"].split(";")[0].split() if "%" in word
    ]
    np.testing.assert_allclose(shares, 5, atol=0.4)
    assert "train, and what follows here of it, denoised: " in rows["noise"]
    assert "(noise);" in rows["memory"]
    assert rows["warm-up"].startswith("40 steps")
    assert float(rows["dimension"].split(",")[0]) == pytest.approx(2.05, abs=0.15)
    low, high = (float(rows["tau"].replace(":", " ").split()[i]) for i in (2, 4))
    assert low < 76.5 < high
    _, part = _lorenz(observed=["x"])
    rows = _of(RECORDED, replace(part, lambda_max=None, time_unit="seconds"))
    assert "(variables that are not seen);" in rows["memory"]
    assert "delays of" in rows["dimension"]
    assert "per second, " in rows["lambda_max"]
    low, high = (float(rows["tau"].replace(":", " ").split()[i]) for i in (2, 4))
    assert low < 76.5 < high


def test_rounded_and_finely_sampled_data() -> None:
    _, lorenz = _lorenz()
    rows = _of(RECORDED, _recorded(np.rint(2 * lorenz.train)))
    assert "values are rounded: " in rows["noise"]
    fine = np.repeat(lorenz.train[:1_500], 4, axis=0)
    fine = np.stack([np.convolve(column, np.ones(7) / 7, "valid") for column in fine.T], axis=1)
    rows = _of(RECORDED, _recorded(fine, 0.0025))
    assert "finer than a model needs; one row in " in rows["sampling"]
    assert "finer" not in _of(RECORDED, _recorded(lorenz.train))["sampling"]


def test_a_drift_shows_in_the_halves() -> None:
    _, lorenz = _lorenz()
    x = lorenz.train
    drift = np.linspace(0, 3, len(x))[:, None] * x.std(axis=0)
    steady, moved = compare_halves(x, ("x", "y", "z")), compare_halves(x + drift, ("x", "y", "z"))
    assert steady is not None
    assert moved is not None
    assert steady.d_stsp < 2 * steady.mixed[1] + 0.05
    assert moved.d_stsp > 3 * moved.mixed[1]
    assert moved.shift[0] > 0.7 > 0.5 > steady.shift[0]
    assert _of(RECORDED, _recorded(x + drift))["stationarity"].startswith("the halves differ")
    louder = x * np.repeat([1.0, 2.0], len(x) // 2)[:, None]
    found = compare_halves(louder - louder.mean(axis=0), ("x", "y", "z"))
    assert found is not None
    assert found.change[0] == pytest.approx(2, rel=0.3)


def test_what_says_nothing_is_said() -> None:
    rng = np.random.default_rng(0)
    rows = _of(RECORDED, _recorded(rng.normal(size=(3_000, 2))))
    assert "hardly anything can be predicted" in rows["memory"]
    assert rows["lambda_max"].startswith("none shown")
    rows = _of(RECORDED, _recorded(rng.normal(size=(300, 1)).cumsum(axis=0)))
    assert "too short" in rows["lambda_max"]
    flat = np.column_stack([rng.normal(size=2_000), np.ones(2_000)])
    assert _of(RECORDED, _recorded(flat))["noise"].startswith("at most x1")
    assert compare_halves(np.ones((100, 2)), ("a", "b")) is None
