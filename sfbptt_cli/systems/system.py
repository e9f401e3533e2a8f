"""A dynamical system: field, variables, parameters, starts, published exponents."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, choices, nearest

Array = NDArray[np.float64]


class KnownExponent(NamedTuple):
    """A largest Lyapunov exponent, per time unit, and the parameters it holds for."""

    parameters: dict[str, float]
    value: float
    source: str
    dimension: float | None = None  # Kaplan-Yorke, of the whole spectrum of the same source


class Times(NamedTuple):
    """The times dt·(first, …, first + steps − 1) after a start, time units."""

    first: int
    steps: int
    dt: float


@dataclass(frozen=True)
class System:
    """An autonomous system of ordinary differential equations, or with one delay, or a map.

    The field takes N values and the parameters by name and gives N values; that of a delay equation
    takes the N values of one delay ago, too: `derivative(state, delayed, **parameters)`.
    """

    name: str
    derivative: Callable[..., Sequence[Any]]
    variables: tuple[str, ...]
    parameters: dict[str, float]
    start: tuple[float, ...]  # in the basin of the attractor; of a delay equation: for all t <= 0
    spread: tuple[float, ...]  # standard deviations of random starts around it
    exponents: tuple[KnownExponent, ...]
    citation: str
    delay: str | None = None  # the parameter that is the delay, time units
    # What is seen of states (N, ...), where they are unbounded, as the angle of a rotation is.
    observe: Callable[[Array, Mapping[str, float]], Array] | None = None
    # Time units in which a trajectory goes round once, where an observation interval follows it.
    period: float | None = None
    definition: str = ""  # the text of the equations, where the source of `derivative` is not it
    vectorised: bool = True  # the field works on arrays, one a variable, too
    discrete: bool = False  # a map: `derivative` is the next state, and dt a name for its step

    def text(self) -> str:
        """Return the equations as they are written: other equations have another text.

        With powers they also have another one than before fields were compiled, as a power then
        differs in its last digit.
        """
        text = self.definition or inspect.getsource(self.derivative)
        compiled = self.delay is None and not self.discrete
        return text + "compiled" if compiled and ("**" in text or "pow" in text) else text


def complete_parameters(system: System, given: Mapping[str, float]) -> dict[str, float]:
    """Return the system's parameters with the given ones in place of their defaults.

    Raises RequestError for a parameter that the system does not have, and for a delay of 0 or less.
    """
    known = system.parameters
    for key in given:
        if key not in known:
            raise RequestError(
                f"dataset.parameters.{key}: {system.name} has no such parameter; "
                f"accepted: {choices(known) or 'none'}{nearest(key, known)}"
            )
    complete = {**known, **{key: float(value) for key, value in given.items()}}
    if system.delay is not None and complete[system.delay] <= 0:
        raise RequestError(
            f"dataset.parameters.{system.delay}: {complete[system.delay]} was given; "
            "accepted: a number above 0"
        )
    return complete


def known_exponent(system: System, parameters: Mapping[str, float]) -> KnownExponent | None:
    """Return the published largest exponent for these parameters, None where there is none."""
    for known in system.exponents:
        if all(
            np.isclose(parameters[key], known.parameters[key], rtol=1e-12, atol=0)
            for key in parameters
        ):
            return known
    return None
