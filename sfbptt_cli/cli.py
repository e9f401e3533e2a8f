"""The command line; the only module that knows Hydra.

Nothing here imports torch before a configuration has been composed and checked, so that help,
mistakes and tab completion answer at once.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
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
    log.handlers = [logging.StreamHandler(sys.stderr)]
    log.setLevel(logging.INFO)
    try:
        status = _dispatch(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        status = _unread()
    raise SystemExit(status)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"sfbptt {sfbptt_cli.__version__}")
        return 0
    command = arguments[0]
    if command not in _COMMANDS:
        hint = nearest(command, _COMMANDS)
        return _fail(f"'{command}' is not a command; accepted: {choices(_COMMANDS)}{hint}", 2)
    return _run(command, arguments[1:])


def _unread() -> int:
    """Standard output was closed by a reader that has seen enough, as `head` does: no failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(message: str, status: int) -> int:
    print("sfbptt: " + " ".join(message.split()), file=sys.stderr)
    return status


def _run(command: str, arguments: list[str]) -> int:
    """Run a command under Hydra and turn what goes wrong into one line and an exit status."""
    import hydra

    from sfbptt_cli.overrides import (
        config_folder,
        explain,
        prepare,
        refuse_unknown_keys,
        settings_help,
    )

    traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Otherwise Hydra prints errors its own way, over several lines, and exits with status 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _register_schemas()
    statuses: list[int] = []

    def job(composed: Any) -> int:
        # A stop signal ends a sweep, not only the run that it met.
        if 130 not in statuses:
            statuses.append(_guarded(_COMMANDS[command], composed, traceback))
        return statuses[-1]

    decorate = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=command)
    try:
        arguments = prepare(arguments)
        refuse_unknown_keys(command, arguments)
        if "--help" in arguments or "-h" in arguments:
            print(settings_help(command, arguments))
            return 0
        sys.argv = [f"sfbptt {command}", *arguments]
        decorate(job)()
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        raise
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
    try:
        command(composed)
        sys.stdout.flush()
    except (Interrupted, KeyboardInterrupt) as error:
        return _fail(str(error) or "interrupted", 130)
    except BrokenPipeError:
        return _unread()
    except Exception as error:
        if traceback:
            raise
        return _explain_failure(error)
    return 0


def _explain_failure(error: Exception) -> int:
    from omegaconf.errors import OmegaConfBaseException

    from sfbptt_cli.refusals import explain_value

    if isinstance(error, OmegaConfBaseException):
        return _fail(explain_value(error), 2)
    if isinstance(error, RequestError):
        return _fail(str(error), 2)
    name = type(error).__name__
    if isinstance(error, (RunFailed, OSError, MemoryError)):
        return _fail(str(error) or name, 1)
    return _fail(f"unexpected {name}: {error}; HYDRA_FULL_ERROR=1 shows where", 1)


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
    from sfbptt_cli.overrides import run_path

    if composed.dataset.get("path"):
        # Kept absolute, so that the run can be continued and evaluated from another folder.
        composed.dataset.path = str(Path(composed.dataset.path).expanduser().absolute())
    plain: Any = OmegaConf.to_container(composed, resolve=True)
    config = typed_config(plain)
    path = run_path(plain)
    from sfbptt_cli import commands

    # With the defaults of the choices filled in, so that a later version repeats it.
    commands.train(config, asdict(config), path)


def _evaluate(composed: Any) -> None:
    from omegaconf import OmegaConf

    from sfbptt_cli.config import EvaluateConfig
    from sfbptt_cli.overrides import given_keys

    config = OmegaConf.to_object(composed)
    assert isinstance(config, EvaluateConfig)
    assert config.run is not None
    from sfbptt_cli import commands

    given = {key.removeprefix("evaluation.") for key in given_keys("evaluation.")}
    changes = {key: getattr(config.evaluation, key) for key in given}
    commands.evaluate(Path(config.run), changes, config.device, config.threads)


_COMMANDS: dict[str, Callable[[Any], None]] = {"train": _train, "evaluate": _evaluate}
