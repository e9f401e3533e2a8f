"""Equations of the systems, and the integrator against closed forms and a 40-digit solution."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from mpmath import mp

from sfbptt_cli.common.errors import RequestError, RunFailed
from sfbptt_cli.data.settings import SimulatedSettings
from sfbptt_cli.lyapunov.equations import spectrum_from_equations
from sfbptt_cli.lyapunov.settings import OrbitSettings
from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.compiled_field import compiled_field
from sfbptt_cli.systems.dormand_prince import follow
from sfbptt_cli.systems.equations import SYSTEMS, lorenz
from sfbptt_cli.systems.integration import _integrate_ordinary, integrate
from sfbptt_cli.systems.system import System, Times, complete_parameters, known_exponent

Array = npt.NDArray[np.float64]

CLASSICAL = {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}
DEFAULTS = {"rtol": SimulatedSettings.rtol, "atol": SimulatedSettings.atol}


def _register(patch: pytest.MonkeyPatch, derivative: Any, parameters: dict[str, float]) -> None:
    start = derivative((0.5, 0.5), **parameters)
    names = tuple(f"x{i}" for i in range(len(start)))
    system = System(
        "test", derivative, names, parameters, (0.5,) * len(names), (1.0,) * len(names), (), ""
    )
    patch.setitem(SYSTEMS, "test", system)


def oscillator(state: Sequence[Any], omega: float) -> Sequence[Any]:
    """x' = ω y, y' = −ω x."""
    x, y = state
    return [omega * y, -omega * x]


def _circle(start: Array, angle: npt.NDArray[Any]) -> npt.NDArray[Any]:
    x, y = start
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([x * cos + y * sin, y * cos - x * sin], axis=-1)


def test_lorenz_by_hand() -> None:
    # 10 (3 − 2) = 10;  2 (28 − 5) − 3 = 43;  2 · 3 − 1.5 · 5 = −1.5
    assert lorenz((2.0, 3.0, 5.0), sigma=10.0, rho=28.0, beta=1.5) == [10.0, 43.0, -1.5]
    # 4 (−1 − 1) = −8;  1 (2 + 6) + 1 = 9;  −1 + 0.5 · 6 = 2
    assert lorenz((1.0, -1.0, -6.0), sigma=4.0, rho=2.0, beta=0.5) == [-8.0, 9.0, 2.0]


def _taylor(x: Sequence[Any], order: int) -> tuple[Any, list[list[Any]]]:
    """A step's length and the Lorenz solution's Taylor coefficients around the state x."""
    beta = mp.mpf(8) / 3
    a, b, c = ([value] for value in x)
    for k in range(order):
        ac, ab = mp.fdot(a, c[::-1]), mp.fdot(a, b[::-1])
        a.append(10 * (b[k] - a[k]) / (k + 1))
        b.append((28 * a[k] - ac - b[k]) / (k + 1))
        c.append((ab - beta * c[k]) / (k + 1))
    last = max(abs(series[-1]) for series in (a, b, c))
    return (mp.mpf("1e-32") / last) ** (mp.mpf(1) / order), [a, b, c]


@pytest.fixture(scope="module")
def exact() -> dict[int, Array]:
    """The Lorenz solution from (1, 1, 25) after 10 and 20 time units.

    Taylor series of order 40 in 40-digit arithmetic, 1e-32 a step: errors grow 1e8-fold at most.
    """
    states: dict[int, Array] = {}
    with mp.workdps(40):
        x, t = [mp.mpf(1), mp.mpf(1), mp.mpf(25)], mp.mpf(0)
        for end in (10, 20):
            while t < end:
                step, coefficients = _taylor(x, order=40)
                step = min(step, end - t)
                x = [mp.polyval(series[::-1], step) for series in coefficients]
                t += step
            states[end] = np.array([float(value) for value in x])
    return states


def _lorenz_errors(exact: dict[int, Array], dt: float, rtol: float, atol: float) -> Array:
    """Largest errors after 10 and 20 time units."""
    start, steps = np.array([1.0, 1.0, 25.0]), round(20 / dt)
    states = integrate("lorenz", CLASSICAL, start, Times(0, steps + 1, dt), rtol, atol)
    return np.array([np.abs(states[round(time / dt)] - exact[time]).max() for time in (10, 20)])


# Measured: 8.2e-9 and 1.6e-5 where dt limits the integrator's steps, 8.8e-6 and 1.8e-2 where the
# tolerances do.
@pytest.mark.parametrize(("dt", "bounds"), [(0.01, (4e-8, 8e-5)), (0.25, (4e-5, 8e-2))])
def test_default_tolerances_against_forty_digits(
    exact: dict[int, Array], dt: float, bounds: tuple[float, float]
) -> None:
    np.testing.assert_array_less(_lorenz_errors(exact, dt, **DEFAULTS), bounds)


def test_tighter_tolerances_come_closer_to_the_forty_digits(exact: dict[int, Array]) -> None:
    # Measured after 10 time units: 7.0e-4, 8.8e-6, 7.7e-8, 6.6e-9; so near is the reference.
    errors = [_lorenz_errors(exact, 0.25, x, x)[0] for x in (1e-8, 1e-10, 1e-12, 1e-13)]
    np.testing.assert_array_less(errors, [3e-3, 4e-5, 4e-7, 3e-8])
    np.testing.assert_array_less(5 * np.array(errors[1:]), errors[:-1])


@pytest.mark.parametrize("name", ["lorenz", "rossler", "duffing", "lorenz96"])
@pytest.mark.parametrize("dt", [0.01, 0.3])
def test_compiled_fields_are_followed_as_scipy_follows_them(name: str, dt: float) -> None:
    system = SYSTEMS[name]
    values = np.array(list(system.parameters.values()))
    start, times = np.array(system.start) + np.array(system.spread), Times(3, round(10 / dt), dt)
    field = compiled_field(system, values)
    assert field is not None
    found = follow(field, values, start, times, **DEFAULTS)
    expected = _integrate_ordinary(system, system.parameters, start, times, **DEFAULTS)
    assert found is not None
    assert expected is not None
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)  # here: to the bit


def _squared(x: float) -> float:
    return x**2


def _not_compiled(state: Sequence[Any]) -> Sequence[Any]:
    return [
        -_squared(value) for value in dict(enumerate(state)).values() if isinstance(value, float)
    ]


@pytest.mark.parametrize(
    ("derivative", "compiles"),
    [(lambda state: [-_squared(state[0])], True), (_not_compiled, False)],
)
def test_fields_that_call_and_fields_that_do_not_compile(derivative: Any, compiles: bool) -> None:
    # x' = −x² from 1: x = 1 / (1 + t).
    system = System("test", derivative, ("x",), {}, (1.0,), (0.1,), (), "")
    assert (compiled_field(system, np.array([])) is not None) == compiles
    states = integrate(system, {}, np.array([1.0]), Times(0, 50, 0.1), **DEFAULTS)
    np.testing.assert_allclose(states[:, 0], 1 / (1 + 0.1 * np.arange(50)), rtol=1e-9)


def _cubic(state: Sequence[Any]) -> Sequence[Any]:
    return [-(state[0] ** 3)]


def test_a_field_with_powers_has_another_text_than_before() -> None:
    # Their last digits differ between machine code and Python: cached data are not mixed.
    names = {"name": "test", "variables": ("x",), "parameters": {}, "citation": ""}
    start = {"start": (1.0,), "spread": (0.1,), "exponents": ()}
    cubic = System(derivative=_cubic, **names, **start)
    assert cubic.text() == inspect.getsource(_cubic) + "compiled"
    for same in (replace(cubic, discrete=True), replace(cubic, definition="x' = -x")):
        assert not same.text().endswith("compiled")
    assert SYSTEMS["lorenz"].text() == inspect.getsource(lorenz)


def test_a_field_that_is_another_one_when_compiled_is_not_used() -> None:
    rates = [1.0]  # what is global or enclosed is frozen by numba
    system = System("test", lambda state: [rates[0] * state[0]], ("x",), {}, (1.0,), (0.1,), (), "")
    for rate in (1.0, 2.0):
        rates[0] = rate
        states = integrate(system, {}, np.array([1.0]), Times(0, 11, 0.1), **DEFAULTS)
        np.testing.assert_allclose(states[-1, 0], np.exp(rate), rtol=1e-8)


@pytest.mark.parametrize("first", [1, 7, 300])
def test_first_is_an_offset_in_steps(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    _register(monkeypatch, oscillator, {"omega": 1.0})
    start = np.array([1.0, 0.5])
    states = integrate("test", {"omega": 2.5}, start, Times(first, 12, 0.1), **DEFAULTS)
    whole = integrate("test", {"omega": 2.5}, start, Times(0, first + 12, 0.1), **DEFAULTS)
    np.testing.assert_array_equal(states, whole[first:])
    np.testing.assert_array_equal(whole[0], start)
    expected = _circle(start, 2.5 * 0.1 * np.arange(first, first + 12))
    np.testing.assert_allclose(states, expected, atol=5e-8)


def test_a_solution_is_followed_up_to_its_end_and_not_beyond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # x' = x² from 1: x = 1 / (1 − t).
    _register(monkeypatch, lambda state: [state[0] * state[0]], {})
    start = np.array([1.0])
    states = integrate("test", {}, start, Times(0, 100, 0.01), **DEFAULTS)
    np.testing.assert_allclose(states[:, 0], 1 / (1 - 0.01 * np.arange(100)), rtol=1e-7)
    with pytest.raises(RunFailed, match=r"^dataset: test cannot be integrated with \{\}, dt = 0"):
        integrate("test", {}, start, Times(0, 102, 0.01), **DEFAULTS)
    with pytest.raises(RunFailed):  # also where the steps that fail are not kept
        integrate("test", {}, start, Times(200, 1, 0.01), **DEFAULTS)


@pytest.mark.parametrize(
    "derivative",
    [
        pytest.param(lambda state: [state[0] ** 2], id="overflow"),
        pytest.param(lambda state: [1 + 0 / max(0.0, 1 - state[0])], id="division by zero"),
        pytest.param(lambda state: [1.0 if state[0] < 1 else np.nan], id="nan"),
        pytest.param(lambda state: [1.0 if state[0] < 1 else np.inf], id="inf"),
    ],
)
def test_fields_that_leave_the_numbers_fail(
    monkeypatch: pytest.MonkeyPatch, derivative: Any
) -> None:
    _register(monkeypatch, derivative, {})
    with pytest.raises(RunFailed, match=r"^dataset: test cannot be integrated"):
        integrate("test", {}, np.array([0.5]), Times(0, 300, 0.01), **DEFAULTS)


def test_a_start_that_is_no_number_fails() -> None:
    for first in (0, 1):
        with pytest.raises(RunFailed):
            integrate(
                "lorenz", CLASSICAL, np.array([1.0, np.nan, 1.0]), Times(first, 1, 0.01), **DEFAULTS
            )


def test_a_mistake_in_a_field_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    mistake = KeyError("no such variable")

    def derivative(state: Sequence[float]) -> list[float]:
        if state[0] > 1:
            raise mistake
        return [1.0]

    _register(monkeypatch, derivative, {})
    with pytest.raises(KeyError) as raised:
        integrate("test", {}, np.array([0.5]), Times(0, 300, 0.01), **DEFAULTS)
    assert raised.value is mistake


# Twenty interruptions, each some milliseconds into an integration that takes minutes.
INTERRUPTED = """
import signal
import numpy
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.system import Times

