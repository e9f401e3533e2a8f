"""One line for what is wrong with a command line."""

from __future__ import annotations

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from sfbptt_cli.cli.configs import config_folder
from sfbptt_cli.cli.keys import known_keys, suggestion
from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.common.program import program
from sfbptt_cli.config.explain import explain_value
from sfbptt_cli.config.schema import REMOVED


def explain(error: Exception, command: str, arguments: list[str]) -> str:
    """Turn Hydra's error into one line: field, value given, what is accepted."""
    message = str(error)
    if isinstance(error, OverrideParseException):
        return (
            f"'{error.override}' was given; accepted: key=value, where blanks, commas, brackets "
            "and the like stand in quotes within those of the shell, as in \"name='a, b'\""
        )
    if unknown := re.search(r"Could not override '([^']*)'", message):
        return _no_such_setting(command, unknown[1], arguments)
    if present := re.search(r"An item is already at '([^']*)'", message):
        return f"{present[1]}: '+{present[1]}=…' was given; accepted: {present[1]}=…"
    if option := re.search(r"Could not find '([^']*)/([^']*)'", message):
        listed = message.partition("Available options in")[2].partition("Config search path")[0]
        options = re.findall(r"^\t(.+)$", listed, flags=re.MULTILINE)
        return (
            f"{option[1]}: '{option[2]}' was given; "
            f"accepted: {choices(options)}{nearest(option[2], options)}"
        )
    if several := re.match(r"Ambiguous value for argument '([^=]*)=(.*)'", message):
        return f"{several[1]}: '{several[2]}' was given; accepted: one value, or several with -m"
    if message.startswith("Config group override must be"):
        return _explain_group(arguments) or message
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        return explain_value(cause)
    return message.partition("\n")[0]


def _explain_group(arguments: list[str]) -> str | None:
    """Explain the first argument that gives a config group anything but a name."""
    given = [a for a in arguments if "=" in a and not a.startswith("-")]
    for override in OverridesParser.create().parse_overrides(given):
        group, value = override.key_or_group, override.value()
        options = [path.stem for path in (config_folder() / group).glob("*.yaml")]
        if options and not isinstance(value, (str, list)):
            name = override.get_value_element_as_str()
            hint = ""
            if f"{group}.value" in known_keys("train"):  # as alpha=0.1
                hint = f" (did you mean {group}.value={name}?)"
            return f"{group}: '{name}' was given; accepted: {choices(options)}{hint}"
    return None


def refuse_unknown_keys(command: str, arguments: list[str]) -> None:
    """Raise RequestError for a key that no choice of the command has, before Hydra composes."""
    known = known_keys(command)
    for argument in arguments:
        key, equals, _ = argument.partition("=")
        removed = key.lstrip("+")
        if command == "train" and removed in REMOVED:
            accepted = REMOVED[removed]
            raise RequestError(
                f"{removed}: there is no such setting any more; accepted: {accepted}"
            )
        if not equals or not re.fullmatch(r"[a-z_][a-z_.]*", key):
            continue  # Hydra's grammar, flags, hydra/launcher and the like
        left = key.startswith(("hydra.", "dataset.parameters."))
        if not left and key not in known:
            raise RequestError(_no_such_setting(command, key, arguments))


def _no_such_setting(command: str, key: str, arguments: list[str]) -> str:
    listing = "--help"
    if key.startswith("hydra.launcher."):
        launchers = [a for a in arguments if a.startswith("hydra/launcher=")]
        listing = " ".join(["--cfg hydra -p hydra.launcher", *launchers])
    accepted = f"those of {program()} {command} {listing}"
    hint = suggestion(command, key, arguments)
    return f"{key}: there is no such setting; accepted: {accepted}{hint}"
