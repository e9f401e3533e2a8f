"""From a composed configuration to the command that it asks for.

Nothing here imports torch before the configuration has been checked.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfbptt_cli.common.settings import Settings
from sfbptt_cli.config.commands import COMMANDS, EvaluateSettings, TrainSettings

if TYPE_CHECKING:
    from sfbptt_cli.cli.identity import Identity


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
    else:
        import_module(f"sfbptt_cli.commands.{command}").run(config)


def _checked(command: str, composed: Any) -> Settings:
    from omegaconf import OmegaConf

    from sfbptt_cli.config.schema import checked_config

    dataset = composed.get("dataset")
    if dataset is not None and dataset.get("path"):
        # The run can then be continued and evaluated from another folder.
        dataset.path = str(Path(dataset.path).expanduser().absolute())
    plain: Any = OmegaConf.to_container(composed, resolve=True)
    plain.pop("from", None)
    return checked_config(plain, COMMANDS[command])


def _train(config: TrainSettings) -> None:
    from sfbptt_cli.cli.identity import identify
    from sfbptt_cli.cli.sweep.job import apart

    identity = identify(config)
    # With the defaults of the choices filled in, so that a later version repeats it.
    stored = asdict(config)
    if config.threads == "auto" and apart():
        config.threads = 1  # the cores are shared by as many runs
    from sfbptt_cli.commands.train import run_training

    origin = {"choices": identity.choices, "overrides": identity.overrides}
    run_training(config, stored, _folders(config, identity), origin)


def _folders(config: TrainSettings, identity: Identity) -> list[Path]:
    """List the run folder of each seed of an ensemble."""
    return [identity.path.with_name(f"seed{config.seed + k}") for k in range(config.ensemble)]


def plan_training(composed: Any) -> tuple[list[Path], bool]:
    """Find the folders of a training's runs, and whether all are finished with these settings."""
    from sfbptt_cli.cli.identity import identify
    from sfbptt_cli.storage.run_folder import RunFolder

    config = _checked("train", composed)
    assert isinstance(config, TrainSettings)
    paths = _folders(config, identify(config))
    folders = [RunFolder(path) for path in paths]
    finished = not config.overwrite and all(
        folder.manifest().get("status") == "finished" for folder in folders
    )
    if finished:
        for k, folder in enumerate(folders):
            folder.claim({**asdict(config), "seed": config.seed + k}, overwrite=False)
    return paths, finished
