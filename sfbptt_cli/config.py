"""Schemas of every config group with units and ranges: the only place that validates settings.

OmegaConf rejects unknown keys and wrong types; `__post_init__` rejects values out of range.
The checks run when a composed config becomes objects (`OmegaConf.to_object`). OmegaConf knows no
`Literal`, so a choice is a `str` checked against the accepted words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sfbptt_cli.errors import RequestError, lookup
from sfbptt_cli.refusals import (
    at_least,
    explain_value,
    finite,
    folder_name,
    fraction,
    one_of,
    positive,
    require,
)


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


@dataclass
class ModelConfig:
    """The recurrent network; `name` is looked up in the table of models."""

    name: str = MISSING
    latent_dim: int = 30  # M

    def __post_init__(self) -> None:
        at_least("model.latent_dim", self.latent_dim, 1)


@dataclass
class ForcingConfig:
    """The training method; `name` is looked up in the table of methods."""

    name: str = MISSING


@dataclass
class TauScheduleConfig:
    """How the forcing interval changes over training."""

    name: str = MISSING


@dataclass
class OptimizerConfig:
    """Optimizer and learning-rate schedule; the learning rate is the schedule's maximum."""

    name: str = MISSING
    learning_rate: float = 1.5e-2
    schedule: str = "onecycle"  # constant, onecycle
    warmup: float = 0.3  # onecycle: fraction of training in which the rate rises
    clip_norm: float | None = 1.0  # the gradient's norm is scaled down to this; null: not

    def __post_init__(self) -> None:
        positive("optimizer.learning_rate", self.learning_rate)
        one_of("optimizer.schedule", self.schedule, ("constant", "onecycle"))
        fraction("optimizer.warmup", self.warmup)
        if self.clip_norm is not None:
            positive("optimizer.clip_norm", self.clip_norm)


@dataclass
class ValidationConfig:
    """Short free generations during training; the best one decides best.pt."""

    every: int = 5  # epochs between two validations; 0: never, and best.pt is the last
    steps: int = 5_000  # generated steps of each trajectory
    trajectories: int = 20  # generated at once, from starts spread over the training series

    def __post_init__(self) -> None:
        at_least("validation.every", self.every, 0)
        at_least("validation.steps", self.steps, 100)
        at_least("validation.trajectories", self.trajectories, 1)


@dataclass
class EvaluationConfig:
    """The freely running model against the test trajectory."""

    checkpoint: str = "best"  # best, last
    steps: int = 100_000  # measured steps, after the transient
    transient: int = 1_000  # steps discarded after the forced start
    bins: int = 30  # of D_stsp (binned), per dimension
    # Of D_stsp (GMM), in standard deviations of the truth; null: 0.3, beyond five variables 1.
    gmm_sigma: float | None = None
    gmm_points: int = 10_000  # mixture centres
    gmm_samples: int = 1_000  # Monte Carlo draws
    spectrum_smoothing: float = 20.0  # of D_H, frequency bins
    prediction_steps: int = 20  # n of PE(n)
    valid_prediction_threshold: float = 0.5  # normalised error that ends a valid prediction
    valid_prediction_starts: int = 500
    lyapunov_steps: int = 10_000  # of the model's largest exponent, for each of 32 starts

    def __post_init__(self) -> None:
        one_of("evaluation.checkpoint", self.checkpoint, ("best", "last"))
        for name, minimum in _EVALUATION_MINIMA.items():
            at_least(f"evaluation.{name}", getattr(self, name), minimum)
        for name in ("gmm_sigma", "spectrum_smoothing", "valid_prediction_threshold"):
            if getattr(self, name) is not None:
                positive(f"evaluation.{name}", getattr(self, name))


_EVALUATION_MINIMA = {
    "steps": 500,
    "transient": 0,
    "bins": 2,
    "gmm_points": 10,
    "gmm_samples": 10,
    "prediction_steps": 1,
    "valid_prediction_starts": 1,
    "lyapunov_steps": 100,
}


