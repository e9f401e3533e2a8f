"""Registers the settings of every command and config group with Hydra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.entry_points import registered
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.data.settings import DATASET_SCHEMAS, SimulatedSettings
from sfbptt_cli.forcing.settings import (
    ALPHA_SETTINGS,
    FORCING_SETTINGS,
    TAU_SCHEDULE_SETTINGS,
    ForcingSettings,
)
from sfbptt_cli.models.settings import MODEL_SETTINGS
from sfbptt_cli.training.settings import LR_SCHEDULE_SETTINGS, OPTIMIZER_SETTINGS

# The settings of each choice of a config group; of datasets by `source`.
GROUPS: dict[str, Mapping[str, type[Any]]] = {
    "dataset": DATASET_SCHEMAS,
    "model": MODEL_SETTINGS,
    "forcing": FORCING_SETTINGS,
    "tau_schedule": TAU_SCHEDULE_SETTINGS,
    "alpha": ALPHA_SETTINGS,
    "optimizer": OPTIMIZER_SETTINGS,
    "lr_schedule": LR_SCHEDULE_SETTINGS,
}
# The config groups that other packages extend, and the group of their entry points.
_EXTENDED = {"model": "models", "forcing": "methods"}
# Observations a period of another package's system.
_PER_PERIOD = 100


def settings_of(group: str) -> dict[str, type[Any]]:
    """Return the settings of each choice of a group, those of other packages among them.

    A model or method of another package has its own as the class attribute `Settings`.
    """
    others = registered(_EXTENDED[group]) if group in _EXTENDED else {}
    for name, choice in others.items():
        accepted = "a subclass of LatentModel, or of Method"
        require(hasattr(choice, "Settings"), f"sfbptt.{_EXTENDED[group]}", f"'{name}'", accepted)
    return {**GROUPS[group], **{name: choice.Settings for name, choice in others.items()}}


def register() -> None:
    """Store the settings where the YAML files, and Hydra's command line, find them."""
    store = ConfigStore.instance()
    for name, schema in COMMANDS.items():
        store.store(name=f"{name}_schema", node=schema)
    for group, choices in GROUPS.items():
        for name, schema in choices.items():
            # Not in a group of their own: help would list it among the choices.
            store.store(name=f"{group}_schema_{name}", node=schema)
    for group in _EXTENDED:
        for name in settings_of(group).keys() - GROUPS[group].keys():
            store.store(group=group, name=name, **_choice(settings_of(group)[name](name=name)))
    for name, system in registered("systems").items():
        parameters = dict(system.parameters)  # or none could be set on the command line
        node = SimulatedSettings(name=name, system=name, dt=1.0, parameters=parameters)
        node.dt = MISSING if system.period is None else system.period / _PER_PERIOD
        store.store(group="dataset", name=name, node=node)


def _choice(settings: Any) -> dict[str, Any]:
    """Return what the store takes of a choice of another package.

    A method also decides whether there are τ and α, as the YAML files of ours do.
    """
    if not isinstance(settings, ForcingSettings):
        return {"node": settings}
    defaults: list[Any] = ["_self_"]
    node: dict[str, Any] = {"defaults": defaults, ForcingSettings.group: settings}
    if not settings.has_tau:
        defaults.insert(0, {"override /tau_schedule": None})
        node["tau"] = None
    if settings.has_alpha:
        defaults.insert(0, {"override /alpha": "constant"})
    return {"node": node, "package": "_global_"}