parameters = SYSTEMS["lorenz"].parameters
start = numpy.array([1.0, 1.0, 25.0])
integrate("lorenz", parameters, start, Times(0, 2, 0.01), 1e-10, 1e-10)  # compiles
signal.signal(signal.SIGALRM, signal.default_int_handler)
for i in range(20):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005 + 0.0003 * i)
        integrate("lorenz", parameters, start, Times(0, 10**7, 0.01), 1e-10, 1e-10)
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_interruption_ends_the_integration() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["interrupted"] * 20


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0.9057),
        ({"rho": 38.0}, 1.105),
        ({"rho": 28.0 * (1 + 1e-14)}, 0.9057),
        ({"rho": 28.000001}, None),
        ({"sigma": 9.0}, None),
        ({"rho": 38.0, "beta": 2.6667}, None),
    ],
)
def test_known_exponents(changes: dict[str, float], expected: float | None) -> None:
    known = known_exponent(SYSTEMS["lorenz"], {**CLASSICAL, **changes})
    assert (known.value if known else None) == expected


def test_parameters_are_completed_without_touching_the_table() -> None:
    assert complete_parameters(SYSTEMS["lorenz"], {}) == CLASSICAL
    completed = complete_parameters(SYSTEMS["lorenz"], {"rho": 35})
    assert completed == {**CLASSICAL, "rho": 35.0}
    assert isinstance(completed["rho"], float)
    assert SYSTEMS["lorenz"].parameters == CLASSICAL


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(RequestError) as refused:
        complete_parameters(SYSTEMS["lorenz"], {"sigma": 9.0, "roh": 35.0})
    assert str(refused.value) == (
        "dataset.parameters.roh: lorenz has no such parameter; "
        "accepted: beta, rho, sigma (did you mean 'rho'?)"
    )


