"""The systems of the package dysts, an optional one: fields, observation, exponents, refusals."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.data.simulated import simulate_dataset
from sfbptt_cli.lyapunov.system import largest_known_exponent
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.runge_kutta import runge_kutta, vector_field
from sfbptt_cli.systems.system import Times

SETTINGS = SimulatedSettings(
    name="test",
    library="dysts",
    dt=None,
    train_steps=300,
    test_steps=200,
    floor_trajectories=2,
    transient=50,
    rtol=1e-8,
    atol=1e-8,
)


def _simulate(**changes: Any) -> Dataset:
    return simulate_dataset(replace(SETTINGS, **changes))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache for every test."""
    monkeypatch.setenv("SFBPTT_CACHE", str(tmp_path / "cache"))


def test_without_dysts_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dysts", None)
    with pytest.raises(RequestError) as refused:
        _simulate(system="Thomas")
    assert str(refused.value) == (
        "dataset.library: dysts was given, but it is not installed; "
        f"accepted: sfbptt, or dysts after {sys.executable} -m pip install 'sfbptt[dysts]'"
    )


@pytest.fixture
def dysts() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # that it runs without numba
        pytest.importorskip("dysts.flows", reason="dysts is not installed: the extra dysts")


@pytest.mark.usefixtures("dysts")
def test_lorenz_of_dysts_is_lorenz() -> None:
    parameters = {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}
    data = _simulate(system="Lorenz", parameters=parameters, lambda_max=0.9)
    assert data.dt == pytest.approx(1.5008 / 30)
    assert data.variables == ("x1", "x2", "x3")
    lorenz = vector_field(SYSTEMS["lorenz"], parameters)
    for part in (data.train, data.test):
        states = part[:-1].T
        for _ in range(3):
            states = runge_kutta(lorenz, states, data.dt / 3)
        np.testing.assert_allclose(states.T, part[1:], atol=0.02)


@pytest.mark.usefixtures("dysts")
def test_exponent_of_a_system_of_dysts_is_that_of_its_equations() -> None:
    # Its table says 0.19 for Rössler's classical parameters, which have 0.0714.
    rossler = find_system("Rossler", "dysts")
    dt = _simulate(system="Rossler").dt
    value, source = largest_known_exponent(rossler, rossler.parameters, dt, None)
    assert value == pytest.approx(0.0714, rel=0.04)
    assert source.startswith("tangent flow of the equations (QR), ± ")


@pytest.mark.usefixtures("dysts")
def test_what_is_unbounded_is_observed_by_its_sine() -> None:
    settings = {"system": "ForcedVanDerPol", "lambda_max": 0.1}
    data = _simulate(**settings)
    assert np.abs(data.train[:, 2]).max() <= 1
    assert data.train[:, 2].std() > 0.5
    with pytest.raises(RequestError, match="ForcedVanDerPol has unbounded variables; accepted: 0"):
        _simulate(**settings, process_noise=0.1)


@pytest.mark.usefixtures("dysts")
def test_a_field_for_one_state_is_followed_state_by_state() -> None:
    hopfield = find_system("Hopfield", "dysts")
    assert not hopfield.vectorised
    field = vector_field(hopfield, hopfield.parameters)
    states = np.random.default_rng(0).normal(size=(len(hopfield.variables), 2, 3))
    together = field(states)
    for i, j in np.ndindex(2, 3):
        alone = hopfield.derivative(states[:, i, j], **hopfield.parameters)
        np.testing.assert_allclose(together[:, i, j], alone)


@pytest.mark.usefixtures("dysts")
def test_a_delay_equation_of_dysts_is_ours() -> None:
    glass = find_system("MackeyGlass", "dysts")
    assert (glass.delay, glass.variables) == ("tau", ("x1",))
    parameters = {**glass.parameters, "tau": 17.0}
    start, tolerances = np.array([1.2]), (1e-8, 1e-8)
    found = integrate(glass, parameters, start, Times(0, 100, 1.0), *tolerances)
    ours = SYSTEMS["mackey_glass"]
    expected = integrate(ours, ours.parameters, start, Times(0, 100, 1.0), *tolerances)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.usefixtures("dysts")
@pytest.mark.parametrize(
    ("system", "start", "end"),
    [
        (
            "Lorens",
            "dataset.system: 'Lorens' is unknown to dysts; accepted: ",
            "(did you mean 'Lorenz'?)",
        ),
        ("Torus", "dataset.system: Torus depends on time itself; ", "autonomous systems"),
    ],
)
def test_systems_that_dysts_does_not_have(system: str, start: str, end: str) -> None:
    with pytest.raises(RequestError) as refused:
        _simulate(system=system)
    assert str(refused.value).startswith(start)
    assert str(refused.value).endswith(end)


@pytest.mark.usefixtures("dysts")
def test_a_start_outside_the_basin_is_moved_nearer() -> None:
    # The second of the starts that seed 0 draws runs to infinity.
    dataset = _simulate(system="SprottQ", train_steps=500, test_steps=500, floor_trajectories=3)
    assert dataset.independent is not None
    assert np.abs(dataset.independent).max() < 20
    system = find_system("SprottQ", "dysts")
    drawn = np.random.default_rng(0).standard_normal((5, 3)) * system.spread + system.start
    failed = 0
    for start in drawn:
        try:
            integrate(system, system.parameters, start, Times(50, 500, dataset.dt), 1e-8, 1e-8)
        except RunFailed:
            failed += 1
    assert failed