@dataclass
class TrainConfig:
    """`sfbptt train`: everything that decides one run."""

    name: str = "run"
    seed: int = 0
    tau: Union[int, str] = 30  # noqa: UP007  steps between two forcings, or auto
    window: int = 120  # T, predicted steps of a training sequence
    batch_size: int = 32  # sequences an update
    batches_per_epoch: int = 100
    epochs: int = 90
    device: str = "auto"
    threads: int = 1  # of torch; more do not pay at these sizes
    overwrite: bool = False  # start again in a folder that holds another run
    outputs: str = "outputs"  # folder of all runs
    dataset: DatasetConfig = MISSING
    model: ModelConfig = MISSING
    forcing: ForcingConfig = MISSING
    tau_schedule: TauScheduleConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    evaluation: EvaluationConfig = MISSING

    def __post_init__(self) -> None:
        folder_name("name", self.name)
        require(bool(self.outputs), "outputs", "''", "the folder of all runs")
        for name in ("window", "batch_size", "batches_per_epoch", "epochs", "threads"):
            at_least(name, getattr(self, name), 1)
        at_least("seed", self.seed, 0)
        one_of("device", self.device, ("auto", "cpu", "cuda"))
        if isinstance(self.dataset, SimulatedConfig):
            longest = self.dataset.train_steps - 1
            accepted = f"at most dataset.train_steps - 1 = {longest}"
            require(self.window <= longest, "window", self.window, accepted)
        if self.tau == "auto":
            return
        accepted = f"a whole number of time steps from 1 to window = {self.window}, or auto"
        within = isinstance(self.tau, int) and 1 <= self.tau <= self.window
        require(within, "tau", f"'{self.tau}'", accepted)


@dataclass
class EvaluateConfig:
    """`sfbptt evaluate`: measure a run again; what is not given stays as the run has it."""

    run: str | None = None
    device: str = "auto"
    threads: int = 1
    evaluation: EvaluationConfig = MISSING

    def __post_init__(self) -> None:
        require(self.run is not None, "run", "nothing", "the folder of a run (run=DIR)")
        one_of("device", self.device, ("auto", "cpu", "cuda"))
        at_least("threads", self.threads, 1)


# The settings that change no number of a run: they neither name its folder nor forbid resuming.
NOT_RESULTS = frozenset({"name", "overwrite", "outputs"})

SCHEMAS: dict[str, dict[str, type[Any]]] = {
    "dataset": {"simulated": SimulatedConfig, "array": ArrayConfig},
    "model": {"lstm": ModelConfig},
    "forcing": {"sparse": ForcingConfig},
    "tau_schedule": {"constant": TauScheduleConfig},
    "optimizer": {"adam": OptimizerConfig},
    "evaluation": {"default": EvaluationConfig},
}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def typed_config(plain: dict[str, Any], where: str = "") -> TrainConfig:
    """Settings as checked objects, from plain values: the command line's or a run's config.yaml.

    A configuration holds values only: interpolations, which could read the environment, are
    refused. Raises RequestError; `where` begins its message.
    """
    for key, value in flatten(plain).items():
        if isinstance(value, str) and ("${" in value or value == "???"):
            raise RequestError(f"{where}{key}: '{value}' was given; accepted: a value")
    try:
        schemas = OmegaConf.merge(OmegaConf.structured(TrainConfig), _group_schemas(plain))
        config = OmegaConf.to_object(OmegaConf.merge(schemas, plain))
    except OmegaConfBaseException as error:
        raise RequestError(where + explain_value(error)) from error
    except RequestError as error:
        raise RequestError(f"{where}{error}") from error
    assert isinstance(config, TrainConfig)
    return config


def _group_schemas(plain: dict[str, Any]) -> dict[str, Any]:
    """The schema of each config group that `plain` chooses."""
    validation = plain.get("validation", {})
    require(isinstance(validation, dict), "validation", validation, "its settings")
    chosen = {}
    for group, schemas in SCHEMAS.items():
        given: Any = plain.get(group)
        require(isinstance(given, dict), group, given, "a config group")
        kind = "source" if group == "dataset" else "name"
        single = schemas.get("default")
        schema = single or lookup(schemas, str(given.get(kind)), f"{group}.{kind}")
        chosen[group] = OmegaConf.structured(schema)
    return chosen