def test_rossler_at_a_point() -> None:
    assert SYSTEMS["rossler"].derivative([1.0, 2.0, 3.0], a=0.2, b=0.2, c=5.7) == pytest.approx(
        [-5.0, 1.4, 0.2 + 3 * (1 - 5.7)]
    )


def test_duffing_is_the_driven_oscillator() -> None:
    # x'' = γ cos ωt − δx' − αx − βx³ at t = 0, x = 2, x' = 3.
    parameters = {"alpha": -1.0, "beta": 0.5, "delta": 0.3, "gamma": 0.7, "omega": 1.2}
    found = SYSTEMS["duffing"].derivative([2.0, 3.0, 1.0, 0.0], **parameters)
    assert found == pytest.approx([3.0, 0.7 - 0.9 + 2.0 - 4.0, 0.0, 1.2])
    assert SYSTEMS["duffing"].spread[2:] == (0.0, 0.0)  # the drive keeps its amplitude


def test_lorenz96_rests_at_its_forcing_and_is_a_ring() -> None:
    derivative = SYSTEMS["lorenz96"].derivative
    assert derivative([8.0] * 20, forcing=8.0) == [0.0] * 20
    state = np.random.default_rng(0).normal(size=20)
    ahead, behind, two_behind = np.roll(state, -1), np.roll(state, 1), np.roll(state, 2)
    expected = (ahead - two_behind) * behind - state + 8
    np.testing.assert_allclose(derivative(state.tolist(), forcing=8.0), expected)
    np.testing.assert_allclose(
        derivative(np.roll(state, 3).tolist(), forcing=8.0), np.roll(expected, 3)
    )


