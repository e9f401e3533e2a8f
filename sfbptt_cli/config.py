"""Schemas of every config group with units and ranges: the only place that validates settings.

OmegaConf rejects unknown keys and wrong types; `__post_init__` rejects values out of range.
The checks run when a composed config becomes objects (`OmegaConf.to_object`). OmegaConf knows no
`Literal`, so a choice is a `str` checked against the accepted words.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Union

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sfbptt_cli.errors import RequestError, choices, lookup, nearest


def _require(condition: bool, name: str, value: object, accepted: str) -> None:
    if not condition:
        raise RequestError(f"{name}: {value} was given; accepted: {accepted}")


def _at_least(name: str, value: int, minimum: int) -> None:
    _require(value >= minimum, name, value, f"a whole number of at least {minimum}")


def _positive(name: str, value: float) -> None:
    _require(value > 0 and math.isfinite(value), name, value, "a number above 0")


def _one_of(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        hint = nearest(value, accepted)
        raise RequestError(f"{name}: '{value}' was given; accepted: {choices(accepted)}{hint}")


@dataclass
class DatasetConfig:
    """What every dataset has."""

    name: str = MISSING
    source: str = MISSING  # simulated, array
    dt: float = MISSING  # time units between two observations
    lambda_max: float | None = None  # per time unit; overrides the published value

    def __post_init__(self) -> None:
        _positive("dataset.dt", self.dt)


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
        _at_least("dataset.train_steps", self.train_steps, 100)
        _at_least("dataset.test_steps", self.test_steps, 100)
        _at_least("dataset.floor_trajectories", self.floor_trajectories, 1)
        _at_least("dataset.transient", self.transient, 0)
        _at_least("dataset.seed", self.seed, 0)
        _one_of("dataset.scaling", self.scaling, ("none", "common"))
        _require(1e-14 <= self.rtol < 1, "dataset.rtol", self.rtol, "a number from 1e-14 to 1")
        _positive("dataset.atol", self.atol)


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
        _require(
            0 < self.train_fraction < 1,
            "dataset.train_fraction",
            self.train_fraction,
            "a number between 0 and 1",
        )


@dataclass
class ModelConfig:
    """The recurrent network; `name` is looked up in the table of models."""

    name: str = MISSING
    latent_dim: int = 30  # M

    def __post_init__(self) -> None:
        _at_least("model.latent_dim", self.latent_dim, 1)


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
    learning_rate: float = 1e-2
    schedule: str = "onecycle"  # constant, onecycle
    warmup: float = 0.3  # onecycle: fraction of training in which the rate rises
    clip_norm: float | None = 1.0  # the gradient's norm is scaled down to this; null: not

    def __post_init__(self) -> None:
        _positive("optimizer.learning_rate", self.learning_rate)
        _require(0 < self.warmup < 1, "optimizer.warmup", self.warmup, "a number between 0 and 1")
        if self.clip_norm is not None:
            _positive("optimizer.clip_norm", self.clip_norm)


@dataclass
class ValidationConfig:
    """Short free generations during training; the best one decides best.pt."""

    every: int = 5  # epochs between two validations; 0: never, and best.pt is the last
    steps: int = 5_000  # generated steps of each trajectory
    trajectories: int = 20  # generated at once, from starts spread over the training series

    def __post_init__(self) -> None:
        _at_least("validation.every", self.every, 0)
        _at_least("validation.steps", self.steps, 100)
        _at_least("validation.trajectories", self.trajectories, 1)


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
        _one_of("evaluation.checkpoint", self.checkpoint, ("best", "last"))
        for name, minimum in _EVALUATION_MINIMA.items():
            _at_least(f"evaluation.{name}", getattr(self, name), minimum)
        for name in ("gmm_sigma", "spectrum_smoothing", "valid_prediction_threshold"):
            if getattr(self, name) is not None:
                _positive(f"evaluation.{name}", getattr(self, name))


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
    window: int = 100  # T, predicted steps of a training sequence
    batch_size: int = 32  # sequences an update
    batches_per_epoch: int = 100
    epochs: int = 60
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
        _require(
            bool(self.name) and "/" not in self.name and not self.name.startswith("."),
            "name",
            f"'{self.name}'",
            "a folder name without '/' that does not start with '.'",
        )
        for name in ("window", "batch_size", "batches_per_epoch", "epochs", "threads"):
            _at_least(name, getattr(self, name), 1)
        _at_least("seed", self.seed, 0)
        _one_of("device", self.device, ("auto", "cpu", "cuda"))
        if self.tau == "auto":
            return
        whole = isinstance(self.tau, int)
        _require(
            whole, "tau", f"'{self.tau}'", "a whole number of time steps of at least 1, or auto"
        )
        accepted = f"a whole number of time steps from 1 to window = {self.window}"
        _require(whole and 1 <= self.tau <= self.window, "tau", self.tau, accepted)  # type: ignore[operator]


@dataclass
class EvaluateConfig:
    """`sfbptt evaluate`: measure a run again; what is not given stays as the run has it."""

    run: str | None = None
    device: str = "auto"
    threads: int = 1
    evaluation: EvaluationConfig = MISSING

    def __post_init__(self) -> None:
        _require(self.run is not None, "run", "nothing", "the folder of a run (run=DIR)")
        _one_of("device", self.device, ("auto", "cpu", "cuda"))
        _at_least("threads", self.threads, 1)


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
        if isinstance(value, str) and "${" in value:
            raise RequestError(f"{where}{key}: '{value}' is an interpolation; accepted: values")
    typed = dict(plain)
    try:
        for group, schemas in SCHEMAS.items():
            given = plain.get(group)
            if not isinstance(given, dict):
                raise RequestError(f"{where}{group}: {given} was given; accepted: a config group")
            kind = _KIND.get(group, "name")
            schema = next(iter(schemas.values()))
            if kind is not None:
                schema = lookup(schemas, str(given.get(kind)), f"{where}{group}.{kind}")
            typed[group] = OmegaConf.merge(OmegaConf.structured(schema), given)
        merged = OmegaConf.merge(OmegaConf.structured(TrainConfig), typed)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise RequestError(where + explain_value(error)) from error
    assert isinstance(config, TrainConfig)
    return config


# What decides a group's schema where that is not `name`.
_KIND: dict[str, str | None] = {"dataset": "source", "evaluation": None}

_ACCEPTED = {
    "Integer": "a whole number",
    "Float": "a number",
    "Boolean": "true or false",
    "is not a valid bool (type str)": "true or false",
    "String": "text",
    "Union[int, str]'": "a whole number of time steps, or auto",
}


def explain_value(error: OmegaConfBaseException) -> str:
    """OmegaConf's refusal of a value or key as `field: what was given; accepted: what is`."""
    message = (error.msg or str(error)).splitlines()[0]
    key = error.full_key or str(error.key)
    if unknown := re.match(r"Key '([^']*)' (?:is )?not in", message):
        return f"{key or unknown[1]}: there is no such setting"
    value = re.match(r"Value '(.*)' (?:of type '\w+' (?:could not|is incompat)|is not a)", message)
    kinds = (words for ending, words in _ACCEPTED.items() if message.endswith(ending))
    kind = next(kinds, None)
    if value and kind:
        return f"{key}: '{value[1]}' was given; accepted: {kind}"
    if "is not Optional" in message or "Incompatible value 'None'" in message:
        return f"{key}: null was given; accepted: a value"
    return f"{key}: {message}"
