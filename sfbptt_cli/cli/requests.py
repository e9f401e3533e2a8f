"""From a composed configuration to the command that it asks for.

Nothing here imports torch before the configuration has been checked.
"""

from __future__ import annotations

import gc
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
    LyapunovSettings,
    TrainSettings,
)
from sfbptt_cli.storage.data_paths import data_paths, described

if TYPE_CHECKING:
    from sfbptt_cli.evaluation.settings import EvaluationSettings


log = logging.getLogger("sfbptt")


def perform(command: str, composed: Any) -> None:
    """Check the settings of a command and run it. Only inside a Hydra job."""
    config = checked_settings(command, composed)
    if isinstance(config, TrainSettings):
        train_checked(config)
    elif isinstance(config, EvaluateSettings):
        from sfbptt_cli.cli.overrides import given_keys

        given = {key.removeprefix("evaluation.") for key in given_keys("evaluation.")}
        _command(command).run(config, {key: getattr(config.evaluation, key) for key in given})
    elif isinstance(config, (InspectSettings, LyapunovSettings)):
        from sfbptt_cli.cli.overrides import given_overrides

        _command(command).run(config, given_overrides("dataset"))
    else:
        _command(command).run(config)


def _command(name: str) -> Any:
    """Import a command, and torch and numba with it.

    The garbage collector rests meanwhile: looking through all that they define, again and again,
    takes a sixth of the start.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return import_module(f"sfbptt_cli.commands.{name}")
    finally:
        if collects:
            gc.enable()


def checked_settings(command: str, composed: Any) -> Settings:
    """Return the settings of a command; RequestError for what is not accepted."""
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


def train_checked(config: TrainSettings) -> Path:
    """Train the run of these settings, and return its folder. Only inside a Hydra job."""
    from sfbptt_cli.cli.identity import identify
    from sfbptt_cli.cli.stored import repeated
    from sfbptt_cli.cli.sweep.job import within

    identity = identify(config)
    # With the defaults of the choices filled in, so that a later version repeats it.
    stored = asdict(config)
    if config.figures == "auto":
        config.figures = "none" if within() else "png"
    run_training = _command("train").run_training
    from sfbptt_cli.experiment.longer import note_on_shorter

    if note := note_on_shorter(identity.path, config):
        log.info("%s", note)
    origin: dict[str, Any] = {"choices": identity.choices, "overrides": identity.overrides}
    if paths := data_paths(stored["dataset"]):
        origin["data_paths"] = described(paths, identity.path.absolute())
    if first := repeated():
        origin["repeats"] = first
    run_training(config, stored, identity.path, origin)
    return identity.path


def plan_training(composed: Any) -> tuple[Path, bool, EvaluationSettings]:
    """Find the folder of a run, whether it is finished, and how it is measured.

    A finished run is measured so, too.
    """
    from sfbptt_cli.cli.identity import identify
    from sfbptt_cli.storage.evaluations import find
    from sfbptt_cli.storage.run_folder import RunFolder

    config = checked_settings("train", composed)
    assert isinstance(config, TrainSettings)
    folder = RunFolder(identify(config).path)
    trained = not config.overwrite and folder.manifest().get("status") == "finished"
    finished = trained and find(folder, config.evaluation) is not None
    if finished:
        from sfbptt_cli.experiment.stored_data import require_unchanged

        require_unchanged(folder, config)
        folder.claim(asdict(config), overwrite=False)
    return folder.path, finished, config.evaluation
