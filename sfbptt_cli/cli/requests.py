"""From a composed configuration to the command that it asks for.

Nothing here imports torch before the configuration has been checked.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfbptt_cli.common.checks import at_home
from sfbptt_cli.common.settings import Settings
from sfbptt_cli.config.commands import (
    COMMANDS,
    EvaluateSettings,
    InspectSettings,
    TrainSettings,
)
from sfbptt_cli.storage.data_paths import data_paths, described

if TYPE_CHECKING:
    from sfbptt_cli.cli.identity import Identity
    from sfbptt_cli.evaluation.settings import EvaluationSettings


log = logging.getLogger("sfbptt")


def perform(command: str, composed: Any) -> None:
    """Check the settings of a command and run it. Only inside a Hydra job."""
    config = _checked(command, composed)
    if isinstance(config, TrainSettings):
        _train(config)
    elif isinstance(config, EvaluateSettings):
        from sfbptt_cli.cli.overrides import given_keys
        from sfbptt_cli.commands import evaluate

        given = {key.removeprefix("evaluation.") for key in given_keys("evaluation.")}
        evaluate.run(config, {key: getattr(config.evaluation, key) for key in given})
    elif isinstance(config, InspectSettings):
        from sfbptt_cli.cli.overrides import given_overrides
        from sfbptt_cli.commands import inspect

        inspect.run(config, given_overrides("dataset"))
    else:
        import_module(f"sfbptt_cli.commands.{command}").run(config)


def _checked(command: str, composed: Any) -> Settings:
    from omegaconf import OmegaConf

    from sfbptt_cli.config.schema import checked_config

    plain: Any = OmegaConf.to_container(composed, resolve=True)
    plain.pop("from", None)
    for group in ("dataset", "moved"):
        settings = plain.get(group) or {}
        # The run can then be continued and evaluated from another folder.
        settings |= {key: _absolute(group, key, p) for key, p in data_paths(settings).items()}
    return checked_config(plain, COMMANDS[command])


def _absolute(group: str, key: str, path: str) -> str:
    """Return an absolute path that stays right where a folder next to its own is removed."""
    found = Path(at_home(f"{group}.{key}", path)).absolute()
    return str(found.resolve() if ".." in found.parts else found)


def _train(config: TrainSettings) -> None:
    from sfbptt_cli.cli.identity import identify
    from sfbptt_cli.cli.sweep.job import apart

    identity = identify(config)
    # With the defaults of the choices filled in, so that a later version repeats it.
    stored = asdict(config)
    if config.threads == "auto" and apart():
        config.threads = 1  # the cores are shared by as many runs
    from sfbptt_cli.commands.train import run_training
    from sfbptt_cli.experiment.longer import note_on_shorter

    for path in _folders(config, identity):
        if note := note_on_shorter(path, config):
            log.info("%s", note)
    origin = {"choices": identity.choices, "overrides": identity.overrides}
    if paths := data_paths(stored["dataset"]):
        origin["data_paths"] = described(paths, identity.path.absolute())
    run_training(config, stored, _folders(config, identity), origin)


def _folders(config: TrainSettings, identity: Identity) -> list[Path]:
    """List the run folder of each seed of an ensemble."""
    return [identity.path.with_name(f"seed{config.seed + k}") for k in range(config.ensemble)]


def plan_training(composed: Any) -> tuple[list[Path], bool, EvaluationSettings]:
    """Find the folders of a training's runs, whether all are finished, and how they are measured.

    Finished are those that are measured so, too.
    """
    from sfbptt_cli.cli.identity import identify
    from sfbptt_cli.storage.evaluations import find
    from sfbptt_cli.storage.run_folder import RunFolder

    config = _checked("train", composed)
    assert isinstance(config, TrainSettings)
    paths = _folders(config, identify(config))
    folders = [RunFolder(path) for path in paths]
    finished = not config.overwrite and all(
        folder.manifest().get("status") == "finished" and find(folder, config.evaluation)
        for folder in folders
    )
    if finished:
        from sfbptt_cli.experiment.stored_data import require_unchanged

        for k, folder in enumerate(folders):
            require_unchanged(folder, config)
            folder.claim({**asdict(config), "seed": config.seed + k}, overwrite=False)
    return paths, finished, config.evaluation
