"""Settings of the loggers: where a run's curves go beside metrics.csv, which every run has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LoggerSettings:
    """metrics.csv alone. A logger changes no number of a run, and no run's folder."""

    name: str = "csv"


@dataclass
class TensorboardSettings(LoggerSettings):
    """Event files in the run's folder, too: curves, and in the end metrics and figures."""

    name: str = "tensorboard"


LOGGER_SCHEMAS: dict[str, type[LoggerSettings]] = {
    "csv": LoggerSettings,
    "tensorboard": TensorboardSettings,
}