def test_maps_are_iterated() -> None:
    system = find_system("henon")
    states = integrate(
        system, system.parameters, np.array([0.1, 0.2]), Times(1, 3, 1.0), 1e-9, 1e-9
    )
    x, y = 0.1, 0.2
    for state in states:
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
        np.testing.assert_array_equal(state, [x, y])


def test_the_henon_map_has_a_cycle_of_four() -> None:
    cycle = integrate(
        "henon", {"a": 1.0, "b": 0.3}, np.array([0.1, 0.1]), Times(5_000, 8, 1.0), 0, 0
    )
    np.testing.assert_allclose(cycle[:4], cycle[4:], atol=1e-12)
    assert np.ptp(cycle[:4, 0]) > 1


def test_the_delayed_logistic_map_is_quasi_periodic() -> None:
    system = find_system("delayed_logistic")
    spectrum = spectrum_from_equations(system, system.parameters, 1.0, OrbitSettings())
    assert abs(spectrum.exponents[0]) < 1e-4
    assert spectrum.exponents[1] < -0.1
    orbit = integrate(system, system.parameters, np.array([0.5, 0.5]), Times(2_000, 400, 1.0), 0, 0)
    distances = np.linalg.norm(orbit[1:] - orbit[0], axis=1)
    assert distances.min() > 1e-6  # it never returns
    assert distances.min() < 0.05  # but nearly


def test_a_lost_map_is_a_failure() -> None:
    with pytest.raises(RunFailed):
        integrate("henon", {"a": 3.0, "b": 0.3}, np.array([5.0, 5.0]), Times(0, 100, 1.0), 0, 0)
