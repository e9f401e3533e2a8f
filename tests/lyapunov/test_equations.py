"""Lyapunov spectra against closed forms, published exponents and the mean divergence."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.lyapunov.equations import growth_rates, spectrum_from_equations
from sfbptt_cli.lyapunov.settings import OrbitSettings
from sfbptt_cli.lyapunov.spectrum import kaplan_yorke_dimension
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.runge_kutta import (
    advance_by,
    inner_steps,
    repeated,
    runge_kutta,
    vector_field,
)
from sfbptt_cli.systems.system import System, complete_parameters

Array = npt.NDArray[np.float64]


def _system(derivative: Any, start: tuple[float, ...], spread: float = 0.1) -> System:
    names = tuple(f"x{i}" for i in range(len(start)))
    spreads = (spread,) * len(start)
    return System("test", derivative, names, {}, start, spreads, (), "")


@pytest.mark.parametrize("every", [1, 5])
def test_henon_map_contracts_areas_by_b(every: int) -> None:
    def henon(x: Array) -> Array:
        return np.stack([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])

    starts = 0.01 * np.random.default_rng(1).standard_normal((2, 100))
    rates = growth_rates(repeated(henon), starts, 2, steps=5000, transient=200, every=every)
    # det DF = −b at every point; central differences of a quadratic map are exact but for rounding,
    # of which five steps make more.
    np.testing.assert_allclose(rates.sum(axis=1), np.log(0.3), rtol=1e-7 if every == 1 else 1e-5)
    # Sprott (2003): 0.41922 and −1.62319.
    np.testing.assert_allclose(rates.mean(axis=0), [0.41922, -1.62319], atol=2e-3)


def test_linear_system_has_the_real_parts_of_its_eigenvalues() -> None:
    matrix = np.array([[-0.2, 1.0, -2.0], [0.0, -0.5, 0.7], [0.0, 0.0, -1.5]])
    system = _system(lambda x: np.tensordot(matrix, np.asarray(x), axes=1), (1.0, 1.0, 1.0))
    found = spectrum_from_equations(
        system, {}, 0.1, OrbitSettings(steps=500, transient=300, trajectories=4)
    )
    np.testing.assert_allclose(found.exponents, [-0.2, -0.5, -1.5], rtol=1e-4)
    assert found.divergence == pytest.approx(-2.2, rel=1e-8)
    assert found.standard_errors.max() < 1e-5


def test_a_modulus_is_differentiated_on_both_sides() -> None:
    # x' = −2|x| decays at rate 2 from above.
    rates = growth_rates(
        repeated(lambda x: runge_kutta(lambda y: -2 * np.abs(y), x, 0.05)),
        np.array([[1.0, 2.0, 3.0]]),
        vectors=1,
        steps=100,
        transient=10,
        every=10,
    )
    np.testing.assert_allclose(rates / 0.05, -2, rtol=1e-6)


def test_lorenz() -> None:
    lorenz = SYSTEMS["lorenz"]
    found = spectrum_from_equations(
        lorenz, lorenz.parameters, 0.01, OrbitSettings(steps=6000, transient=2000)
    )
    assert found.divergence == pytest.approx(-41 / 3, rel=1e-9)
    assert found.exponents.sum() == pytest.approx(-41 / 3, rel=1e-4)
    # Sprott (2003): 0.9056, 0, −14.5723; D = 2.06215. Measured: 0.909 ± 0.004.
    assert found.exponents[0] == pytest.approx(0.9057, rel=0.02)
    assert abs(found.exponents[1]) < 0.01
    assert kaplan_yorke_dimension(found.exponents) == pytest.approx(2.0622, abs=2e-3)
    assert 1e-3 < found.standard_errors[0] < 0.01


@pytest.mark.parametrize(
    ("name", "changes", "dt", "expected"),
    [
        ("lorenz", {"rho": 38.0}, 0.01, 1.105),
        ("rossler", {}, 0.1, 0.0714),
        ("rossler", {"a": 0.15, "c": 10.0}, 0.1, 0.0886),
        ("duffing", {}, 0.1, 0.1065),
    ],
)
def test_largest_exponents(
    name: str, changes: dict[str, float], dt: float, expected: float
) -> None:
    # Three standard errors, of 0.3% to 1.8%, and 2% of the value at least.
    parameters = complete_parameters(SYSTEMS[name], changes)
    found = spectrum_from_equations(
        SYSTEMS[name], parameters, dt, OrbitSettings(exponents=1, transient=2000, trajectories=64)
    )
    assert found.divergence is None
    error = found.standard_errors[0]
    assert error < 0.02 * expected
    assert abs(found.exponents[0] - expected) < max(0.02 * expected, 3 * error)


def test_trajectories_do_not_move_in_phase() -> None:
    """The zero exponent of a flow is zero within its errors, as trajectories start all around."""
    found = spectrum_from_equations(
        SYSTEMS["rossler"],
        SYSTEMS["rossler"].parameters,
        0.1,
        OrbitSettings(exponents=2, steps=2_000, transient=1_000, trajectories=64),
    )
    assert abs(found.exponents[1]) < 3 * found.standard_errors[1] < 0.005


def test_duffing_loses_volume_at_its_damping_and_its_drive_is_neutral() -> None:
    duffing = SYSTEMS["duffing"]
    found = spectrum_from_equations(
        duffing, duffing.parameters, 0.1, OrbitSettings(steps=3000, transient=1000, trajectories=32)
    )
    assert found.divergence == pytest.approx(-0.3, rel=1e-6)
    assert found.exponents.sum() == pytest.approx(-0.3, rel=1e-4)
    np.testing.assert_allclose(found.exponents[1:3], 0, atol=1e-3)


def test_lorenz96_of_20_variables() -> None:
    system = SYSTEMS["lorenz96"]
    found = spectrum_from_equations(
        system,
        system.parameters,
        0.02,
        OrbitSettings(exponents=1, steps=3000, transient=1000, trajectories=32),
    )
    # Measured with three times as many steps: 1.562 ± 0.007.
    assert found.exponents[0] == pytest.approx(1.57, abs=0.04)


def test_a_cycle_is_neutral_along_itself_and_no_more() -> None:
    parameters = complete_parameters(SYSTEMS["rossler"], {"c": 2.5})
    found = spectrum_from_equations(
        SYSTEMS["rossler"],
        parameters,
        0.1,
        OrbitSettings(exponents=2, steps=3000, transient=3000, trajectories=8),
    )
    assert abs(found.exponents[0]) < 2e-3
    assert found.exponents[1] < -0.04


def test_exponents_do_not_depend_on_units() -> None:
    # Variables a million times smaller, time as it is.
    def small(state: Any) -> list[Any]:
        x, y, z = (1e6 * value for value in state)
        return [v / 1e6 for v in (10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z)]

    tiny = dataclasses.replace(
        _system(small, (1e-6, 1e-6, 25e-6)), spread=(1e-6,) * 3, variables=("x", "y", "z")
    )
    arguments = (0.01, OrbitSettings(steps=500, transient=100, trajectories=4))
    found = spectrum_from_equations(tiny, {}, *arguments)
    lorenz = SYSTEMS["lorenz"]
    expected = spectrum_from_equations(lorenz, lorenz.parameters, *arguments)
    np.testing.assert_allclose(found.exponents, expected.exponents, rtol=1e-2)


def test_seeds_decide() -> None:
    lorenz = SYSTEMS["lorenz"]
    runs = [
        spectrum_from_equations(
            lorenz,
            lorenz.parameters,
            0.01,
            OrbitSettings(exponents=1, steps=100, transient=10, trajectories=3, seed=seed),
        )
        for seed in (0, 0, 1)
    ]
    assert runs[0].exponents[0] == runs[1].exponents[0] != runs[2].exponents[0]


def test_what_cannot_be_followed_fails() -> None:
    explodes = _system(lambda x: [x[0] ** 2], (1.0,))
    with pytest.raises(RunFailed):
        spectrum_from_equations(
            explodes, {}, 0.1, OrbitSettings(exponents=1, steps=100, transient=100, trajectories=2)
        )
    with pytest.raises(RunFailed, match="leaves the numbers"):
        growth_rates(repeated(lambda x: x**3), np.array([[0.5, 1.5]]), 1, steps=100, transient=10)


def test_steps_as_short_as_the_field_needs() -> None:
    def field(rate: float) -> Any:
        return lambda x: np.stack([rate * (np.cos(x[1]) - x[0]), np.ones_like(x[1])])

    phase = np.linspace(0, 6, 50)
    states, scale = np.stack([np.cos(phase), phase]), np.ones(2)
    counts = [inner_steps(field(rate), states, scale, 1.0) for rate in (1.0, 30.0)]
    assert counts[0] <= 8 <= counts[1]  # stable below 2.8 a step of the rate
    with pytest.raises(RunFailed, match=r"too stiff for 128 steps a dt = 1.0$"):
        inner_steps(field(1e3), states, scale, 1.0)


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([-0.1, -1.0], 0.0),
        ([0.0, -1.0], 1.0),
        ([1.0, -2.0], 1.5),
        ([-2.0, 1.0], 1.5),
        ([0.9, 0.0, -14.4], 2.0625),
        ([0.5, 0.25, -0.25, -1.0], 3.5),
        ([1.0, -0.5], 2.0),
        ([0.3, 0.2], 2.0),
    ],
)
def test_kaplan_yorke(exponents: list[float], dimension: float) -> None:
    assert kaplan_yorke_dimension(np.array(exponents)) == pytest.approx(dimension)


@pytest.mark.parametrize("name", ["rossler", "duffing"])
def test_compiled_steps_are_those_of_arrays(name: str) -> None:
    system = SYSTEMS[name]
    field = vector_field(system, system.parameters)
    x = np.array(system.start)[:, None, None] + np.random.default_rng(0).random((1, 2, 3))
    expected = x
    for _ in range(20):
        expected = runge_kutta(field, expected, 0.01)
    found = advance_by(system, system.parameters, 0.01)(x, 20)
    np.testing.assert_allclose(found, expected, rtol=1e-13)  # here: to the bit
