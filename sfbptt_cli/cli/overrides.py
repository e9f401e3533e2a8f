"""The arguments of the command line, in the form that Hydra takes."""

from __future__ import annotations

import argparse
import math
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import OmegaConf

from sfbptt_cli.cli.configs import group_choices
from sfbptt_cli.cli.keys import keys_at_hand, known_keys, suggestion, whole_numbers
from sfbptt_cli.common.checks import at_home
from sfbptt_cli.common.errors import RequestError, nearest
from sfbptt_cli.common.extras import install_command
from sfbptt_cli.data.kinds import ARRAYS, COMPRESSED, TABLES

_PATH = re.compile(r"runs?|out|outputs?|context|from|dataset\.\w*path")
_SUFFIXES = (*TABLES, *COMPRESSED, *ARRAYS)
_DATA_FILE = re.compile(r"^dataset\.(\w*path)=")
# A home at the beginning of a path, of which -m takes several.
_HOME = re.compile(r"(?:(?<=,)|^)(['\"]?)(~[^/,'\"]*)")
# The first and the last of several whole numbers, as other programs have them.
_SPAN = re.compile(r"(\d{1,9})(?:\.{2,3}|:|-|–)(\d{1,9})")
_DECIMAL = re.compile(r"[+-]?\d{1,16}(\.\d*)?([eE][+-]?\d{1,2})?")
# Plugins that launch the jobs of a sweep elsewhere, and are not installed with sfbptt itself.
_PLUGINS = {"slurm": "hydra_submitit_launcher"}


def given_keys(prefix: str) -> list[str]:
    """List the keys below `prefix` that the command line sets. Only inside a Hydra job."""
    keys = [override.key_or_group for override in _task_overrides()]
    return [key for key in keys if key.startswith(prefix)]


def given_overrides(group: str) -> list[str]:
    """List the overrides of a group and its settings, paths without quotes. Only inside a job."""
    given = [o for o in _task_overrides() if o.key_or_group.partition(".")[0] == group]
    return [_unquoted(override) for override in given]


def _unquoted(override: Override) -> str:
    key = override.key_or_group
    return f"{key}={override.value()}" if is_path(key) else str(override.input_line)


def _task_overrides() -> list[Override]:
    # Unresolved: reading an element with an interpolation, as in tau=${window}, would follow it.
    plain: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return OverridesParser.create().parse_overrides(plain)


