"""Settings of the commands, and from plain values to checked objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields
from typing import Any, Optional, TypeVar, Union

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sfbptt_cli.common.checks import (
    at_least,
    default_where,
    explain_value,
    folder_name,
    one_of,
    require,
)
from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.config.analysis import GradientsConfig, LyapunovConfig, ReportConfig
from sfbptt_cli.config.dataset import DATASET_SCHEMAS, DatasetConfig, SimulatedConfig
from sfbptt_cli.config.evaluation import EvaluationConfig, ValidationConfig
from sfbptt_cli.config.largest import TRAIN, refuse_too_large
from sfbptt_cli.config.logger import LOGGER_SCHEMAS, LoggerConfig
from sfbptt_cli.config.method import (
    FORCING_SCHEMAS,
    TAU_SCHEDULE_SCHEMAS,
    WITH_TAU,
    ForcingConfig,
    RegularizationConfig,
    TauScheduleConfig,
    TauSearchConfig,
)
from sfbptt_cli.config.model import LEARNING_RATE, LEARNING_RATES, MODEL_SCHEMAS, ModelConfig
from sfbptt_cli.config.optimizer import OPTIMIZER_SCHEMAS, OptimizerConfig


@dataclass
class TrainConfig:
    """`sfbptt train`: everything that decides one run."""

    name: str = "run"
    seed: int = 0
    # K: the runs of seeds seed … seed + K - 1, trained together in one process, each in its own
    # folder; each update is that of its seed alone up to rounding.
    ensemble: int = 1
    # Steps between two forcings, auto (from the largest exponent) or search (short trainings around
    # it); null for the methods that force at no interval.
    tau: Optional[Union[int, str]] = None  # noqa: UP007, UP045
    window: int = 120  # T, predicted steps of a training sequence
    batch_size: int = 32  # sequences an update
    batches_per_epoch: int = 100
    epochs: int = 20
    device: str = "auto"
    # Of torch, or auto: 2, a third faster than 1 while more do not pay at these sizes, and 1 in the
    # jobs of a sweep over processes. The last digits may depend on it: matrix products are summed
    # in another order from some sizes on.
    threads: Union[int, str] = "auto"  # noqa: UP007
    overwrite: bool = False  # start again in a folder that holds another run
    outputs: str = "outputs"  # folder of all runs
    dataset: DatasetConfig = MISSING
    model: ModelConfig = MISSING
    forcing: ForcingConfig = MISSING
    tau_schedule: TauScheduleConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    regularization: RegularizationConfig = field(default_factory=RegularizationConfig)
    tau_search: TauSearchConfig = field(default_factory=TauSearchConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    evaluation: EvaluationConfig = MISSING
    logger: LoggerConfig = field(default_factory=LoggerConfig)

    def __post_init__(self) -> None:
        folder_name("name", self.name)
        require(bool(self.outputs), "outputs", "''", "the folder of all runs")
        for name in ("ensemble", "window", "batch_size", "batches_per_epoch", "epochs"):
            at_least(name, getattr(self, name), 1)
        if self.threads != "auto":
            accepted = "a whole number of at least 1, or auto"
            given = isinstance(self.threads, int) and self.threads >= 1
            require(given, "threads", f"'{self.threads}'", accepted)
        refuse_too_large("", self, TRAIN)
        at_least("seed", self.seed, 0)
        one_of("device", self.device, ("auto", "cpu", "cuda"))
        if isinstance(self.dataset, SimulatedConfig):
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
class EvaluateConfig:
    """`sfbptt evaluate`: measure runs again; what is not given stays as each run has it."""

    run: str | None = None  # the folder of a run: measured in any case
    runs: str | None = None  # a folder above runs: those without such an evaluation are measured
    jobs: int | None = None  # processes for runs; null: one a core
    device: str = "auto"
    threads: int = 1
    evaluation: EvaluationConfig = MISSING

    def __post_init__(self) -> None:
        given = [name for name in ("run", "runs") if getattr(self, name) is not None]
        accepted = "either the folder of a run (run=DIR) or a folder of runs (runs=DIR)"
        require(len(given) == 1, "run", "runs, too," if given else "nothing", accepted)
        default_where(self.runs is not None, self, "", "runs is null", {"jobs": None})
        if self.jobs is not None:
            at_least("jobs", self.jobs, 1)
        one_of("device", self.device, ("auto", "cpu", "cuda"))
        at_least("threads", self.threads, 1)


# The settings that change no number of a run: they neither name its folder nor forbid resuming.
NOT_RESULTS = frozenset({"name", "overwrite", "outputs", "logger.name", "ensemble"})

SCHEMAS: dict[str, Mapping[str, type[Any]]] = {
    "dataset": DATASET_SCHEMAS,
    "model": MODEL_SCHEMAS,
    "forcing": FORCING_SCHEMAS,
    "tau_schedule": TAU_SCHEDULE_SCHEMAS,
    "optimizer": OPTIMIZER_SCHEMAS,
    "evaluation": {"default": EvaluationConfig},
    "logger": LOGGER_SCHEMAS,
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


Config = TypeVar("Config")


def typed_config(plain: dict[str, Any], where: str = "") -> TrainConfig:
    """`checked_config` of a run."""
    return checked_config(plain, TrainConfig, where)


def checked_config(plain: dict[str, Any], schema: type[Config], where: str = "") -> Config:
    """Settings of a command as checked objects, from plain values: the command line's or a run's.

    A configuration holds values only: interpolations, which could read the environment, are
    refused. Raises RequestError; `where` begins its message.
    """
    for key, value in flatten(plain).items():
        _refuse_interpolation(f"{where}{key}", value)
    try:
        schemas = OmegaConf.merge(OmegaConf.structured(schema), _group_schemas(plain, schema))
        config = OmegaConf.to_object(OmegaConf.merge(schemas, plain))
    except OmegaConfBaseException as error:
        raise RequestError(where + explain_value(error)) from error
    except RequestError as error:
        raise RequestError(f"{where}{error}") from error
    assert isinstance(config, schema)
    return config


def _refuse_interpolation(where: str, value: Any) -> None:
    """RequestError for a text that OmegaConf would replace, also within a list."""
    if isinstance(value, str) and ("${" in value or value == "???"):
        raise RequestError(f"{where}: '{value}' was given; accepted: a value")
    if isinstance(value, (list, tuple)):
        for element in value:
            _refuse_interpolation(where, element)
    elif isinstance(value, dict):  # one within a list; others are flat
        for key, element in flatten(value).items():
            _refuse_interpolation(f"{where}.{key}", element)


def _group_schemas(plain: dict[str, Any], schema: type[Any]) -> dict[str, Any]:
    """The schema of each config group that `plain` chooses."""
    for name in ("validation", "regularization", "tau_search"):
        require(isinstance(plain.get(name, {}), dict), name, plain.get(name), "its settings")
    chosen = {}
    known = {field.name: field for field in fields(schema)}
    for group, schemas in SCHEMAS.items():
        if group not in known:
            continue
        given: Any = plain.get(group)
        if given is None and known[group].default is None:
            continue  # a group that may be left out
        if group not in plain and known[group].default_factory is not NO_DEFAULT:
            continue  # a group with a default, which runs of earlier versions do not have
        require(isinstance(given, dict), group, given, "a config group")
        assert isinstance(given, dict)
        kind = "source" if group == "dataset" else "name"
        single = schemas.get("default")
        schema = single or lookup(schemas, str(given.get(kind)), f"{group}.{kind}")
        chosen[group] = OmegaConf.structured(schema)
    return chosen


# The settings of each command, as its YAML file states them.
COMMANDS: dict[str, type] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "lyapunov": LyapunovConfig,
    "gradients": GradientsConfig,
    "report": ReportConfig,
}
