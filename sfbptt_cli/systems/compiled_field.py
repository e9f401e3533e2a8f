"""Vector fields as machine code, which integrators call by their address."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import types

from sfbptt_cli.common.compiled import OPTIONS
from sfbptt_cli.systems.system import Array, System

_NUMBERS = types.CPointer(types.float64)
# (state (N,), parameters, derivative (N,)): the last is written.
_FIELD = types.FunctionType(types.void(_NUMBERS, _NUMBERS, _NUMBERS))

_SOURCE = """
def field(state, parameters, out):
    for i in range({n}):
        out[i] = nan
    values = derivative(({state},), {named})
    for i in range({n}):
        out[i] = values[i]
"""
_AGREEMENT = 1e-12  # relative, of the compiled field and the one in Python


def compiled_field(system: System, parameters: Array) -> Any:
    """Return the vector field as machine code (a C callback); None where it has none.

    It takes 0.1 to 0.3 s, in every process: what a field calls may change, and its file not.
    A field that raises leaves NaN. parameters, in the order of `system.parameters`: it is compared
    there with the field in Python.
    """
    field = _compiled(system.derivative, tuple(system.parameters), len(system.start))
    return field if field is not None and _agrees(field, system, parameters) else None


@lru_cache(maxsize=16)
def _compiled(derivative: Callable[..., Any], names: tuple[str, ...], n: int) -> Any:
    state = ", ".join(f"state[{i}]" for i in range(n))
    named = ", ".join(f"{name}=parameters[{i}]" for i, name in enumerate(names))
    scope: dict[str, Any] = {"nan": np.nan, "derivative": _machine(derivative)}
    exec(_SOURCE.format(n=n, state=state, named=named), scope)
    callback = numba.cfunc(_FIELD.signature, error_model=OPTIONS["error_model"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba, on what it will not compile later
        try:
            return callback(scope["field"])
        except Exception:  # of many kinds, as what a field may be
            return None
        finally:
            gc.collect()  # a Ctrl-C while Python disposes of the compiler's objects is lost


def _machine(function: Any) -> Any:
    """Return what numba makes of a function and, by name, of the functions that it calls."""
    called = {
        name: _machine(function.__globals__[name])
        for name in function.__code__.co_names
        if isinstance(function.__globals__.get(name), FunctionType)
    }
    code, defaults = function.__code__, function.__defaults__
    scope = {**function.__globals__, **called}
    return numba.njit(**OPTIONS)(
        FunctionType(code, scope, function.__name__, defaults, function.__closure__)
    )


def _agrees(field: Any, system: System, parameters: Array) -> bool:
    """Return whether the compiled field is that of the system, near its start."""
    named = dict(zip(system.parameters, parameters.tolist(), strict=True))
    noise = np.random.default_rng(0).standard_normal((5, len(system.start)))
    found = np.empty(len(system.start))
    for state in np.array(system.start) + np.array(system.spread) * noise:
        try:
            expected = system.derivative(state.tolist(), **named)
        except ArithmeticError:
            return False
        field.ctypes(
            *(x.ctypes.data_as(field.ctypes.argtypes[0]) for x in (state, parameters, found))
        )
        if len(expected) != len(found) or not np.allclose(found, expected, rtol=_AGREEMENT, atol=0):
            return False
    return True
