"""The command line: messages, exit statuses, one job or a sweep of them.

Nothing here imports torch before a configuration has been composed and checked, so that help,
mistakes and tab completion answer at once.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from sfbptt_cli.cli.requests import perform, plan_training
from sfbptt_cli.common.errors import Interrupted, RequestError, RunFailed, choices, nearest
from sfbptt_cli.common.program import program
from sfbptt_cli.common.terminal import log_to, one_line, prepare_streams
from sfbptt_cli.config.commands import COMMANDS

_USAGE = """sfbptt: reconstruct chaotic dynamical systems with sparsely forced BPTT

usage:
  sfbptt train     [overrides]    train, evaluate and draw a run; -m: many; from=DIR: again
  sfbptt inspect   dataset=NAME   what the data allow: sampling, noise, memory, exponent, tau
  sfbptt evaluate  run=DIR        measure a run again; runs=DIR: all below a folder
  sfbptt generate  run=DIR        free runs of its model from chosen starts, into a file
  sfbptt lyapunov  dataset=NAME   exponents and recommended tau; run=DIR: of the run's model
  sfbptt gradients run=DIR        Jacobian products, loss gradients, fixed points of its model
  sfbptt report    runs=DIR       table, figure and page of all runs below a folder
  sfbptt --help | --version

Overrides are Hydra's: model=lstm tau=30 dataset.parameters.rho=35. For one command:
  sfbptt train --help             its settings and their values
  sfbptt train --cfg job          the same as YAML
  sfbptt train --hydra-help       Hydra's own flags
Tab completion, in bash: eval "$(sfbptt -sc install=bash)"
"""


# What no request should raise; those of Hydra and OmegaConf are kinds of their own.
_BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)


def main() -> None:
    """Run a command and exit with its status: the entry point of the console script."""
    prepare_streams()
    program()  # while the arguments are as they were given
    log = logging.getLogger("sfbptt")  # not the root, which libraries use
    log.handlers = [log_to()]
    log.setLevel(logging.INFO)
    # Without a home it says at length where its fonts are kept.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        status = _dispatch(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        status = _unread()
    raise SystemExit(status)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        usage = _USAGE.replace("  sfbptt", f"  {program()}")
        print(usage, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from sfbptt_cli.storage.provenance import provenance_line

        print(provenance_line())
        return 0
    if asked := _completion(arguments):
        from sfbptt_cli.cli.completion import complete

        try:
            return complete(asked)
        except RequestError as error:
            return _fail(str(error), 2)
    command = arguments[0]
    if command not in COMMANDS:
        hint = nearest(command, COMMANDS)
        return _fail(f"'{command}' is not a command; accepted: {choices(COMMANDS)}{hint}", 2)
    return _run(command, arguments[1:])


def _completion(arguments: list[str]) -> list[str]:
    """Return the words after `-sc`, which a shell calls."""
    for flag in ("-sc", "--shell-completion"):
        if flag in arguments:
            return arguments[arguments.index(flag) + 1 :] or ["help"]
    return []


def _unread() -> int:
    """Return success: a reader such as `head` has closed standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(message: str, status: int) -> int:
    print(f"sfbptt: {one_line(message)}", file=sys.stderr)
    return status


def _run(command: str, arguments: list[str]) -> int:
    """Run a command under Hydra and turn what goes wrong into one line and an exit status."""
    import hydra

    from sfbptt_cli.cli.configs import config_folder
    from sfbptt_cli.cli.help import settings_help
    from sfbptt_cli.cli.messages import explain, refuse_unknown_keys
    from sfbptt_cli.cli.overrides import prepare, require_launcher
    from sfbptt_cli.cli.reader import with_reader, with_shared_reader
    from sfbptt_cli.cli.stored import use_stored
    from sfbptt_cli.config.store import register

    traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Otherwise Hydra prints errors its own way, over several lines, and exits with status 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    job = _Job(command, traceback)
    decorate = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=command)
    try:
        register()
        if command == "train":
            arguments = use_stored(arguments)
        sweep = bool({"-m", "--multirun"} & {*arguments})
        if not sweep:
            arguments = with_reader(command, arguments)
        arguments = prepare(command, arguments)
        if sweep:
            arguments = with_shared_reader(command, arguments)
        refuse_unknown_keys(command, arguments)
        require_launcher(arguments)
        if "--help" in arguments or "-h" in arguments:
            print(settings_help(command, arguments))
            return 0
        sys.argv = [f"sfbptt {command}", *arguments]
        from sfbptt_cli.cli.sweep.sweeper import Sweep

        Sweep.install(command, plan_training if command == "train" else None)
        decorate(job)()
    except (Interrupted, KeyboardInterrupt) as error:
        return _fail(str(error) or "interrupted", 130)
    except BrokenPipeError:
        raise
    except Exception as error:  # of Hydra, composing: those of a job are caught around it
        if traceback:
            raise
        if isinstance(error, _BUGS) and type(error).__module__ == "builtins":
            status, message = _explain_failure(error)
            return _fail(message, status)
        return _fail(explain(error, command, arguments), 2)
    return Sweep.latest.status if Sweep.latest else job.status


class _Job:
    """The function that Hydra calls for each run; launchers send it to other processes."""

    def __init__(self, command: str, traceback: bool) -> None:
        self.command = command
        self.traceback = traceback
        self.status = 0

    def __call__(self, composed: Any) -> int:
        from sfbptt_cli.cli.sweep.job import run_job, within

        if within():
            return run_job(lambda again: self._attempt(composed, again), self.command == "train")
        self.status, message = _guarded(self.command, composed, self._unexpected)
        return _fail(message, self.status) if message else self.status

    def _attempt(self, composed: Any, again: bool) -> tuple[int, str]:
        import traceback

        if again and "overwrite" in composed:
            composed.overwrite = False  # a requeued job continues what it began
        return _guarded(self.command, composed, traceback.print_exception)

    def _unexpected(self, error: Exception) -> None:
        if self.traceback:
            raise error


def _guarded(command: str, composed: Any, failed: Callable[[Exception], None]) -> tuple[int, str]:
    """Run one job; return an exit status, and a line about what went wrong.

    Errors are caught here and not around Hydra, which would print lines of its own and end a sweep
    at its first failure. `failed` is called with the exception first.
    """
    try:
        perform(command, composed)
        sys.stdout.flush()
    except (Interrupted, KeyboardInterrupt) as error:
        return 130, str(error) or "interrupted"
    except BrokenPipeError:
        return _unread(), ""
    except Exception as error:
        failed(error)
        return _explain_failure(error)
    return 0, ""


def _explain_failure(error: Exception) -> tuple[int, str]:
    from omegaconf.errors import OmegaConfBaseException

    from sfbptt_cli.config.explain import explain_value

    if isinstance(error, OmegaConfBaseException):
        return 2, explain_value(error)
    if isinstance(error, RequestError):
        return 2, str(error)
    name = type(error).__name__
    if isinstance(error, (RunFailed, OSError, MemoryError)):
        return 1, str(error) or name
    return 1, f"unexpected {name}: {error}; HYDRA_FULL_ERROR=1 shows where"
