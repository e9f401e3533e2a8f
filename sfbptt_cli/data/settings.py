"""Settings of the datasets: the only place of their defaults. `source` decides which class holds.

The settings of a text table are composed of parts (how it is written, repairs, cleaning, delays),
each of which the code that needs it takes alone. A setting that another one leaves without effect
must keep its default, so that nothing is accepted and ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Optional, Union

from omegaconf import MISSING

from sfbptt_cli.common.checks import (
    at_least,
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
_LARGEST = {
    "train_steps": _STEPS,
    "test_steps": _STEPS,
    "floor_trajectories": 100,
    "transient": _STEPS,
    "skip_rows": 1_000_000,
    "yearly_cycle": 1_000,
    "daily_cycle": 1_000,
    "smoothing": 1e6,
    "lag": 1_000_000,
    "dimension": 1_000,
}


def _keep_default(config: object, name: str, circumstance: str) -> None:
    """RequestError for a setting that `circumstance` leaves without effect and that is changed."""
    (default,) = (entry.default for entry in fields(config) if entry.name == name)  # pyright: ignore[reportArgumentType]
    value = getattr(config, name)
    require(value == default, f"dataset.{name}", value, f"{default} where {circumstance}")


def _not_negative(name: str, value: float) -> None:
    within = 0 <= value < float("inf")
    require(within, f"dataset.{name}", value, "a finite number of at least 0")


@dataclass
class DatasetSettings:
    """What every dataset has."""

    name: str = MISSING
    source: str = MISSING  # simulated, array, csv, temperature
    # Time units between two observations.
    dt: Optional[float] = MISSING  # noqa: UP045
    lambda_max: float | None = None  # per time unit; overrides what is published or computed
    inputs: list[str] | None = None  # variables that drive the model instead of being observed

    def __post_init__(self) -> None:
        folder_name("dataset.name", self.name)
        if self.dt is not None:
            positive("dataset.dt", self.dt)
        if self.lambda_max is not None:
            finite("dataset.lambda_max", self.lambda_max)
        require(self.inputs != [], "dataset.inputs", "[]", "null, or names of variables")
        refuse_too_large("dataset", self, _LARGEST)


@dataclass
class DelaySettings:
    """Delay vectors of every observed variable: its last values, `lag` samples apart."""

    lag: Union[int, str] = 1  # noqa: UP007  samples between two delays, or auto
    dimension: Union[int, str] = 1  # noqa: UP007  number of delays, or auto; 1: no delay vectors

    def __post_init__(self) -> None:
        if self.dimension == 1:
            _keep_default(self, "lag", "dataset.dimension is 1")
        for name in ("lag", "dimension"):
            value = getattr(self, name)
            right = value == "auto" or (isinstance(value, int) and value >= 1)
            accepted = "a whole number of at least 1, or auto"
            require(right, f"dataset.{name}", f"'{value}'", accepted)


@dataclass
class SimulatedSettings(DelaySettings, DatasetSettings):
    """Trajectories of a known system: one to train, one to test, several for the metric floors."""

    source: str = "simulated"
    system: str = MISSING
    library: str = "sfbptt"  # that defines the system: sfbptt, dysts (dt null: of its period)
    parameters: dict[str, float] = field(default_factory=dict)
    train_steps: int = 100_000
    test_steps: int = 110_000  # also the length of each trajectory behind the floor
    floor_trajectories: int = 5
    transient: int = 10_000  # steps discarded before each trajectory
    seed: int = 0  # of the initial conditions; the run's `seed` does not touch the data
    scaling: str = "none"  # common: one mean and one scale for all variables together
    rtol: float = 1e-10  # of the integrator, relative
    atol: float = 1e-10  # of the integrator, absolute, in units of the system
    observed: list[str] | None = None  # names of variables; null: all
    # On the training trajectory alone: what is measured against is the system, not its noise.
    # Standard deviations of the variable over that trajectory.
    observation_noise: float = 0.0
    # Of every trajectory; standard deviations of the variable a square root of a time unit.
    process_noise: float = 0.0

    def __post_init__(self) -> None:
        DatasetSettings.__post_init__(self)
        DelaySettings.__post_init__(self)
        one_of("dataset.library", self.library, ("sfbptt", "dysts"))
        known = self.dt is not None or self.library == "dysts"
        require(known, "dataset.dt", "null", "a number above 0")
        at_least("dataset.train_steps", self.train_steps, 100)
        at_least("dataset.test_steps", self.test_steps, 100)
        at_least("dataset.floor_trajectories", self.floor_trajectories, 1)
        at_least("dataset.transient", self.transient, 0)
        at_least("dataset.seed", self.seed, 0)
        steps = self.train_steps + self.test_steps * (1 + self.floor_trajectories)
        accepted = f"at most {_SIMULATED_STEPS:,} steps in all trajectories together"
        require(steps <= _SIMULATED_STEPS, "dataset.test_steps", self.test_steps, accepted)
        one_of("dataset.scaling", self.scaling, ("none", "common"))
        for name, value in self.parameters.items():
            finite(f"dataset.parameters.{name}", value)
        require(1e-14 <= self.rtol < 1, "dataset.rtol", self.rtol, "a number from 1e-14 to 1")
        positive("dataset.atol", self.atol)
        require(self.observed != [], "dataset.observed", "[]", "null, or names of variables")
        _not_negative("observation_noise", self.observation_noise)
        _not_negative("process_noise", self.process_noise)


@dataclass
class RecordedSettings(DatasetSettings):
    """A recorded series, or several of different length, in one or more files."""

    path: str | None = None
    time_unit: str = "steps"
    # The first part trains, the rest tests. null: not used, as there are several trajectories, of
    # which all but the last train.
    train_fraction: float | None = 0.8
    # What tau=auto and tau=search demand of the data. clear: exponential divergence, unlike that of
    # linear noise; weak: neighbours that separate at some rate, which may come of noise.
    lambda_evidence: str = "clear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_fraction is not None:
            fraction("dataset.train_fraction", self.train_fraction)
        one_of("dataset.lambda_evidence", self.lambda_evidence, ("clear", "weak"))


@dataclass
class ArraySettings(RecordedSettings):
    """Arrays of T time steps by N variables. `path` names a .npy, .npz, .h5 or .hdf5 file, or, with
    *, several files, a trajectory each."""

    source: str = "array"
    dt: Optional[float] = 1.0  # noqa: UP045
    key: str | None = None  # the array inside a .npz or HDF5 file; with * several

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.dt is not None, "dataset.dt", "null", "a number above 0")


@dataclass
class TextSettings:
    """How a text table is written; `auto` is decided from the file."""

    delimiter: str = "auto"  # auto, comma, semicolon, tab
    decimal: str = "auto"  # auto, point, comma
    encoding: str = "auto"  # auto (byte-order mark, else UTF-8), utf-8, utf-16, latin-1, cp1252
    header: bool = True  # the first row names the columns
    skip_rows: int = 0  # above the header
    # Besides empty fields; a number, such as -9999, stands for every spelling of it.
    missing_values: list[str] = field(
        default_factory=lambda: ["NA", "N/A", "NaN", "NULL", "null", "-"]
    )

    def __post_init__(self) -> None:
        at_least("dataset.skip_rows", self.skip_rows, 0)


@dataclass
class RepairSettings:
    """What may be done to readings that are no regular series."""

    order: str = "refuse"  # of time stamps that go back: refuse, sort
    duplicates: str = "refuse"  # of one time stamp in several rows: refuse, first, mean
    missing: str = "refuse"  # values or rows: refuse, interpolate (on a straight line)
    max_gap: int = 10  # samples, the longest stretch that is interpolated
    long_gaps: str = "refuse"  # longer ones: refuse, longest (keep the longest part between them)
    resample: float | None = None  # new sampling interval, time units

    def __post_init__(self) -> None:
        one_of("dataset.order", self.order, ("refuse", "sort"))
        one_of("dataset.duplicates", self.duplicates, ("refuse", "first", "mean"))
        one_of("dataset.missing", self.missing, ("refuse", "interpolate"))
        one_of("dataset.long_gaps", self.long_gaps, ("refuse", "longest"))
        if self.missing == "refuse":
            _keep_default(self, "max_gap", "dataset.missing is refuse")
            _keep_default(self, "long_gaps", "dataset.missing is refuse")
        if self.resample is not None:
            positive("dataset.resample", self.resample)


@dataclass
class CleaningSettings:
    """What is taken out of a series, fitted to its training part."""

    trend: str = "none"  # none, linear
    yearly_cycle: int = 0  # harmonics of 365.2425 days; 0: not removed
    daily_cycle: int = 0  # harmonics of a day; 0: not removed
    smoothing: float = 0.0  # standard deviation of a Gaussian filter, samples; 0: none

    def __post_init__(self) -> None:
        one_of("dataset.trend", self.trend, ("none", "linear"))
        at_least("dataset.yearly_cycle", self.yearly_cycle, 0)
        at_least("dataset.daily_cycle", self.daily_cycle, 0)
        _not_negative("smoothing", self.smoothing)


@dataclass
class TableSettings(
    DelaySettings, CleaningSettings, RepairSettings, TextSettings, RecordedSettings
):
    """A text table: .csv or any other name, also compressed (gzip, bzip2, xz, zip)."""

    # null: not used, as time stamps tell, or time is counted in rows.
    dt: Optional[float] = None  # noqa: UP045
    time_column: str | None = None
    time_format: str = "auto"  # signs of datetime.strptime, or number; auto: found
    # Of dates: seconds, minutes, hours, days; of numbers: any name. auto: days for dates.
    time_unit: str = "auto"
    trajectory_column: str | None = None  # its text tells the trajectory that a row belongs to

    def __post_init__(self) -> None:
        for part in (RecordedSettings, TextSettings, RepairSettings, CleaningSettings):
            part.__post_init__(self)
        DelaySettings.__post_init__(self)
        if self.stamped:
            accepted = "null with time stamps (dataset.resample makes another interval)"
            require(self.dt is None, "dataset.dt", self.dt, accepted)
        else:
            _keep_default(self, "time_format", "dataset.time_column is null")
        self._check_split()

    def _check_split(self) -> None:
        """One series is split at a fraction; of several the last one tests."""
        fraction = self.train_fraction
        if self.trajectory_column is None:
            accepted = "a number between 0 and 1, or dataset.trajectory_column as well"
            require(fraction is not None, "dataset.train_fraction", "null", accepted)
            return
        accepted = "null with dataset.trajectory_column (the last one tests, the others train)"
        require(fraction is None, "dataset.train_fraction", fraction, accepted)
        for name, off in (("trend", "none"), ("yearly_cycle", 0), ("daily_cycle", 0)):
            value, accepted = getattr(self, name), f"{off} with dataset.trajectory_column"
            require(value == off, f"dataset.{name}", value, accepted)

    @property
    def stamped(self) -> bool:
        """Whether rows have time stamps."""
        return self.time_column is not None

    @property
    def chosen(self) -> tuple[str, list[str] | None]:
        """The setting that names the columns to read, and the names; None: all of numbers."""
        raise NotImplementedError


@dataclass
class CsvSettings(TableSettings):
    """Any number of columns of a text table."""

    source: str = "csv"
    columns: list[str] | None = None  # null: every column of numbers

    @property
    def chosen(self) -> tuple[str, list[str] | None]:
        return "dataset.columns", self.columns


@dataclass
class TemperatureSettings(TableSettings):
    """One column of a climate record; without a path, of the sea-surface series shipped here."""

    source: str = "temperature"
    column: str | None = None  # null: the only column of numbers
    lambda_evidence: str = "weak"  # no such record shows more
    max_gap: int = 500
    # auto: estimated; of the shipped series a day (48 samples) and 4.
    lag: Union[int, str] = "auto"  # noqa: UP007
    dimension: Union[int, str] = "auto"  # noqa: UP007

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is None and self.dimension == "auto":
            self.dimension = 4
        if self.path is None and self.dimension != 1 and self.lag == "auto":
            self.lag = 48

    @property
    def stamped(self) -> bool:
        return self.path is None or super().stamped

    @property
    def chosen(self) -> tuple[str, list[str] | None]:
        return "dataset.column", None if self.column is None else [self.column]


DATASET_SCHEMAS: dict[str, type[DatasetSettings]] = {
    "simulated": SimulatedSettings,
    "array": ArraySettings,
    "csv": CsvSettings,
    "temperature": TemperatureSettings,
}
