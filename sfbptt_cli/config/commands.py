"""Settings of the commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Union

from omegaconf import MISSING

from sfbptt_cli.common.checks import folder_name, require
from sfbptt_cli.common.settings import Settings, checked, number, whole, word
from sfbptt_cli.data.settings import DatasetSettings, MovedSettings, SimulatedSettings
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.forcing.settings import AlphaSettings, ForcingSettings, TauScheduleSettings
from sfbptt_cli.lyapunov.settings import GradientsSettings, LyapunovSettings
from sfbptt_cli.models.settings import ModelSettings
from sfbptt_cli.training.settings import (
    LRScheduleSettings,
    OneCycleSettings,
    OptimizerSettings,
    RegularizationSettings,
    TauSearchSettings,
    ValidationSettings,
)

# Far beyond use, so that a slip is refused before memory is taken.
MOST_STEPS = 100_000
# Latent numbers of a batch, batch_size times window times latent_dim, of which each takes some 50
# bytes until the gradient is known; and sequences of an epoch, whose starts are drawn at once.
_LARGEST_BATCH = 50_000_000
_LARGEST_EPOCH = 50_000_000
OUTPUTS = (".h5", ".csv", ".npy")  # of generated trajectories
LEAST_WINDOW = 120  # where it is auto
# Found on the Lorenz data of Mikhaeil et al. (2022), simulated systems of one kind of sampling.
_USUAL_TAU = 30
# Of noisy data twice as many: on ten systems of dysts with 5% of noise 60 epochs reconstruct six,
# 120 all. Without noise more add nothing, also of x of Lorenz alone. What is recorded may be noisy.
EPOCHS = 60


@dataclass
class TrainSettings(Settings):
    """`sfbptt train`: everything that decides a run."""

    name: str = checked("run", folder_name)  # of the folder below `outputs`
    seed: int = whole(0, 0)  # initial parameters and training windows
    # Free steps of a segment, from one forcing to the next; auto: from the largest exponent, or
    # what else the data tell; search: short trainings around that; default: auto for recorded
    # data, 30 for simulated ones; null: none, for the methods without an interval.
    tau: Optional[Union[int, str]] = "default"  # noqa: UP007, UP045
    # w, steps along the data in which the state is corrected, before the free steps of each segment
    # and before each free run; auto: from the data, at least 10.
    warmup: Union[int, str] = whole("auto", 0, MOST_STEPS, "auto")  # noqa: UP007
    # How strongly errors correct the state: learned, or a part of what forcing would change; auto:
    # 1 - 4^(-1/tau), at least 0.2, for noisy data, learned for others.
    gain: Union[float, int, str] = number("auto", "auto", "learned", above=0, at_most=1)  # noqa: UP007
    # T, predicted steps of a training sequence; auto: four segments, at least 120.
    window: Union[int, str] = whole("auto", 1, MOST_STEPS, "auto")  # noqa: UP007
    # cauchy: the mean squared error of errors below 3% of a standard deviation, or below twice the
    # noise, and the logarithm of larger ones; squared: the mean squared error of all.
    loss: str = word("cauchy", "squared")
    # The training part without its noise, where that is above 1%, as a regression on what comes
    # before and after finds it: auto; none: as it was recorded.
    denoise: str = word("auto", "none")
    batch_size: int = whole(8, 1, MOST_STEPS)  # sequences an update
    batches_per_epoch: int = whole(100, 1, 1_000_000)  # updates an epoch
    # Of batches_per_epoch updates; auto: 60 for simulated data without noise, 120 for others.
    epochs: Union[int, str] = whole("auto", 1, 200_000, "auto")  # noqa: UP007
    device: str = word("cpu", "cuda")  # cuda: faster from some hundred units on
    # Of torch. The kernels of training have one; beside them more do not pay at the usual sizes.
    threads: int = whole(1, 1, 1_024)
    # pdf: PDF beside PNG; auto: png, and none in a sweep, whose runs `evaluate` can draw later.
    figures: str = word("auto", "png", "pdf", "none")
    paper2022: bool = False  # also print D_stsp and D_H by the code of Mikhaeil et al. (2022)
    overwrite: bool = False  # start again in a folder that holds another run
    outputs: str = "outputs"  # folder of all runs, from where you call
    dataset: DatasetSettings = MISSING  # what is reconstructed
    model: ModelSettings = MISSING  # the recurrent network
    forcing: ForcingSettings = MISSING  # the training method
    tau_schedule: TauScheduleSettings | None = None  # τ over training; null: a method without τ
    alpha: AlphaSettings | None = None  # of generalized forcing; null: a method without α
    optimizer: OptimizerSettings = MISSING  # of the parameters
    lr_schedule: LRScheduleSettings = MISSING  # the learning rate over training
    # added to the loss
    regularization: RegularizationSettings = field(default_factory=RegularizationSettings)
    # what tau=search does
    tau_search: TauSearchSettings = field(default_factory=TauSearchSettings)
    # short free runs in training
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    # how the free run is measured
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    # csv: metrics.csv alone; tensorboard: event files in the run's folder, too.
    logger: str = word("csv", "tensorboard")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.outputs), "outputs", "''", "the folder of all runs")
        for part in self.outputs.split("/"):
            accepted = "a path whose names have at most 255 bytes"
            require(len(part.encode()) <= 255, "outputs", f"'{part[:20]}…'", accepted)
        if isinstance(self.dataset, SimulatedSettings):
            longest = self.dataset.train_steps - 1
            accepted = f"at most dataset.train_steps - 1 = {longest}"
            fits = self.window == "auto" or int(self.window) <= longest
            require(fits, "window", self.window, accepted)
        if self.tau == "default":
            self.tau = _USUAL_TAU if isinstance(self.dataset, SimulatedSettings) else "auto"
        self._check_forcing()
        self._check_sizes()
        if self.epochs == "auto":
            clean = isinstance(self.dataset, SimulatedSettings) and not self.dataset.noisy
            self.epochs = EPOCHS if clean else 2 * EPOCHS
        if self.optimizer.learning_rate == "auto":
            complete = isinstance(self.dataset, SimulatedSettings) and self.dataset.complete
            self.optimizer.learning_rate = self.optimizer.usual_rate(self.model, complete)
        if isinstance(self.lr_schedule, OneCycleSettings) and self.lr_schedule.rise == "auto":
            self.lr_schedule.rise = self.optimizer.onecycle_rise
        if self.tau != "search":
            self.tau_search.require_unused("tau is not search", "factors", "epochs")

    @property
    def updates(self) -> int:
        """Updates of the whole training."""
        return int(self.epochs) * self.batches_per_epoch

    def _check_sizes(self) -> None:
        """Refuse what would take gigabytes, before anything is made."""
        window = LEAST_WINDOW if self.window == "auto" else int(self.window)
        most = _LARGEST_BATCH // (window * self.model.latent_states())
        accepted = f"at most {most} with window={self.window}, model.latent_dim="
        accepted = f"{accepted}{self.model.latent_dim} (memory)"
        require(self.batch_size <= most, "batch_size", self.batch_size, accepted)
        most = _LARGEST_EPOCH // self.batch_size
        accepted = f"at most {most} with batch_size={self.batch_size} (memory)"
        require(
            self.batches_per_epoch <= most, "batches_per_epoch", self.batches_per_epoch, accepted
        )

    def _check_forcing(self) -> None:
        """Refuse an interval, a schedule or an α that the method does not have, or lacks."""
        method, name = type(self.forcing), f"forcing={self.forcing.name}"
        for group, has in (("tau_schedule", method.has_tau), ("alpha", method.has_alpha)):
            chosen = getattr(self, group)
            given = "null" if chosen is None else chosen.name
            accepted = f"a name, as {name} has one" if has else f"null, as {name} has none"
            require((chosen is not None) == has, group, given, accepted)
        if not method.has_tau:
            require(self.tau is None, "tau", self.tau, f"null, as {name} has no interval")
        elif self.tau not in ("auto", "search"):
            most = MOST_STEPS if self.window == "auto" else int(self.window)
            limit = f"{most:,}" if self.window == "auto" else f"window = {most}"
            accepted = f"a whole number of time steps from 1 to {limit}, auto or search"
            if isinstance(self.tau, int) and most < self.tau <= MOST_STEPS:
                accepted += f"; window={self.tau} makes room for it"
            within = isinstance(self.tau, int) and 1 <= self.tau <= most
            require(within, "tau", "nothing" if self.tau is None else f"'{self.tau}'", accepted)
        if not method.has_warmup:
            accepted = f"0, as {name} has no segments that start from data"
            require(self.warmup in ("auto", 0), "warmup", self.warmup, accepted)
            self.warmup = 0
        if self.warmup == 0:
            self.require_unused("warmup is 0", "gain")


@dataclass
class EvaluateSettings(Settings):
    """`sfbptt evaluate`: measure runs again; a setting left out stays as each run has it."""

    run: str | None = None  # the folder of a run: measured in any case
    runs: str | None = None  # a folder above runs: those without such an evaluation are measured
    jobs: Union[int, str] = whole("auto", 1, 1_024, "auto")  # noqa: UP007  processes; auto: one a core
    device: str = word("cpu", "cuda")
    threads: int = whole(1, 1, 1_024)  # of torch, in each process
    # pdf: PDF beside PNG; auto: png of a run, none of the runs below a folder.
    figures: str = word("auto", "png", "pdf", "none")
    paper2022: bool = False  # also print D_stsp and D_H by the code of Mikhaeil et al. (2022)
    # Of recorded data, where their file lies now, if not where it was or beside the run.
    moved: MovedSettings = field(default_factory=MovedSettings)
    # how the free run is measured
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in ("run", "runs") if getattr(self, name) is not None]
        accepted = "either the folder of a run (run=DIR) or a folder of runs (runs=DIR)"
        require(len(given) == 1, "run", "runs, too," if given else "nothing", accepted)
        if self.runs is None:
            self.require_unused("runs is null", "jobs")


@dataclass
class GenerateSettings(Settings):
    """`sfbptt generate`: free runs of a run's model, from chosen starts, into a file."""

    run: str | None = None  # the folder of a run
    checkpoint: str = word("best", "last")  # best: by validation D_stsp
    moved: MovedSettings = field(default_factory=MovedSettings)  # of the data of run
    steps: int = whole(10_000, 1, 10_000_000)  # of each free run
    # The row of the test data, counted from 0, that is the last the model sees; null: the first
    # with w rows before it, w being the run's warm-up.
    start: int | None = whole(None, 0)
    starts: int | None = whole(None, 1, 100_000)  # so many rows of the test data, drawn instead
    seed: int = whole(0, 0)  # of the drawn rows
    # A file with the last w + 1 observations or more before a run of your own, (time, variables),
    # or before several: (trajectory, time, variables), or a table with a column trajectory.
    context: str | None = None
    # .h5 (as trajectories.h5), .csv or .npy, from the first step after the start; null:
    # generated.h5 in the folder of the run.
    output: str | None = None
    overwrite: bool = False  # replace the output

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.run is not None, "run", "nothing", "the folder of a run (run=DIR)")
        given = [n for n in ("start", "starts", "context") if getattr(self, n) is not None]
        accepted = "one of start, starts and context"
        require(len(given) < 2, given[0] if given else "", f"{' '.join(given[1:])}, too,", accepted)
        if self.starts is None:
            self.require_unused("starts is null", "seed")
        suffix = "" if self.output is None else f".{self.output.rpartition('.')[2].lower()}"
        accepted = f"a file that ends in {', '.join(OUTPUTS)}"
        require(suffix in ("", *OUTPUTS), "output", f"'{self.output}'", accepted)


