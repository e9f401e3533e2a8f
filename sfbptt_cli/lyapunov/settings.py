"""Settings of the analyses: exponents of systems, data and models; growth of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sfbptt_cli.common.checks import (
    at_least,
    default_where,
    folder_name,
    one_of,
    refuse_too_large,
    require,
)
from sfbptt_cli.data.settings import DatasetSettings, SimulatedSettings


@dataclass(frozen=True)
class OrbitSettings:
    """Trajectories along which exponents are averaged; the defaults are those of equations."""

    exponents: int | None = None  # leading ones; None: all
    steps: int = 10_000  # that count
    transient: int = 5_000  # steps before
    trajectories: int = 64
    seed: int = 0  # of the starts and of the tangent vectors


@dataclass(frozen=True)
class NeighbourSettings:
    """The separation of neighbours in recorded data; times in steps of the data."""

    lag: int | None = None  # of a delay embedding; None: estimated, of several columns no embedding
    dimension: int | None = None  # likewise
    theiler: int | None = None  # neighbours nearer in time do not count; None: estimated
    horizon: int | None = None  # how far the separation is followed; None: until it saturates
    fit: tuple[int, int] | None = None  # first and last step of the fitted part; None: found
    references: int = 3_000  # pairs of neighbours
    surrogates: int = 9  # series of linear noise to compare with; 0: no comparison
    seed: int = 0  # of the surrogates

    def __post_init__(self) -> None:
        for name, minimum in _NEIGHBOURS.items():
            if (value := getattr(self, name)) is not None:
                at_least(name, value, minimum)
        if self.fit is not None:
            _require_fit(self.fit)


_NEIGHBOURS = {
    "lag": 1,
    "dimension": 1,
    "theiler": 0,
    "horizon": 10,
    "references": 100,
    "surrogates": 0,
}


def _require_fit(fit: Sequence[int]) -> None:
    right = len(fit) == 2 and 0 <= fit[0] < fit[1]
    require(right, "fit", fit, "first and last step, [first,last]")


# What each way of finding exponents takes, with its defaults.
MODEL_ORBITS = OrbitSettings(steps=5_000, transient=1_000, trajectories=32)
_SETTINGS: dict[str, dict[str, Any]] = {
    method: {name: getattr(defaults, name) for name in names}
    for method, defaults, names in (
        ("equations", OrbitSettings, ("steps", "transient", "trajectories")),
        ("model", MODEL_ORBITS, ("steps", "transient", "trajectories")),
        ("data", NeighbourSettings, ("references", "surrogates")),
    )
}
_SETTINGS["model"]["checkpoint"] = "best"
_MINIMA = {"exponents": 1, "steps": 100, "transient": 0, "trajectories": 2}

# The largest values: far beyond use, so that a slip is refused before memory is taken.
_STEPS = 10_000_000
_LYAPUNOV = {
    "exponents": 4_096,
    "steps": _STEPS,
    "transient": _STEPS,
    "trajectories": 10_000,
    "theiler": _STEPS,
    "horizon": _STEPS,
    "references": _STEPS,
    "surrogates": 1_000,
}
_GRADIENTS = {
    "steps": _STEPS,
    "transient": _STEPS,
    "orbits": 10_000,
    "lengths": 1_000,
    "cycles": 100,
    "starts": 100_000,
}


@dataclass
class LyapunovSettings:
    """`sfbptt lyapunov`: exponents of a dataset or of a run's model."""

    name: str = "run"
    outputs: str = "outputs"
    run: str | None = None  # the folder of a run; its model
    dataset: DatasetSettings | None = None
    # equations (simulated systems), data (recorded ones; simulated ones on demand), model (of run)
    method: str | None = None
    seed: int = 0
    # equations and model: along free trajectories
    exponents: int | None = None  # leading ones; null: all
    steps: int | None = None  # that count; 10,000 and 5,000
    transient: int | None = None  # steps before; 5,000 and 1,000
    trajectories: int | None = None  # 64 and 32
    checkpoint: str | None = None  # model: best, last
    # data: separation of neighbours; steps of the data throughout
    theiler: int | None = None  # neighbours nearer in time do not count; null: estimated
    horizon: int | None = None  # how far the separation is followed; null: until it saturates
    fit: list[int] | None = None  # first and last step of the fitted part; null: found
    references: int | None = None  # pairs of neighbours; 3,000
    surrogates: int | None = None  # series of linear noise to compare with; 9; 0: no comparison

    def __post_init__(self) -> None:
        folder_name("name", self.name)
        at_least("seed", self.seed, 0)
        given = [name for name in ("run", "dataset") if getattr(self, name) is not None]
        accepted = "either the folder of a run (run=DIR) or a dataset (dataset=NAME)"
        require(len(given) == 1, "run", "a dataset, too," if given else "nothing", accepted)
        self._choose()
        for name, minimum in {**_MINIMA, **_NEIGHBOURS}.items():
            if (value := getattr(self, name, None)) is not None:
                at_least(name, value, minimum)
        refuse_too_large("", self, _LYAPUNOV)
        if self.fit is not None:
            _require_fit(self.fit)
        if self.checkpoint is not None:
            one_of("checkpoint", self.checkpoint, ("best", "last"))

    def _choose(self) -> None:
        """The method, its defaults, and no settings of another."""
        if self.run is not None:
            possible = ("model",)
        elif isinstance(self.dataset, SimulatedSettings):
            possible = ("equations", "data")
        else:
            possible = ("data",)
        if self.method is None:
            self.method = possible[0]
        one_of("method", self.method, possible)
        known = {name for settings in _SETTINGS.values() for name in settings}
        own = _SETTINGS[self.method]
        default_where(True, self, "", "", own)
        without = f"method is {self.method}"
        default_where(False, self, "", without, dict.fromkeys(known - own.keys()))
        only_data: dict[str, Any] = dict.fromkeys(("theiler", "horizon", "fit"))
        default_where(self.method == "data", self, "", without, only_data)
        default_where(self.method != "data", self, "", without, {"exponents": None})

    def orbits(self) -> OrbitSettings:
        """Those of equations and models."""
        return OrbitSettings(**{f.name: getattr(self, f.name) for f in fields(OrbitSettings)})

    def neighbours(self) -> NeighbourSettings:
        """Those of data."""
        names = ("theiler", "horizon", "references", "surrogates", "seed")
        fit = None if self.fit is None else (self.fit[0], self.fit[1])
        return NeighbourSettings(fit=fit, **{name: getattr(self, name) for name in names})


