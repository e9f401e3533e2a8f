"""The command line; the only module that knows Hydra.

Nothing here imports torch before a configuration has been composed and checked, so that help,
mistakes and tab completion answer at once.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sfbptt_cli
from sfbptt_cli.errors import Interrupted, RequestError, RunFailed, choices, nearest

_USAGE = """sfbptt: reconstruct chaotic dynamical systems with sparsely forced BPTT

usage:
  sfbptt train     [overrides]    train, evaluate and draw one run; -m for many
  sfbptt evaluate  run=DIR        measure a run again
  sfbptt --help | --version

Overrides are Hydra's: model=lstm tau=30 dataset.parameters.rho=35. For one command:
  sfbptt train --help             its settings and their values
  sfbptt train --cfg job          the same as YAML
  sfbptt train --hydra-help       Hydra's own flags
"""


def main() -> None:
    """Entry point of the console script: run a command and exit with its status."""
    log = logging.getLogger("sfbptt")  # not the root: libraries would speak, too
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, end="")
        raise SystemExit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(f"sfbptt {sfbptt_cli.__version__}")
        raise SystemExit(0)
    command = arguments[0]
    if command not in _COMMANDS:
        hint = nearest(command, _COMMANDS)
        _say(f"'{command}' is not a command; accepted: {choices(_COMMANDS)}{hint}")
        raise SystemExit(2)
    raise SystemExit(_run(command, arguments[1:]))


def _say(message: str) -> None:
    print("sfbptt: " + " ".join(message.split()), file=sys.stderr)


def _fail(message: str, status: int) -> int:
    _say(message)
    return status


def _run(command: str, arguments: list[str]) -> int:
    """Run a command under Hydra and turn what goes wrong into one line and an exit status."""
    import hydra

    from sfbptt_cli.overrides import config_folder, explain, refuse_unknown_flags

    traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Otherwise Hydra prints errors its own way, over several lines, and exits with status 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [f"sfbptt {command}", *arguments]
    _register_schemas()
    statuses: list[int] = []

    def job(composed: Any) -> int:
        statuses.append(_guarded(_COMMANDS[command], composed, traceback))
        return statuses[-1]

    decorate = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=command)
    try:
        refuse_unknown_flags(arguments)
        decorate(job)()
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except Exception as error:  # a job's own are caught around it: this is Hydra, composing
        if traceback:
            raise
        return _fail(explain(error, command, arguments), 2)
    return max(statuses, default=0)


def _guarded(command: Callable[[Any], None], composed: Any, traceback: bool) -> int:
    """Run one job; what goes wrong is one line on standard error and an exit status.

    Caught here and not around Hydra, which would add lines of its own, and end a sweep at its
    first failure.
    """
    from omegaconf.errors import OmegaConfBaseException

    from sfbptt_cli.config import explain_value

    try:
        command(composed)
    except (Interrupted, KeyboardInterrupt) as error:
        return _fail(str(error) or "interrupted", 130)
    except (RequestError, OmegaConfBaseException, RunFailed, OSError, MemoryError) as error:
        if traceback:
            raise
        if isinstance(error, OmegaConfBaseException):
            return _fail(explain_value(error), 2)
        return _fail(
            str(error) or type(error).__name__, 2 if isinstance(error, RequestError) else 1
        )
    return 0


def _register_schemas() -> None:
    from hydra.core.config_store import ConfigStore

    from sfbptt_cli.config import SCHEMAS, EvaluateConfig, TrainConfig

    store = ConfigStore.instance()
    store.store(name="train_schema", node=TrainConfig)
    store.store(name="evaluate_schema", node=EvaluateConfig)
    for group, schemas in SCHEMAS.items():
        for name, schema in schemas.items():
            # Not in a group of their own: help would list it among the choices.
            store.store(name=f"{group}_schema_{name}", node=schema)


def _train(composed: Any) -> None:
    from omegaconf import OmegaConf

    from sfbptt_cli.config import typed_config
    from sfbptt_cli.overrides import refuse_deletions, run_path

    refuse_deletions()
    if composed.dataset.get("path"):
        # Kept absolute, so that the run can be continued and evaluated from another folder.
        composed.dataset.path = str(Path(composed.dataset.path).expanduser().absolute())
    plain: Any = OmegaConf.to_container(composed, resolve=True)
    config = typed_config(plain)
    path = run_path(plain)
    from sfbptt_cli import commands

    commands.train(config, plain, path)


def _evaluate(composed: Any) -> None:
    from omegaconf import OmegaConf

    from sfbptt_cli.config import EvaluateConfig
    from sfbptt_cli.overrides import given_keys, refuse_deletions

    refuse_deletions()
    config = OmegaConf.to_object(composed)
    assert isinstance(config, EvaluateConfig)
    assert config.run is not None
    from sfbptt_cli import commands

    given = {key.removeprefix("evaluation.") for key in given_keys("evaluation.")}
    changes = {key: getattr(config.evaluation, key) for key in given}
    commands.evaluate(Path(config.run), changes, config.device, config.threads)


_COMMANDS: dict[str, Callable[[Any], None]] = {"train": _train, "evaluate": _evaluate}
