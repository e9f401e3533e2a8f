"""Settings of the datasets; `source` decides which class holds.

The settings of a text table are composed of parts (how it is written, repairs, cleaning, delays),
so that the code that needs a part can take it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional, Union

from omegaconf import MISSING

from sfbptt_cli.common.checks import finite, folder_name, require
from sfbptt_cli.common.settings import Settings, checked, number, whole, word

# The largest values: far beyond use, so that a slip is refused before memory is taken.
_STEPS = 10_000_000
# Of train_steps and all trajectories as long as test_steps.
_SIMULATED_STEPS = 100_000_000
_DELAYS = 1_000
_LAG = 1_000_000
_HARMONICS = 1_000


def _some(name: str, value: list[str]) -> None:
    require(value != [], name, "[]", "null, or names of variables")


def _finite_values(name: str, value: dict[str, Any]) -> None:
    for key, entry in value.items():
        finite(f"{name}.{key}", entry)


def _header(name: str, value: object) -> None:
    require(isinstance(value, bool) or value == "auto", name, value, "true, false, auto")


@dataclass
class _Part(Settings):
    group: ClassVar[str] = "dataset"


@dataclass
class DatasetSettings(_Part):
    """What every dataset has."""

    name: str = checked(MISSING, folder_name)  # of the dataset, and of a folder
    source: str = MISSING  # simulated, array, csv, temperature
    dt: Optional[float] = number(MISSING, above=0)  # noqa: UP045  time units between observations
    lambda_max: float | None = number(None)  # per time unit; overrides published and computed ones
    # Variables that drive the model instead of being observed.
    inputs: list[str] | None = checked(None, _some)


@dataclass
class DelaySettings(_Part):
    """Delay vectors of every observed variable: its last values, `lag` samples apart."""

    lag: Union[int, str] = whole(1, 1, _LAG, "auto")  # noqa: UP007  samples between two delays
    dimension: Union[int, str] = whole(1, 1, _DELAYS, "auto")  # noqa: UP007  1: no delay vectors

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimension == 1:
            self.require_unused("dataset.dimension is 1", "lag")


@dataclass
class SimulatedSettings(DelaySettings, DatasetSettings):
    """Trajectories of a known system: one to train, one to test, several for the metric floors."""

    source: str = "simulated"
    system: str = MISSING  # the equations
    library: str = word("sfbptt", "dysts")  # that defines the system; dysts also its dt (null)
    parameters: dict[str, float] = checked({}, _finite_values)  # of the equations
    train_steps: int = whole(100_000, 100, _STEPS)  # observations to train on
    test_steps: int = whole(110_000, 100, _STEPS)  # also of each trajectory behind the floor
    floor_trajectories: int = whole(5, 1, 100)  # whose distances from the test are the floor
    transient: int = whole(10_000, 0, _STEPS)  # steps discarded before each trajectory
    seed: int = whole(0, 0)  # of the initial conditions; the run's `seed` does not touch the data
    scaling: str = word("none", "common")  # common: one mean and scale for all variables together
    rtol: float = number(1e-10, at_least=1e-14, below=1)  # of the integrator, relative
    atol: float = number(1e-10, above=0)  # of the integrator, absolute, in units of the system
    observed: list[str] | None = checked(None, _some)  # names of variables; null: all
    # On the training trajectory alone: what is measured against is the system, not its noise.
    # Standard deviations of the variable over that trajectory.
    observation_noise: float = number(0.0, at_least=0)
    # Of every trajectory; standard deviations of the variable a square root of a time unit.
    process_noise: float = number(0.0, at_least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = self.dt is not None or self.library == "dysts"
        require(known, "dataset.dt", "null", "a number above 0")
        steps = self.train_steps + self.test_steps * (1 + self.floor_trajectories)
        accepted = f"at most {_SIMULATED_STEPS:,} steps in all trajectories together"
        require(steps <= _SIMULATED_STEPS, "dataset.test_steps", self.test_steps, accepted)

    @property
    def complete(self) -> bool:
        """Whether every variable is observed."""
        return self.observed is None

    @property
    def noisy(self) -> bool:
        """Whether noise is added to the states or to what is seen of them."""
        return self.observation_noise > 0 or self.process_noise > 0


@dataclass
class RecordedSettings(DatasetSettings):
    """A recorded series, or several of different length, in one or more files."""

    path: str | None = None  # a file; with * several, a trajectory each
    # A file that tests, while all of `path` trains.
    test_path: str | None = None
    time_unit: str = "steps"  # the name of the unit of dt
    # The first part trains, the rest tests. null: not used, as there are several trajectories, of
    # which all but the last train, or with a test_path.
    train_fraction: float | None = number(0.8, above=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.test_path is not None and self.train_fraction is not None:
            self.require_unused("dataset.test_path is given", "train_fraction")


@dataclass
class MissingSettings(_Part):
    """What stands for a missing value."""

    # In addition to empty fields; a number, such as -9999, stands for every spelling of it.
    missing_values: list[str] = field(
        default_factory=lambda: ["NA", "N/A", "NaN", "NULL", "null", "None", "-", "--", "?", "MM"]
    )
    # Of a value that nobody declared and that lies far outside of all others, as -999 does.
    missing_codes: str = word("refuse", "keep")


@dataclass
class TextSettings(MissingSettings):
    """How a text table is written; `auto` is decided from the file."""

    # Between the columns.
    delimiter: str = word("auto", "comma", "semicolon", "tab", "bar", "space")
    decimal: str = word("auto", "point", "comma")  # the other one may divide thousands
    # auto: by the byte-order mark, else UTF-8.
    encoding: str = word("auto", "utf-8", "utf-16", "latin-1", "cp1252")
    header: Union[bool, str] = checked("auto", _header)  # noqa: UP007  a row names the columns
    skip_rows: int = whole(0, 0, 1_000_000)  # above the header


@dataclass
class RepairSettings(_Part):
    """What may be done to readings that are no regular series."""

    order: str = word("refuse", "sort")  # of time stamps that go back
    duplicates: str = word("refuse", "first", "mean")  # of one time stamp in several rows
    missing: str = word("refuse", "interpolate")  # of values or rows; on a straight line
    max_gap: int = whole(10, 0, _STEPS)  # samples, the longest stretch that is interpolated
    long_gaps: str = word("refuse", "longest")  # longest: keep the longest part between long gaps
    resample: float | None = number(None, above=0)  # new sampling interval, time units

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing == "refuse":
            self.require_unused("dataset.missing is refuse", "max_gap", "long_gaps")


@dataclass
class ArraySettings(RepairSettings, MissingSettings, RecordedSettings):
    """Arrays of T time steps by N variables. `path` names a file of NumPy, HDF5, MATLAB, netCDF or
    Parquet, or, with *, several files, a trajectory each."""

    source: str = "array"
    # null: by the times in the file, else 1.
    dt: Optional[float] = number(None, above=0)  # noqa: UP045  time units
    # auto: that of the times in the file; time units where dt is given; else steps.
    time_unit: str = "auto"
    key: str | None = None  # the array inside a file of several; with * several
    # Names of variables, x1, x2, … where the file has none; null: all that do not count time.
    columns: list[str] | None = checked(None, _some)
    # A column, or an array beside the series; auto: found; null: none.
    time_column: str | None = "auto"


@dataclass
class CleaningSettings(_Part):
    """What is taken out of a series, fitted to its training part."""

    trend: str = word("none", "linear")  # that is taken off
    yearly_cycle: int = whole(0, 0, _HARMONICS)  # harmonics of 365.2425 days; 0: not removed
    daily_cycle: int = whole(0, 0, _HARMONICS)  # harmonics of a day; 0: not removed
    # Standard deviation of a Gaussian filter, samples; 0: none.
    smoothing: float = number(0.0, at_least=0, at_most=1e6)


@dataclass
class TableSettings(
    DelaySettings, CleaningSettings, RepairSettings, TextSettings, RecordedSettings
):
    """A text table with any ending, plain or compressed by gzip, bzip2, xz or zip."""

    # null: not used, as there are time stamps, or time is counted in rows.
    dt: Optional[float] = number(None, above=0)  # noqa: UP045
    # auto: found; a name, or two as 'date + time'; null: rows are counted.
    time_column: str | None = "auto"
    time_format: str = "auto"  # signs of datetime.strptime, or number; auto: found
    # Of dates: seconds, minutes, hours, days; of numbers: any name. auto: found.
    time_unit: str = "auto"
    trajectory_column: str | None = None  # rows with the same text in it are a trajectory

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stamped:
            self.require_unused("rows have time stamps (dataset.resample changes dt)", "dt")
        elif self.time_column is None:
            self.require_unused("dataset.time_column is null", "time_format")
        unused = ("trend", "yearly_cycle", "daily_cycle")
        given = self.train_fraction
        if self.test_path is not None:
            self.require_unused("dataset.test_path is given", *unused, "trajectory_column")
        elif self.trajectory_column is None:
            accepted = "a number between 0 and 1, or dataset.trajectory_column as well"
            require(given is not None, "dataset.train_fraction", "null", accepted)
        else:
            accepted = "null with dataset.trajectory_column (the last one tests, the others train)"
            require(given is None, "dataset.train_fraction", given, accepted)
            self.require_unused("dataset.trajectory_column is given", *unused)

    @property
    def stamped(self) -> bool:
        """Whether it is given that the rows have time stamps."""
        return self.time_column not in (None, "auto")

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
    max_gap: int = whole(500, 0, _STEPS)

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


@dataclass
class MovedSettings(Settings):
    """Where the files of a stored run's data lie now; given as dataset.path."""

    group: ClassVar[str] = "moved"

    path: str | None = None  # null: found where it was, or beside the run
    test_path: str | None = None  # likewise


# In figures; another name stands as it is.
DATASET_LABELS = {
    "lorenz": "Lorenz system",
    "lorenz_paper": "Lorenz system (paper)",
    "rossler": "Rössler system",
    "rossler_paper": "Rössler system (paper)",
    "duffing": "Duffing oscillator",
    "lorenz96": "Lorenz 96",
    "mackey_glass": "Mackey-Glass equation",
    "henon": "Hénon map",
    "delayed_logistic": "delayed logistic map",
}
