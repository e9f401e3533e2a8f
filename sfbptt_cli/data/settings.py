"""Settings of the datasets; `source` decides which schema holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Union

from omegaconf import MISSING

from sfbptt_cli.common.checks import (
    at_least,
    default_where,
    finite,
    folder_name,
    fraction,
    one_of,
    positive,
    refuse_too_large,
    require,
)

# The largest values: far beyond use, so that a slip is refused before memory is taken.
_STEPS = 10_000_000
# Of train_steps and all trajectories as long as test_steps.
_SIMULATED_STEPS = 100_000_000
_SIMULATED = {
    "train_steps": _STEPS,
    "test_steps": _STEPS,
    "floor_trajectories": 100,
    "transient": _STEPS,
    "lag": 1_000_000,
    "dimension": 1_000,
}
_TABLE = {
    "skip_rows": 1_000_000,
    "yearly_cycle": 1_000,
    "daily_cycle": 1_000,
    "smoothing": 1e6,
    "lag": 1_000_000,
    "dimension": 1_000,
}


@dataclass
class DatasetSettings:
    """What every dataset has."""

    name: str = MISSING
    source: str = MISSING  # simulated, array, csv, temperature
    # Time units between two observations; null where a file's time stamps or the period of a
    # system of dysts tell.
    dt: Optional[float] = MISSING  # noqa: UP045
    lambda_max: float | None = None  # per time unit; overrides what is published or computed
    inputs: list[str] | None = None  # variables that drive the model instead of being observed

    def __post_init__(self) -> None:
        folder_name("dataset.name", self.name)
        if self.dt is not None:
            positive("dataset.dt", self.dt)
        told = isinstance(self, TableSettings) or (
            isinstance(self, SimulatedSettings) and self.library == "dysts"
        )
        require(self.dt is not None or told, "dataset.dt", "null", "a number above 0")
        if self.lambda_max is not None:
            finite("dataset.lambda_max", self.lambda_max)
        require(self.inputs != [], "dataset.inputs", "[]", "null, or names of variables")


@dataclass
class SimulatedSettings(DatasetSettings):
    """Trajectories of a known system: one to train, one to test, several for the metric floors."""

    source: str = "simulated"
    system: str = MISSING
    library: str = "sfbptt"  # that defines the system: sfbptt, dysts
    parameters: dict[str, float] = field(default_factory=dict)
    train_steps: int = 100_000
    test_steps: int = 110_000  # also the length of each trajectory behind the floor
    floor_trajectories: int = 5
    transient: int = 10_000  # steps discarded before each trajectory
    seed: int = 0  # of the initial conditions; the run's `seed` does not touch the data
    scaling: str = "none"  # common: one mean and one scale for all variables together
    rtol: float = 1e-10  # of the integrator, relative
    atol: float = 1e-10  # of the integrator, absolute, in units of the system
    # What is observed.
    observed: list[str] | None = None  # names of variables; null: all
    lag: Optional[Union[int, str]] = None  # noqa: UP007, UP045  samples between two delays, or auto; 1
    dimension: Union[int, str] = 1  # noqa: UP007  delays of each observed variable, or auto; 1: none
    # On the training trajectory alone: what is measured against is the system, not its noise.
    # Standard deviations of the variable over that trajectory.
    observation_noise: float = 0.0
    # Of every trajectory; standard deviations of the variable a square root of a time unit.
    process_noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("dataset.train_steps", self.train_steps, 100)
        at_least("dataset.test_steps", self.test_steps, 100)
        at_least("dataset.floor_trajectories", self.floor_trajectories, 1)
        at_least("dataset.transient", self.transient, 0)
        at_least("dataset.seed", self.seed, 0)
        self._check_size()
        one_of("dataset.scaling", self.scaling, ("none", "common"))
        for name, value in self.parameters.items():
            finite(f"dataset.parameters.{name}", value)
        require(1e-14 <= self.rtol < 1, "dataset.rtol", self.rtol, "a number from 1e-14 to 1")
        positive("dataset.atol", self.atol)
        one_of("dataset.library", self.library, ("sfbptt", "dysts"))
        require(self.observed != [], "dataset.observed", "[]", "null, or names of variables")
        embedded = self.dimension != 1
        default_where(embedded, self, "dataset", "dataset.dimension is 1", {"lag": 1})
        _check_delays(self.lag, self.dimension)
        for name in ("observation_noise", "process_noise"):
            level = getattr(self, name)
            within = 0 <= level < float("inf")
            require(within, f"dataset.{name}", level, "a finite number of at least 0")

    def _check_size(self) -> None:
        refuse_too_large("dataset", self, _SIMULATED)
        steps = self.train_steps + self.test_steps * (1 + self.floor_trajectories)
        accepted = f"at most {_SIMULATED_STEPS:,} steps in all trajectories together"
        require(steps <= _SIMULATED_STEPS, "dataset.test_steps", self.test_steps, accepted)


def _check_delays(lag: int | str | None, dimension: int | str | None) -> None:
    for name, value in (("lag", lag), ("dimension", dimension)):
        right = value in ("auto", None) or (isinstance(value, int) and value >= 1)
        accepted = "a whole number of at least 1, or auto"
        require(right, f"dataset.{name}", f"'{value}'", accepted)


@dataclass
class ArraySettings(DatasetSettings):
    """A recorded series of T time steps by N variables, or several of different length."""

    source: str = "array"
    path: str | None = None  # .npy, .npz, .h5 or .hdf5; with * several files, a trajectory each
    key: str | None = None  # the array inside a .npz or HDF5 file; with * several
    time_unit: str = "steps"
    lambda_evidence: str = "clear"  # see TableSettings
    # Of one series, the first part trains. Of several trajectories (null) all but the last train.
    train_fraction: float | None = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_fraction is not None:
            fraction("dataset.train_fraction", self.train_fraction)
        one_of("dataset.lambda_evidence", self.lambda_evidence, ("clear", "weak"))


@dataclass
class TableSettings(DatasetSettings):
    """What every text file of a recorded series may need."""

    path: str | None = None  # .csv or .csv.gz
    # Of a file without time stamps; null: 1, or from the stamps.
    dt: Optional[float] = None  # noqa: UP045
    time_column: str | None = None
    time_format: str | None = None  # signs of strptime, or number; null: found
    time_unit: str | None = None  # of dates: seconds, minutes, hours, days; null: days
    trajectory_column: str | None = None  # name of the column that tells several apart
    # What tau=auto and tau=search demand of the data. clear: exponential divergence, unlike that of
    # linear noise; weak: neighbours that separate at some rate, which may come of noise.
    lambda_evidence: str = "clear"
    # The first part trains; null with a trajectory column: all but the last trajectory train.
    train_fraction: float | None = 0.8
    # How the file is written.
    delimiter: str = "auto"  # auto, comma, semicolon, tab
    decimal: str = "auto"  # auto, point, comma
    encoding: str = "auto"  # auto, utf-8, utf-16, latin-1, cp1252
    header: bool = True  # the first row names the columns
    skip_rows: int = 0  # above the header
    missing_values: list[str] = field(
        default_factory=lambda: ["NA", "N/A", "NaN", "NULL", "null", "-"]
    )
    # What may be done where the readings are no regular series.
    order: str = "refuse"  # time stamps that go back: refuse, sort
    duplicates: str = "refuse"  # one time stamp in several rows: refuse, first, mean
    missing: str = "refuse"  # values or rows: refuse, interpolate
    # Samples, the longest stretch that is interpolated; 10, of a climate record 500.
    max_gap: int | None = None
    # Longer ones: refuse, longest (keep the longest part between them); refuse.
    long_gaps: str | None = None
    resample: float | None = None  # new sampling interval, time units
    # What is taken out, fitted to the training part.
    trend: str = "none"  # none, linear
    yearly_cycle: int = 0  # harmonics; 0: not removed
    daily_cycle: int = 0  # harmonics; 0: not removed
    smoothing: float = 0.0  # standard deviation of a Gaussian filter, samples
    # Delay embedding.
    # Samples between two delays, or auto; 1, of a climate record auto.
    lag: Optional[Union[int, str]] = None  # noqa: UP007, UP045
    # Delays of each column, or auto; 1: none. Of a climate record auto.
    dimension: Optional[Union[int, str]] = 1  # noqa: UP007, UP045

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_fraction is not None:
            fraction("dataset.train_fraction", self.train_fraction)
        self._fill()
        for name in ("skip_rows", "yearly_cycle", "daily_cycle"):
            at_least(f"dataset.{name}", getattr(self, name), 0)
        if self.resample is not None:
            positive("dataset.resample", self.resample)
        refuse_too_large("dataset", self, _TABLE)
        smoothing = self.smoothing
        within = 0 <= smoothing < float("inf")
        require(within, "dataset.smoothing", smoothing, "a finite number of at least 0")
        _check_delays(self.lag, self.dimension)

    def _fill(self) -> None:
        """What means something together with another setting only."""
        climate = isinstance(self, TemperatureSettings)
        one_of("dataset.missing", self.missing, ("refuse", "interpolate"))
        gaps = {"max_gap": 500 if climate else 10, "long_gaps": "refuse"}
        filling = self.missing == "interpolate"
        default_where(filling, self, "dataset", "dataset.missing is refuse", gaps)
        shipped = climate and self.path is None
        if self.dimension is None:
            self.dimension = 4 if shipped else "auto"
        lag = {"lag": 48 if shipped else "auto" if climate else 1}  # a day of the shipped series
        default_where(self.dimension != 1, self, "dataset", "dataset.dimension is 1", lag)
        stamped = self.time_column is not None or shipped
        one_of("dataset.lambda_evidence", self.lambda_evidence, ("clear", "weak"))
        without = "dataset.time_column is null"
        default_where(stamped, self, "dataset", without, {"time_format": None})


@dataclass
class CsvSettings(TableSettings):
    """Any number of columns of a text file."""

    source: str = "csv"
    columns: list[str] | None = None  # null: every column of numbers


@dataclass
class TemperatureSettings(TableSettings):
    """One column of a climate record; without a path, the sea-surface series shipped here."""

    source: str = "temperature"
    column: str | None = None
    lambda_evidence: str = "weak"  # no such record shows more
    dimension: Optional[Union[int, str]] = None  # noqa: UP007, UP045


DATASET_SCHEMAS: dict[str, type[DatasetSettings]] = {
    "simulated": SimulatedSettings,
    "array": ArraySettings,
    "csv": CsvSettings,
    "temperature": TemperatureSettings,
}
