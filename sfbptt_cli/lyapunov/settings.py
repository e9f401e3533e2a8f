"""Settings of the analyses: exponents of systems, data and models; growth of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Union

from sfbptt_cli.common.checks import folder_name, one_of, require
from sfbptt_cli.common.settings import Settings, checked, whole, word
from sfbptt_cli.data.settings import DatasetSettings, MovedSettings, SimulatedSettings

# Far beyond use, so that a slip is refused before memory is taken.
_STEPS = 10_000_000


def _first_and_last(name: str, value: Sequence[int]) -> None:
    right = len(value) == 2 and 0 <= value[0] < value[1]
    require(right, name, value, "first and last step, [first,last]")


@dataclass
class OrbitSettings(Settings):
    """Trajectories along which exponents are averaged; the defaults are those of equations."""

    exponents: int | None = whole(None, 1, 4_096)  # leading ones; None: all
    steps: int = whole(10_000, 100, _STEPS)  # counted ones
    transient: int = whole(5_000, 0, _STEPS)  # before them
    trajectories: int = whole(64, 2, 10_000)
    seed: int = whole(0, 0)  # of the starts and of the tangent vectors


@dataclass
class NeighbourSettings(Settings):
    """The separation of neighbours in recorded data; times in steps of the data."""

    lag: int | None = whole(None, 1)  # of a delay embedding; None: estimated, for one column
    dimension: int | None = whole(None, 1)  # likewise
    theiler: int | None = whole(None, 0, _STEPS)  # excluded around a step; None: estimated
    horizon: int | None = whole(None, 10, _STEPS)  # steps followed; None: until it saturates
    fit: tuple[int, int] | None = checked(None, _first_and_last)  # steps fitted; None: found
    references: int = whole(3_000, 100, _STEPS)  # pairs of neighbours
    surrogates: int = whole(9, 0, 1_000)  # series of linear noise to compare with
    seed: int = whole(0, 0)  # of the surrogates


# The defaults of orbits of a model: a step of it costs more.
MODEL_ORBITS = {"steps": 5_000, "transient": 1_000, "trajectories": 32}
# The settings that each way of finding exponents has.
_OWN: dict[str, tuple[str, ...]] = {
    "equations": ("exponents", "steps", "transient", "trajectories"),
    "model": ("exponents", "steps", "transient", "trajectories", "checkpoint", "moved"),
    "data": ("theiler", "horizon", "fit", "references", "surrogates"),
}


@dataclass
class LyapunovSettings(Settings):
    """`sfbptt lyapunov`: exponents of a dataset or of a run's model."""

    name: str = checked("run", folder_name)  # of the folder below `outputs`
    outputs: str = "outputs"  # folder of all results
    run: str | None = None  # the folder of a run; its model
    dataset: DatasetSettings | None = None  # a system, or recorded data
    # equations (simulated systems), data (recorded ones; simulated ones on demand), model (of run)
    method: str = word("auto", "equations", "data", "model")
    seed: int = whole(0, 0)  # of starts, tangent vectors and surrogates
    # Of equations and models: the leading ones; null: all.
    exponents: int | None = whole(None, 1, 4_096)
    # Of equations and models: steps of each free trajectory; auto: 10,000, of a model 5,000.
    steps: Union[int, str] = whole("auto", 100, _STEPS, "auto")  # noqa: UP007
    # Steps before those, not counted; auto: 5,000, of a model 1,000.
    transient: Union[int, str] = whole("auto", 0, _STEPS, "auto")  # noqa: UP007
    # How many are averaged over; auto: 64, of a model 32.
    trajectories: Union[int, str] = whole("auto", 2, 10_000, "auto")  # noqa: UP007
    checkpoint: str = word("best", "last")  # of a model
    moved: MovedSettings = field(default_factory=MovedSettings)  # of the data of run
    # Of data: steps around each step in which there are no neighbours; null: estimated.
    theiler: int | None = whole(None, 0, _STEPS)
    # Of data: steps in which neighbours are followed; null: until their distance saturates.
    horizon: int | None = whole(None, 10, _STEPS)
    # Of data: first and last step of the fit; null: found.
    fit: list[int] | None = checked(None, _first_and_last)
    references: int = whole(3_000, 100, _STEPS)  # of data: pairs of neighbours
    surrogates: int = whole(9, 0, 1_000)  # of data: series of linear noise to compare with

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in ("run", "dataset") if getattr(self, name) is not None]
        accepted = "either the folder of a run (run=DIR) or a dataset (dataset=NAME)"
        require(len(given) == 1, "run", "a dataset, too," if given else "nothing", accepted)
        possible: tuple[str, ...] = ("data",)
        if self.run is not None:
            possible = ("model",)
        elif isinstance(self.dataset, SimulatedSettings):
            possible = ("equations", "data")
        if self.method == "auto":
            self.method = possible[0]
        one_of("method", self.method, possible)
        others = {name for names in _OWN.values() for name in names} - set(_OWN[self.method])
        self.require_unused(f"method is {self.method}", *sorted(others))

    def orbits(self) -> OrbitSettings:
        """Return the settings of the orbits of equations or of a model."""
        usual = asdict(OrbitSettings()) | (MODEL_ORBITS if self.method == "model" else {})
        given = {name: getattr(self, name) for name in usual}
        chosen = {name: usual[name] if value == "auto" else value for name, value in given.items()}
        return OrbitSettings(**chosen)

    def neighbours(self) -> NeighbourSettings:
        """Return the settings of the separation of neighbours."""
        names = ("theiler", "horizon", "references", "surrogates", "seed")
        fit = None if self.fit is None else (self.fit[0], self.fit[1])
        return NeighbourSettings(fit=fit, **{name: getattr(self, name) for name in names})


@dataclass
class GradientsSettings(Settings):
    """`sfbptt gradients`: Jacobian products and loss gradients of a run's model against T."""

    run: str | None = None  # the folder of a run
    checkpoint: str = word("best", "last")  # best: by validation D_stsp
    moved: MovedSettings = field(default_factory=MovedSettings)  # of the data of run
    steps: int = whole(10_000, 10, _STEPS)  # the longest T
    tau: int | None = None  # forcing interval of the forced orbit; null: that of the run
    transient: int = whole(1_000, 0, _STEPS)  # free steps before the orbit
    orbits: int = whole(8, 1, 10_000)  # free orbits from places spread over the test data
    lengths: int = whole(12, 2, 1_000)  # T at which the loss gradient is computed, evenly in ln T
    cycles: int = whole(2, 0, 100)  # fixed points and cycles up to this order; 0: none
    starts: int = whole(200, 1, 100_000)  # of the search
    seed: int = whole(0, 0)  # of the starts

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.run is not None, "run", "nothing", "the folder of a run (run=DIR)")
        if self.tau is not None:
            accepted = f"a whole number of steps from 1 to steps = {self.steps}"
            require(1 <= self.tau <= self.steps, "tau", self.tau, accepted)
