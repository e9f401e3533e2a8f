"""Settings of the commands that analyse: exponents, gradients, reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from sfbptt_cli.common.checks import (
    at_least,
    default_where,
    folder_name,
    one_of,
    refuse_too_large,
    require,
)
from sfbptt_cli.config.logger import LoggerSettings
from sfbptt_cli.data.settings import DatasetSettings, SimulatedSettings
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.forcing.settings import WITH_TAU, ForcingSettings, TauScheduleSettings
from sfbptt_cli.lyapunov.settings import GradientsSettings, LyapunovSettings
from sfbptt_cli.models.settings import LEARNING_RATE, LEARNING_RATES, ModelSettings
from sfbptt_cli.training.settings import (
    OptimizerSettings,
    RegularizationSettings,
    TauSearchSettings,
    ValidationSettings,
)

# The largest values: far beyond use, so that a slip is refused before memory is taken.
_MANY = 100_000
_TRAIN = {
    "ensemble": 10_000,
    "window": _MANY,
    "batch_size": _MANY,
    "batches_per_epoch": 1_000_000,
    "epochs": 1_000_000,
    "threads": 1_024,
}


@dataclass
class TrainSettings:
    """`sfbptt train`: everything that decides one run."""

    name: str = "run"
    seed: int = 0
    # K: the runs of seeds seed … seed + K - 1, trained together in one process, each in its own
    # folder; each update is that of its seed alone up to rounding.
    ensemble: int = 1
    # Steps between two forcings, auto (from the largest exponent) or search (short trainings around
    # it); null for the methods that force at no interval.
    tau: int | str | None = None
    window: int = 120  # T, predicted steps of a training sequence
    batch_size: int = 32  # sequences an update
    batches_per_epoch: int = 100
    epochs: int = 20
    device: str = "auto"
    # Of torch, or auto: 2, a third faster than 1 while more do not pay at these sizes, and 1 in the
    # jobs of a sweep over processes. The last digits may depend on it: matrix products are summed
    # in another order from some sizes on.
    threads: int | str = "auto"
    overwrite: bool = False  # start again in a folder that holds another run
    outputs: str = "outputs"  # folder of all runs
    dataset: DatasetSettings = MISSING
    model: ModelSettings = MISSING
    forcing: ForcingSettings = MISSING
    tau_schedule: TauScheduleSettings = MISSING
    optimizer: OptimizerSettings = MISSING
    regularization: RegularizationSettings = field(default_factory=RegularizationSettings)
    tau_search: TauSearchSettings = field(default_factory=TauSearchSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    evaluation: EvaluationSettings = MISSING
    logger: LoggerSettings = field(default_factory=LoggerSettings)

    def __post_init__(self) -> None:
        folder_name("name", self.name)
        require(bool(self.outputs), "outputs", "''", "the folder of all runs")
        for name in ("ensemble", "window", "batch_size", "batches_per_epoch", "epochs"):
            at_least(name, getattr(self, name), 1)
        if self.threads != "auto":
            accepted = "a whole number of at least 1, or auto"
            given = isinstance(self.threads, int) and self.threads >= 1
            require(given, "threads", f"'{self.threads}'", accepted)
        refuse_too_large("", self, _TRAIN)
        at_least("seed", self.seed, 0)
        one_of("device", self.device, ("auto", "cpu", "cuda"))
        if isinstance(self.dataset, SimulatedSettings):
            longest = self.dataset.train_steps - 1
            accepted = f"at most dataset.train_steps - 1 = {longest}"
            require(self.window <= longest, "window", self.window, accepted)
        self._check_tau()
        if self.optimizer.learning_rate is None:
            self.optimizer.learning_rate = LEARNING_RATES.get(self.model.name, LEARNING_RATE)
        self.tau_search.fill(self.tau == "search")
        if self.tau == "search":
            accepted = "1 with tau=search, which trains several models itself"
            require(self.ensemble == 1, "ensemble", self.ensemble, accepted)

    def _check_tau(self) -> None:
        method = self.forcing.name
        if method not in WITH_TAU:
            accepted = f"null, as forcing={method} has no interval"
            require(self.tau is None, "tau", self.tau, accepted)
            schedule = self.tau_schedule.name
            accepted = f"constant, as forcing={method} has no interval"
            require(schedule == "constant", "tau_schedule", schedule, accepted)
        elif self.tau not in ("auto", "search"):
            accepted = (
                f"a whole number of time steps from 1 to window = {self.window}, auto or search"
            )
            within = isinstance(self.tau, int) and 1 <= self.tau <= self.window
            require(within, "tau", "nothing" if self.tau is None else f"'{self.tau}'", accepted)


@dataclass
class EvaluateSettings:
    """`sfbptt evaluate`: measure runs again; what is not given stays as each run has it."""

    run: str | None = None  # the folder of a run: measured in any case
    runs: str | None = None  # a folder above runs: those without such an evaluation are measured
    jobs: int | None = None  # processes for runs; null: one a core
    device: str = "auto"
    threads: int = 1
    evaluation: EvaluationSettings = MISSING

    def __post_init__(self) -> None:
        given = [name for name in ("run", "runs") if getattr(self, name) is not None]
        accepted = "either the folder of a run (run=DIR) or a folder of runs (runs=DIR)"
        require(len(given) == 1, "run", "runs, too," if given else "nothing", accepted)
        default_where(self.runs is not None, self, "", "runs is null", {"jobs": None})
        if self.jobs is not None:
            at_least("jobs", self.jobs, 1)
        one_of("device", self.device, ("auto", "cpu", "cuda"))
        at_least("threads", self.threads, 1)


@dataclass
class ReportSettings:
    """`sfbptt report`: runs below a folder as a table, a figure and a page."""

    runs: str | None = None  # a folder, at any depth above the runs
    out: str | None = None  # where the files go; null: <runs>/report
    statistic: str = "median"  # over seeds: median (and quartiles), mean (and standard error)
    metrics: list[str] = field(default_factory=lambda: ["d_stsp", "d_h"])  # rows of the figure

    def __post_init__(self) -> None:
        require(self.runs is not None, "runs", "nothing", "a folder with runs in it (runs=DIR)")


# The settings of each command, as its YAML file states them.
COMMANDS: dict[str, type] = {
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "lyapunov": LyapunovSettings,
    "gradients": GradientsSettings,
    "report": ReportSettings,
}
