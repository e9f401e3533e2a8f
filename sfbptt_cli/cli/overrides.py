"""Hydra's overrides: the run folder they lead to, and messages about the wrong ones."""

from __future__ import annotations

import argparse
import hashlib
import re
from dataclasses import fields
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

import sfbptt_cli
from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.config.explain import explain_value
from sfbptt_cli.config.schema import NOT_RESULTS, SCHEMAS, flatten
from sfbptt_cli.training.settings import (
    RegularizationSettings,
    TauSearchSettings,
    ValidationSettings,
)

_NESTED = ("regularization", "validation", "tau_search")
# Parts of the path themselves.
_IN_PATH = {"seed", "tau", "dataset.name", "model.name", "forcing.name"}
_PATH_GROUPS = ("dataset", "model", "forcing")
_PATHS = ("run", "runs", "out", "dataset.path", "outputs")
# Plugins that launch the jobs of a sweep elsewhere, and are not installed with sfbptt itself.
_PLUGINS = {"slurm": "hydra_submitit_launcher"}
# Most file systems take 255 bytes a name.
_LONGEST_NAME = 200


def run_path(config: dict[str, Any]) -> Path:
    """outputs/<name>/<dataset>/<model>/<forcing>-tau<tau>[,key=value…]/seed<seed>.

    `config` is the resolved configuration. The keys are those whose values differ from what the
    chosen dataset, model and forcing have by default, sorted; other config groups appear by the
    name of the choice. Only inside a Hydra job.
    """
    hydra = GlobalHydra.instance().hydra
    usual = _usual_choices(hydra)
    groups = {*config, "experiment"}
    chosen = {k: v for k, v in HydraConfig.get().runtime.choices.items() if k in groups and v}
    named = [k for k in chosen if k not in _PATH_GROUPS and f"{k}.name" not in NOT_RESULTS]
    other = {k: chosen[k] for k in named if chosen[k] != usual[k]}
    before = _defaults(hydra, tuple(f"{group}={choice}" for group, choice in chosen.items()))
    varied = {
        key: value
        for key, value in flatten(config).items()
        if key not in _IN_PATH | NOT_RESULTS and before.get(key) != value
    }
    suffix = "".join(
        f",{key}={_text(key, value)}" for key, value in sorted({**other, **varied}.items())
    )
    if len(suffix) > _LONGEST_NAME:
        suffix = suffix[:_LONGEST_NAME] + "-" + hashlib.sha256(suffix.encode()).hexdigest()[:8]
    return (
        Path(config["outputs"])
        / config["name"]
        / config["dataset"]["name"]
        / config["model"]["name"]
        / f"{_method(config)}{suffix}"
        / f"seed{config['seed']}"
    )


# A sweep asks for the paths of many runs, and composing takes a tenth of a second. The parameter is
# what `compose` would use, so that another search path is another question.


@lru_cache(maxsize=1)
def _usual_choices(hydra: Any) -> dict[str, str]:
    return dict(compose("train", return_hydra_config=True).hydra.runtime.choices)


@lru_cache(maxsize=64)
def _defaults(hydra: Any, choices: tuple[str, ...]) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(compose("train", list(choices)), resolve=True)
    return flatten(plain)


def _method(config: dict[str, Any]) -> str:
    name, tau = config["forcing"]["name"], config["tau"]
    return name if tau is None else f"{name}-tau{tau}"


def _text(key: str, value: object) -> str:
    text = Path(str(value)).name if key.endswith("path") else str(value)
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text)


def given_keys(prefix: str) -> list[str]:
    """The keys below `prefix` that the command line sets. Only inside a Hydra job."""
    keys = [override.key_or_group for override in _task_overrides()]
    return [key for key in keys if key.startswith(prefix)]


def _task_overrides() -> list[Override]:
    # Unresolved: reading an element with an interpolation, as in tau=${window}, would follow it.
    plain: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return OverridesParser.create().parse_overrides(plain)


