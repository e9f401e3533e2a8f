"""`sfbptt COMMAND --help`: every setting with its value, and the comment of its dataclass."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from sfbptt_cli.cli.configs import config_folder, group_choices
from sfbptt_cli.common.program import program

# A field of a dataclass with its comment, which may follow a note for the linter.
_FIELD = re.compile(r"    (\w+): [^#]*(?:# (?:noqa: \w+(?:, \w+)*)?(.*))?")
_COLUMN, _WIDTH = 36, 98  # where the comments begin and end


def settings_help(command: str, arguments: list[str]) -> str:
    """List groups with their choices, and every setting with its value after the overrides.

    Hydra's own help takes seconds to list the groups, schemas among them.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose(command, overrides)
    groups = {k: v for k, v in group_choices().items() if k in config or command == "train"}
    listed = "\n".join(f"  {group}: {', '.join(names)}" for group, names in groups.items())
    settings = "\n".join(_lines(config))
    return (
        f"{program()} {command} [overrides]\n\n"
        "Overrides are key=value; a config group is chosen by its name, as in model=lstm.\n\n"
        f"Config groups and their choices:\n{listed}\n\n"
        f"Settings:\n{settings}\n\n"
        "Where the runs of -m go: hydra/launcher=basic (one after another), joblib, slurm.\n"
        "Hydra's own flags are listed by --hydra-help."
    )


def _lines(config: DictConfig, indent: str = "") -> Iterator[str]:
    """Write the settings as YAML, a line each, with their comments."""
    known = _comments(OmegaConf.get_type(config))
    for key in config:
        value, comment = config._get_node(key), known.get(str(key), "")
        nested = isinstance(value, DictConfig) and not value._is_none() and len(value) > 0
        text = f"{indent}{key}:" if nested else f"{indent}{key}: {_scalar(config[key])}"
        first, *more = textwrap.wrap(comment, _WIDTH - _COLUMN) or [""]
        yield f"{text:<{_COLUMN - 1}} {'# ' * bool(comment)}{first}".rstrip()
        yield from (f"{'':<{_COLUMN}}# {line}" for line in more)
        if nested:
            yield from _lines(config[key], indent + "  ")


def _scalar(value: Any) -> str:
    plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=_WIDTH)
    return text.removesuffix("...\n").strip()


def _comments(settings: Any) -> dict[str, str]:
    """Find the comment of each field, beside it or in the lines above, in the source."""
    found: dict[str, str] = {}
    if not dataclasses.is_dataclass(settings):
        return found
    assert isinstance(settings, type)
    for part in reversed(settings.__mro__[:-1]):
        above: list[str] = []
        for line in inspect.getsource(part).splitlines():
            if line.startswith("    # "):
                above.append(line[6:])
            else:
                if field := _FIELD.match(line):
                    comment = " ".join([*above, (field[2] or "").strip()]).strip()
                    found[field[1]] = comment or found.get(field[1], "")
                above = []
    return found
