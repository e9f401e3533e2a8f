"""Settings of the datasets; `source` decides which schema holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from sfbptt_cli.refusals import at_least, finite, folder_name, fraction, one_of, positive, require


@dataclass
class DatasetConfig:
    """What every dataset has."""

    name: str = MISSING
    source: str = MISSING  # simulated, array
    dt: float = MISSING  # time units between two observations
    lambda_max: float | None = None  # per time unit; overrides the published value

    def __post_init__(self) -> None:
        folder_name("dataset.name", self.name)
        positive("dataset.dt", self.dt)
        if self.lambda_max is not None:
            finite("dataset.lambda_max", self.lambda_max)


@dataclass
class SimulatedConfig(DatasetConfig):
    """Trajectories of a known system: one to train, one to test, several for the metric floors."""

    source: str = "simulated"
    system: str = MISSING
    parameters: dict[str, float] = field(default_factory=dict)
    train_steps: int = 100_000
    test_steps: int = 110_000  # also the length of each trajectory behind the floor
    floor_trajectories: int = 5
    transient: int = 10_000  # steps discarded before each trajectory
    seed: int = 0  # of the three initial conditions; the run's `seed` does not touch the data
    scaling: str = "none"  # common: one mean and one scale for all variables together
    rtol: float = 1e-10  # of the integrator, relative
    atol: float = 1e-10  # of the integrator, absolute, in units of the system

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("dataset.train_steps", self.train_steps, 100)
        at_least("dataset.test_steps", self.test_steps, 100)
        at_least("dataset.floor_trajectories", self.floor_trajectories, 1)
        at_least("dataset.transient", self.transient, 0)
        at_least("dataset.seed", self.seed, 0)
        one_of("dataset.scaling", self.scaling, ("none", "common"))
        for name, value in self.parameters.items():
            finite(f"dataset.parameters.{name}", value)
        require(1e-14 <= self.rtol < 1, "dataset.rtol", self.rtol, "a number from 1e-14 to 1")
        positive("dataset.atol", self.atol)


@dataclass
class ArrayConfig(DatasetConfig):
    """A recorded series of T time steps by N variables, split in chronological order."""

    source: str = "array"
    path: str | None = None  # .npy, .npz, .h5 or .hdf5
    key: str | None = None  # the array inside a .npz or HDF5 file
    time_unit: str = "steps"
    train_fraction: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        fraction("dataset.train_fraction", self.train_fraction)


DATASET_SCHEMAS: dict[str, type[DatasetConfig]] = {
    "simulated": SimulatedConfig,
    "array": ArrayConfig,
}
