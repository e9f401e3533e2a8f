"""Settings of the commands that analyse: exponents, gradients, reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sfbptt_cli.common.checks import at_least, default_where, folder_name, one_of, require
from sfbptt_cli.config.dataset import DatasetConfig, SimulatedConfig
from sfbptt_cli.config.largest import GRADIENTS, LYAPUNOV, refuse_too_large

# What each way of finding exponents takes, with its defaults.
_SETTINGS: dict[str, dict[str, Any]] = {
    "equations": {"steps": 10_000, "transient": 5_000, "trajectories": 64},
    "model": {"steps": 5_000, "transient": 1_000, "trajectories": 32, "checkpoint": "best"},
    "data": {"references": 3_000, "surrogates": 9},
}
_MINIMA = {
    "exponents": 1,
    "steps": 100,
    "transient": 0,
    "trajectories": 2,
    "theiler": 0,
    "horizon": 10,
    "references": 100,
    "surrogates": 0,
}


@dataclass
class LyapunovConfig:
    """`sfbptt lyapunov`: exponents of a dataset or of a run's model."""

    name: str = "run"
    outputs: str = "outputs"
    run: str | None = None  # the folder of a run; its model
    dataset: DatasetConfig | None = None
    # equations (simulated systems), data (recorded ones; simulated ones on demand), model (of run)
    method: str | None = None
    seed: int = 0
    # equations and model: along free trajectories
    exponents: int | None = None  # leading ones; null: all
    steps: int | None = None  # that count; 10,000 and 5,000
    transient: int | None = None  # steps before; 5,000 and 1,000
    trajectories: int | None = None  # 64 and 32
    checkpoint: str | None = None  # model: best, last
    # data: divergence of neighbours; steps of the data throughout
    theiler: int | None = None  # neighbours nearer in time do not count; null: estimated
    horizon: int | None = None  # how far the divergence is followed; null: until it saturates
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
        for name, minimum in _MINIMA.items():
            if (value := getattr(self, name)) is not None:
                at_least(name, value, minimum)
        refuse_too_large("", self, LYAPUNOV)
        if self.fit is not None:
            right = len(self.fit) == 2 and 0 <= self.fit[0] < self.fit[1]
            require(right, "fit", self.fit, "first and last step, [first,last]")
        if self.checkpoint is not None:
            one_of("checkpoint", self.checkpoint, ("best", "last"))

    def _choose(self) -> None:
        """The method, its defaults, and no settings of another."""
        if self.run is not None:
            possible = ("model",)
        elif isinstance(self.dataset, SimulatedConfig):
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


@dataclass
class GradientsConfig:
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
        refuse_too_large("", self, GRADIENTS)
        if self.tau is not None:
            accepted = f"a whole number of steps from 1 to steps = {self.steps}"
            require(1 <= self.tau <= self.steps, "tau", self.tau, accepted)


@dataclass
class ReportConfig:
    """`sfbptt report`: runs below a folder as a table, a figure and a page."""

    runs: str | None = None  # a folder, at any depth above the runs
    out: str | None = None  # where the files go; null: <runs>/report
    statistic: str = "median"  # over seeds: median (and quartiles), mean (and standard error)
    metrics: list[str] = field(default_factory=lambda: ["d_stsp", "d_h"])  # rows of the figure

    def __post_init__(self) -> None:
        require(self.runs is not None, "runs", "nothing", "a folder with runs in it (runs=DIR)")
