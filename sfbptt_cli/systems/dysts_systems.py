"""The chaotic systems of the package dysts, an optional one (Gilpin 2021).

Only its equations, parameters, initial conditions and periods are used. Its tables of exponents are
not: the two of them differ by more than 1.5-fold for 60 of 134 systems.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.common.extras import install_command
from sfbptt_cli.systems.system import Array, System

# Standard deviations of random starts, as a share of the initial condition: a basin may be small.
_SPREAD = 0.01


def dysts_system(name: str) -> System:
    """Return the system `name` of dysts.

    Its variables are x1, …, xN. Where one is unbounded, as the phase of a drive is, what is
    observed is the state after dysts's postprocessing: sines and cosines instead of angles. Raises
    RequestError without the package, for a name that it does not have, and for a field that depends
    on time itself.
    """
    known = _known()
    _, base = _modules()
    if name not in known:
        hint = nearest(name, known)
        raise RequestError(
            f"dataset.system: '{name}' is unknown to dysts; accepted: {choices(known)}{hint}"
        )
    defaults: Any = known[name]()
    delayed = isinstance(defaults, base.DynSysDelay)
    start = np.atleast_1d(np.asarray(defaults.ic, dtype=np.float64))[: 1 if delayed else None]
    numbers = {key: float(v) for key, v in defaults.params.items() if np.ndim(v) == 0}
    derivative = _delayed_field(known[name]) if delayed else _field(known[name], base.DynSys)
    if not delayed:
        _refuse_time(name, defaults, start)
    arrays = {k: np.asarray(v).tolist() for k, v in defaults.params.items() if k not in numbers}
    return System(
        name=name,
        derivative=derivative,
        variables=tuple(f"x{i + 1}" for i in range(len(start))),
        parameters=numbers,
        start=tuple(start.tolist()),
        spread=tuple((_SPREAD * np.abs(start)).tolist()),
        exponents=(),
        citation=str(getattr(defaults, "citation", "")),
        delay="tau" if delayed else None,
        observe=_observation(known[name]) if hasattr(defaults, "_postprocessing") else None,
        period=float(defaults.period),
        definition=inspect.getsource(known[name]) + json.dumps(arrays),
        vectorised=delayed or _vectorised(derivative, numbers, start),
    )


def dysts_names() -> list[str]:
    """Return the names that dysts has; RequestError without it."""
    return sorted(_known())


def _known() -> dict[str, Any]:
    flows, base = _modules()
    kinds = (base.DynSys, base.DynSysDelay)
    return {
        key: kind
        for key, kind in vars(flows).items()
        if inspect.isclass(kind) and issubclass(kind, kinds) and kind not in kinds
    }


def _modules() -> tuple[ModuleType, ModuleType]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it runs without numba
            from dysts import base, flows
    except ImportError as error:
        raise RequestError(
            "dataset.library: dysts was given, but it is not installed; "
            f"accepted: sfbptt, or dysts after {install_command('dysts')}"
        ) from error
    return flows, base


def _instances(kind: type[Any]) -> Callable[[Mapping[str, float]], Any]:
    """Return what makes the system with other parameters, once for those of an integration."""

    @lru_cache(maxsize=1)
    def build(parameters: tuple[tuple[str, float], ...]) -> Any:
        return kind(parameters={**kind().params, **dict(parameters)})

    return lambda parameters: build(tuple(parameters.items()))


def _field(kind: type[Any], plain: type[Any]) -> Callable[..., Sequence[Any]]:
    instances, defaults = _instances(kind), kind()
    if kind.rhs is not plain.rhs:
        return lambda state, **parameters: instances(parameters).rhs(np.asarray(state), 0.0)
    rhs = _plain(kind._rhs)
    names = sorted(defaults.params)
    if all(np.ndim(value) == 0 for value in defaults.params.values()):
        # As a function of numbers alone, which can be compiled.
        variables = ", ".join(f"state[{i}]" for i in range(len(defaults.ic)))
        source = f"lambda state, {', '.join(names)}: rhs({variables}, 0.0, {', '.join(names)})"
        return eval(source, {"rhs": rhs})
    return lambda state, **parameters: rhs(*state, 0.0, *instances(parameters).param_list)


def _delayed_field(kind: type[Any]) -> Callable[..., Sequence[Any]]:
    instances, rhs = _instances(kind), _plain(kind._rhs)
    return lambda state, delayed, **parameters: [
        rhs(state[0], delayed[0], 0.0, *instances(parameters).param_list)
    ]


def _plain(function: Any) -> Any:
    """Return the function in Python of one that dysts gave to numba: it takes arrays, too."""
    return getattr(function, "py_func", function)


def _observation(kind: type[Any]) -> Callable[[Array, Mapping[str, float]], Array]:
    instances = _instances(kind)
    return lambda states, parameters: np.stack(instances(parameters)._postprocessing(*states))


def _refuse_time(name: str, instance: Any, start: Array) -> None:
    now, later = (np.asarray(instance.rhs(start, t), dtype=np.float64) for t in (0.0, 1.234))
    if not np.array_equal(now, later):
        raise RequestError(
            f"dataset.system: {name} depends on time itself; accepted: autonomous systems"
        )


def _vectorised(
    derivative: Callable[..., Sequence[Any]], parameters: Mapping[str, float], start: Array
) -> bool:
    """Return whether the field of an array of states is that of each state."""
    noise = 1e-3 * np.random.default_rng(0).standard_normal((len(start), 2, 3))
    states = start[:, None, None] * (1 + noise)
    apart = np.empty_like(states)
    for i, j in np.ndindex(2, 3):
        apart[:, i, j] = derivative(states[:, i, j].tolist(), **parameters)
    try:
        together = [np.broadcast_to(v, (2, 3)) for v in derivative(states, **parameters)]
        return np.allclose(np.stack(together), apart, rtol=1e-9)
    except (ValueError, TypeError, IndexError):  # it was written for one state
        return False