def prepare(command: str, arguments: list[str]) -> list[str]:
    """Order the arguments as Hydra takes them: overrides before flags, paths in quotes.

    argparse overlooks overrides between two flags; Hydra's grammar wants quotes around commas and
    equals signs, which the folders of runs hold. Raises RequestError, in
    one line, for what argparse or Hydra would refuse, and for `~key`, as settings have values.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        parsed, unknown = parser.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise RequestError(f"{error.argument_name or 'flags'}: {error.message}") from error
    if unknown:
        hint = _meant_by_flag(command, unknown[0], parsed.overrides)
        if not hint:
            known = [flag for action in parser._actions for flag in action.option_strings]
            hint = nearest(unknown[0], known) if unknown[0].startswith("--") else ""
        raise RequestError(
            f"{unknown[0]}: there is no such flag; accepted: --help, --cfg, -m and those of "
            f"--hydra-help{hint}"
        )
    flags = list(arguments)
    _refuse_bare_words(command, parsed.overrides)
    for override in parsed.overrides:
        flags.remove(override)
        if override.startswith(("~", "=")):
            field = override.lstrip("~").partition("=")[0]
            raise RequestError(f"{field or 'key'}: '{override}' was given; accepted: key=value")
    # With -m a comma separates values; there the quotes are the user's.
    overrides = [_path(override, not parsed.multirun) for override in parsed.overrides]
    whole = whole_numbers(command)
    overrides = [_whole(*o.partition("=")) if o.split("=")[0] in whole else o for o in overrides]
    if _of_stored_run(command, overrides):
        # The place of its data; everything else about them is as the run has it.
        overrides = [_DATA_FILE.sub(r"moved.\1=", override) for override in overrides]
    return [*overrides, *flags]


def _meant_by_flag(command: str, flag: str, overrides: list[str]) -> str:
    """Return the setting that was probably meant by `--epochs 5`, or one like it."""
    key, equals, value = flag.lstrip("-").replace("-", "_").partition("=")
    if len(key) < 2:
        return ""
    if key not in known_keys(command):
        return suggestion(command, key, overrides)
    value = value if equals else next((word for word in overrides if "=" not in word), "…")
    return f" (did you mean {key}={value}?)"


def _of_stored_run(command: str, overrides: list[str]) -> bool:
    given = {override.partition("=")[0] for override in overrides}
    return command in ("evaluate", "generate", "gradients") or (
        command == "lyapunov" and "run" in given
    )


def _refuse_bare_words(command: str, overrides: list[str]) -> None:
    """Raise RequestError for a word without a key, with the one that was probably meant."""
    for before, word, after in zip(["", *overrides], overrides, [*overrides[1:], ""], strict=False):
        shown, meant = word, ""
        if Path(word).is_dir() or ("/" in word and "=" not in word):
            meant = f"{_key_of_folder(command, Path(word))}={word}"
        elif word == "=" and before and "=" not in before:
            meant = f"{before}=… without blanks"
        elif "=" in word or word.startswith("~"):
            continue
        elif before.endswith("="):
            shown, meant = f"{before} {word}", f"{before}{word} without a blank"
        elif Path(word).is_file() or Path(word).suffix.lower() in _SUFFIXES:
            meant = f"dataset.path={word}"
        elif found := re.fullmatch(r"([a-z_.]+):(.+)", word):
            meant = f"{found[1]}={found[2]}"
        elif word in known_keys(command) and after != "=":
            meant = f"{word}={after if after and '=' not in after else '…'}"
        else:
            groups = group_choices()
            names = (name for name in keys_at_hand(command, []) if name in groups)
            meant = next((f"{n}={word.lower()}" for n in names if word.lower() in groups[n]), "")
        if meant:
            raise RequestError(f"'{shown}' was given; accepted: {meant}")


def _key_of_folder(command: str, folder: Path) -> str:
    """Return the setting that a folder, or a file, was probably meant for."""
    if command == "train":
        return "from" if folder.is_dir() else "dataset.path"
    single = command != "report" and (folder / "run.json").is_file()
    return "runs" if command in ("evaluate", "report") and not single else "run"


def _whole(key: str, equals: str, value: str) -> str:
    """Write 1e5 as 100000 where a whole number is asked for; explain 0..4."""
    if found := _SPAN.fullmatch(value):
        first, last = int(found[1]), int(found[2])
        raise RequestError(
            f"{key}: '{value}' was given; accepted: one value, or with -m "
            f"'{key}=range({first},{last + 1})' for {first} to {last}"
        )
    parts = value.split(",")
    if not any("e" in part.lower() or "." in part for part in parts):
        return f"{key}{equals}{value}"
    numbers = [float(part) if _DECIMAL.fullmatch(part) else math.nan for part in parts]
    if all(abs(x) < 2**53 and x.is_integer() for x in numbers):
        value = ",".join(str(int(x)) for x in numbers)
    return f"{key}{equals}{value}"


def is_path(key: str) -> bool:
    """Whether a setting is a file or a folder."""
    return _PATH.fullmatch(key) is not None


def _path(override: str, single: bool) -> str:
    """Replace `~` in the value of a setting that is a path; quote it if it is `single`."""
    key, _, value = override.partition("=")
    if not is_path(key) or value in ("", "null"):
        return f"{key}={_in_quotes(value)}" if not value.isascii() else override
    value = _HOME.sub(lambda found: found[1] + at_home(key, found[2]), value)
    if not single or key == "from" or value[0] in "'\"":
        return f"{key}={value if single else _in_quotes(value)}"
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"


def _in_quotes(value: str) -> str:
    """Quote the words of a value, or of a list, that have letters Hydra's grammar does not know."""
    if "'" in value or '"' in value:
        return value
    words = re.split(r"([,\[\]{}])", value)
    return "".join(
        word if word.isascii() else QuotedString(word.strip(), Quote.single).with_quotes()
        for word in words
    )


def require_launcher(arguments: list[str]) -> None:
    """Raise RequestError for a launcher whose plugin is not installed."""
    for argument in arguments:
        key, _, name = argument.partition("=")
        if key.lstrip("+") != "hydra/launcher" or name not in _PLUGINS:
            continue
        package = f"hydra_plugins.{_PLUGINS[name]}"
        try:
            installed = find_spec(package) is not None
        except ModuleNotFoundError:  # there is no plugin of Hydra at all
            installed = False
        if not installed:
            raise RequestError(
                f"hydra/launcher: '{name}' was given, and its plugin is not installed; accepted: "
                f"basic, or {install_command(name)}"
            )
