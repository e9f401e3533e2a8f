"""Schemas of every config group with units and ranges: the only place that validates settings.

OmegaConf rejects unknown keys and wrong types; `__post_init__` rejects values out of range.
The checks run when a composed config becomes objects (`OmegaConf.to_object`). OmegaConf knows no
`Literal`, so a choice is a `str` checked against the accepted words.
"""

from sfbptt_cli.config.analysis import GradientsConfig, LyapunovConfig, ReportConfig
from sfbptt_cli.config.command import (
    NOT_RESULTS,
    SCHEMAS,
    EvaluateConfig,
    TrainConfig,
    checked_config,
    flatten,
    typed_config,
)
from sfbptt_cli.config.dataset import (
    ArrayConfig,
    CsvConfig,
    DatasetConfig,
    SimulatedConfig,
    TableConfig,
    TemperatureConfig,
)
from sfbptt_cli.config.evaluation import EvaluationConfig, ValidationConfig
from sfbptt_cli.config.logger import LoggerConfig
from sfbptt_cli.config.method import (
    ForcingConfig,
    RegularizationConfig,
    TauScheduleConfig,
    TauSearchConfig,
)
from sfbptt_cli.config.model import ModelConfig
from sfbptt_cli.config.optimizer import OptimizerConfig

# The settings of each command, as its YAML file states them.
COMMANDS: dict[str, type] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "lyapunov": LyapunovConfig,
    "gradients": GradientsConfig,
    "report": ReportConfig,
}

__all__ = [
    "COMMANDS",
    "NOT_RESULTS",
    "SCHEMAS",
    "ArrayConfig",
    "CsvConfig",
    "DatasetConfig",
    "EvaluateConfig",
    "EvaluationConfig",
    "ForcingConfig",
    "GradientsConfig",
    "LoggerConfig",
    "LyapunovConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RegularizationConfig",
    "ReportConfig",
    "SimulatedConfig",
    "TableConfig",
    "TauScheduleConfig",
    "TauSearchConfig",
    "TemperatureConfig",
    "TrainConfig",
    "ValidationConfig",
    "checked_config",
    "flatten",
    "typed_config",
]