def prepare(arguments: list[str]) -> list[str]:
    """The arguments as Hydra takes them: overrides before flags, paths in quotes.

    argparse overlooks overrides between two flags; Hydra's grammar wants quotes around commas and
    equals signs, which the folders of runs hold. RequestError for what argparse or Hydra would
    refuse over several lines, and for `~key`: every setting of a run has a value.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        parsed, unknown = parser.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise RequestError(f"{error.argument_name or 'flags'}: {error.message}") from error
    if unknown:
        known = [flag for action in parser._actions for flag in action.option_strings]
        raise RequestError(
            f"{unknown[0]}: there is no such flag; accepted: --help, --cfg, -m and those of "
            f"--hydra-help{nearest(unknown[0], known)}"
        )
    flags = list(arguments)
    for override in parsed.overrides:
        flags.remove(override)
        if override.startswith(("~", "=")):
            field = override.lstrip("~").partition("=")[0]
            raise RequestError(f"{field or 'key'}: '{override}' was given; accepted: key=value")
    # With -m a comma separates values; there the quotes are the user's.
    overrides = parsed.overrides if parsed.multirun else map(_quote_path, parsed.overrides)
    return [*overrides, *flags]


def _quote_path(override: str) -> str:
    key, _, value = override.partition("=")
    if key not in _PATHS or value in ("", "null") or value[0] in "'\"":
        return override
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"


def require_launcher(arguments: list[str]) -> None:
    """RequestError for a launcher whose plugin is not installed."""
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
                f"basic, or pip install 'sfbptt[{name}]'"
            )


def explain(error: Exception, command: str, arguments: list[str]) -> str:
    """Hydra's error as one line: field, what was given, what is accepted."""
    message = str(error)
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' was given; accepted: key=value ({message.splitlines()[0]})"
    if unknown := re.search(r"Could not override '([^']*)'", message):
        return _no_such_setting(command, unknown[1])
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
    """The first argument that gives a config group something else than a name."""
    given = [a for a in arguments if "=" in a and not a.startswith("-")]
    for override in OverridesParser.create().parse_overrides(given):
        group, value = override.key_or_group, override.value()
        options = [path.stem for path in (config_folder() / group).glob("*.yaml")]
        if options and not isinstance(value, (str, list)):
            name = override.get_value_element_as_str()
            return f"{group}: '{name}' was given; accepted: {choices(options)}"
    return None


def refuse_unknown_keys(command: str, arguments: list[str]) -> None:
    """RequestError for a key that no choice of the command has: before Hydra composes twice."""
    for argument in arguments:
        key, equals, _ = argument.partition("=")
        if not equals or not re.fullmatch(r"[a-z_][a-z_.]*", key):
            continue  # Hydra's grammar, flags, hydra/launcher and the like
        left = key.startswith(("hydra.", "dataset.parameters."))
        if not left and key not in _known_keys(command, key):
            raise RequestError(_no_such_setting(command, key))


def _no_such_setting(command: str, key: str) -> str:
    known = _known_keys(command, key)
    hint = nearest(key, known)
    if key in known:
        hint = f" (another {key.partition('.')[0]} has it)"
    accepted = f"those of sfbptt {command} --cfg job"
    return f"{key}: there is no such setting; accepted: {accepted}{hint}"


def _known_keys(command: str, unknown: str) -> list[str]:
    """Every setting of a command, whatever is chosen, without composing once more."""
    schema = COMMANDS[command]
    nested = (
        [RegularizationSettings, ValidationSettings, TauSearchSettings]
        if command == "train"
        else []
    )
    keys = [*_choices(), *(f.name for f in fields(schema))]
    keys += [
        f"{name}.{f.name}"
        for name, part in zip(_NESTED, nested, strict=False)
        for f in fields(part)
    ]
    own = {f.name for f in fields(schema)}
    for group, schemas in SCHEMAS.items():
        if group in own:
            keys += {f"{group}.{f.name}" for part in schemas.values() for f in fields(part)}
    if unknown.startswith("dataset.parameters."):
        for path in (config_folder() / "dataset").glob("*.yaml"):
            stated = yaml.safe_load(path.read_text(encoding="utf-8"))
            keys += [f"dataset.parameters.{name}" for name in stated.get("parameters", {})]
    return keys


def _choices() -> dict[str, list[str]]:
    """The config groups and the choices of each."""
    folders = sorted(p for p in config_folder().iterdir() if p.is_dir() and p.name != "hydra")
    return {folder.name: sorted(p.stem for p in folder.glob("*.yaml")) for folder in folders}


def settings_help(command: str, arguments: list[str]) -> str:
    """Groups with their choices, and every setting with its value, after the given overrides.

    Hydra's own help takes seconds to list the groups, schemas among them.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose(command, overrides)
    groups = {k: v for k, v in _choices().items() if k in config or command == "train"}
    listed = "\n".join(f"  {group}: {', '.join(names)}" for group, names in groups.items())
    return (
        f"sfbptt {command} [overrides]\n\n"
        "Overrides are key=value; a config group is chosen by its name, as in model=lstm.\n\n"
        f"Config groups and their choices:\n{listed}\n\n"
        f"Settings:\n{OmegaConf.to_yaml(config)}\n"
        "Where the runs of -m go: hydra/launcher=basic (one after another), joblib, slurm.\n"
        "Hydra's own flags are listed by --hydra-help."
    )


def config_folder() -> Path:
    """The YAML files: inside the installed package, or beside it in a checkout."""
    package = Path(sfbptt_cli.__file__).resolve().parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"