@dataclass
class GradientsSettings:
    """`sfbptt gradients`: Jacobian products and loss gradients of a run's model against T."""

    run: str | None = None  # the folder of a run
    checkpoint: str = "best"  # best, last
    steps: int = 10_000  # the longest T
    tau: int | None = None  # forcing interval of the forced orbit; null: that of the run
    transient: int = 1_000  # free steps before the orbit
    orbits: int = 8  # free orbits from places spread over the test data
    lengths: int = 12  # T at which the loss gradient is computed, evenly in ln T
    cycles: int = 2  # fixed points and cycles up to this order are searched; 0: none
    starts: int = 200  # of the search
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.run is not None, "run", "nothing", "the folder of a run (run=DIR)")
        one_of("checkpoint", self.checkpoint, ("best", "last"))
        minima = {
            "steps": 10,
            "transient": 0,
            "orbits": 1,
            "lengths": 2,
            "cycles": 0,
            "starts": 1,
            "seed": 0,
        }
        for name, minimum in minima.items():
            at_least(name, getattr(self, name), minimum)
        refuse_too_large("", self, _GRADIENTS)
        if self.tau is not None:
            accepted = f"a whole number of steps from 1 to steps = {self.steps}"
            require(1 <= self.tau <= self.steps, "tau", self.tau, accepted)
