"""Where the largest exponent of a system or of data comes from, and that it is computed once."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.lyapunov import cached
from sfbptt_cli.lyapunov.cached import cached_exponent
from sfbptt_cli.lyapunov.from_data import exponent_from_data
from sfbptt_cli.lyapunov.settings import NeighbourSettings, OrbitSettings
from sfbptt_cli.lyapunov.spectrum import Spectrum
from sfbptt_cli.lyapunov.system import largest_known_exponent
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.system import System, complete_parameters


def _largest(
    given: float | None = None, dt: float = 0.02, **changes: float
) -> tuple[float | None, str]:
    lorenz = SYSTEMS["lorenz"]
    return largest_known_exponent(lorenz, complete_parameters(lorenz, changes), dt, given)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for every test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SFBPTT_CACHE", str(folder))
    return folder


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """The parameters of every exponent that is computed; it is 0.5 ± 0.0234."""
    calls: list[dict[str, float]] = []

    def spectrum(
        system: System, parameters: dict[str, float], dt: float, settings: OrbitSettings
    ) -> Spectrum:
        assert settings.exponents == 1
        calls.append(dict(parameters))
        return Spectrum(np.array([0.5]), np.array([0.0234]), settings.trajectories)

    monkeypatch.setattr(cached, "spectrum_from_equations", spectrum)
    return calls


@pytest.mark.parametrize(
    ("given", "rho", "expected", "source"),
    [
        (None, 28.0, 0.9057, "Viswanath (1998)"),
        (None, 38.0, 1.105, "tangent flow"),
        (0.8, 28.0, 0.8, "dataset.lambda_max"),
        (0.8, 35.0, 0.8, "dataset.lambda_max"),
        (0.0, 28.0, 0.0, "dataset.lambda_max"),
    ],
)
def test_a_published_or_given_exponent_is_not_computed(
    given: float | None, rho: float, expected: float, source: str, computed: list[Any]
) -> None:
    value, found = _largest(given, rho=rho)
    assert value == expected
    assert found.startswith(source)
    assert computed == []


def test_an_unknown_exponent_is_computed_once(cache: Path, computed: list[Any]) -> None:
    for _ in range(2):
        assert _largest(rho=35.0) == (0.5, "tangent flow of the equations (QR), ± 0.02")
    assert computed == [{"sigma": 10.0, "rho": 35.0, "beta": 8 / 3}]
    _largest(rho=36.0)
    _largest(rho=35.0, dt=0.01)
    assert len(computed) == len(list(cache.glob("lorenz-exponents-*.json"))) == 3


def test_a_dataset_has_the_exponent_of_its_system(computed: list[Any]) -> None:
    settings: dict[str, Any] = {
        "name": "test",
        "system": "lorenz",
        "dt": 0.02,
        "train_steps": 100,
        "test_steps": 100,
        "floor_trajectories": 1,
        "transient": 0,
    }
    published = build_dataset(SimulatedSettings(**settings, process_noise=0.1))
    assert published.lambda_max == 0.9057
    unknown = SimulatedSettings(**settings, parameters={"rho": 35.0}, observed=["x"])
    assert build_dataset(unknown, exponent=False).lambda_max is None
    assert computed == []
    assert build_dataset(unknown).lambda_max == 0.5


def test_a_damaged_exponent_is_computed_again(cache: Path, computed: list[Any]) -> None:
    _largest(rho=35.0)
    (file,) = cache.glob("*.json")
    whole = file.read_text()
    for damage in ("", "{}", whole.replace("0.5", "null")):
        file.write_text(damage)
        assert _largest(rho=35.0)[0] == 0.5
    assert len(computed) == 4
    assert file.read_text() == whole


def test_other_equations_have_another_exponent(computed: list[Any]) -> None:
    lorenz = SYSTEMS["lorenz"]
    other = dataclasses.replace(lorenz, derivative=lambda state, **_: [-x for x in state])
    for system in (lorenz, other):
        largest_known_exponent(system, complete_parameters(lorenz, {"rho": 35.0}), 0.02, None)
    assert len(computed) == 2


def test_equations_that_cannot_be_followed_have_no_exponent(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Spectrum:
        raise RunFailed("too stiff")

    monkeypatch.setattr(cached, "spectrum_from_equations", fail)
    assert _largest(rho=35.0) == (None, "not found from the equations: too stiff")
    assert list(cache.glob("*.json")) == []


def test_a_system_at_rest_has_a_negative_exponent() -> None:
    # ρ = 0.5: the origin attracts with the rates of its Jacobian, (−11 ± √(81 + 40 ρ)) / 2 and −β.
    expected = (-11 + math.sqrt(81 + 40 * 0.5)) / 2
    assert _largest(rho=0.5)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["chaotic", "too short"])
def test_an_exponent_from_data_is_computed_once(
    kind: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.empty(1_000)
    x[0] = 0.37
    for t in range(1, len(x)):
        x[t] = 4 * x[t - 1] * (1 - x[t - 1])
    series, settings = x[: 300 if kind == "too short" else None], NeighbourSettings(surrogates=2)
    expected = exponent_from_data(series, 1.0, settings)
    assert expected.chaotic is (kind == "chaotic")
    first = cached_exponent(series, 1.0, settings)
    cached_exponent(series, 0.5, settings)
    assert len(list(cache.glob("*.json"))) == 2
    monkeypatch.setattr(cached, "exponent_from_data", None)
    for found in (first, cached_exponent(series, 1.0, settings)):
        np.testing.assert_equal(dataclasses.asdict(found), dataclasses.asdict(expected))