@dataclass
class ReportSettings(Settings):
    """`sfbptt report`: runs below a folder as a table, a figure and a page."""

    runs: str | None = None  # a folder, at any depth above the runs
    out: str | None = None  # where the files go; null: <runs>/report
    statistic: str = "median"  # over seeds: median (and range), mean (and standard error)
    # Panels of the figure; the first metric ranks. One alone is as wide as a column of a paper.
    metrics: list[str] = field(
        default_factory=lambda: ["d_stsp", "d_h", "lambda_max", "reconstructed"]
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.runs is not None, "runs", "nothing", "a folder with runs in it (runs=DIR)")


@dataclass
class InspectSettings(Settings):
    """`sfbptt inspect`: what a dataset allows."""

    name: str = checked("run", folder_name)  # of the folder below `outputs`
    outputs: str = "outputs"  # folder of all results
    dataset: DatasetSettings | None = None  # the data to look at

    def __post_init__(self) -> None:
        super().__post_init__()
        accepted = "a dataset (dataset=NAME, dataset=csv dataset.path=FILE)"
        require(self.dataset is not None, "dataset", "nothing", accepted)


COMMANDS: dict[str, type[Settings]] = {
    "train": TrainSettings,
    "inspect": InspectSettings,
    "evaluate": EvaluateSettings,
    "generate": GenerateSettings,
    "lyapunov": LyapunovSettings,
    "gradients": GradientsSettings,
    "report": ReportSettings,
}
