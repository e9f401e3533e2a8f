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
from sfbptt_cli.common.settings import WORDS

# A field of a dataclass with its comment, which may follow a note for the linter.
_FIELD = re.compile(r"    (\w+): [^#]*(?:# (?:noqa: \w+(?:, \w+)*)?(.*))?")
_COLUMN, _WIDTH = 36, 98  # where the comments begin and end
EXAMPLES = {
    "train": (
        "train model=lstm tau=30",
        "train dataset.path=recording.csv",
        "train -m tau=10,30,100 'seed=range(3)' hydra/launcher=joblib",
    ),
    "inspect": (
        "inspect dataset.path=recording.csv",
        "inspect dataset=rossler dataset.observed=[x]",
        "inspect dataset.path=recording.npy dataset.dt=0.02 dataset.time_unit=s",
    ),
    "evaluate": (
        "evaluate run=outputs/run/lorenz/lstm/sparse-tau30/seed0",
        "evaluate run=outputs/run/lorenz/lstm/sparse-tau30/seed0 evaluation.steps=10000",
        "evaluate runs=outputs/run jobs=2",
    ),
    "generate": (
        "generate run=outputs/run/lorenz/lstm/sparse-tau30/seed0 steps=5000 start=1000",
        "generate run=outputs/run/lorenz/lstm/sparse-tau30/seed0 starts=20 seed=1 output=free.csv",
        "generate run=outputs/run/lorenz/lstm/sparse-tau30/seed0 context=before.npy output=free.h5",
    ),
    "lyapunov": (
        "lyapunov dataset=rossler",
        "lyapunov dataset.path=recording.csv",
        "lyapunov run=outputs/run/lorenz/lstm/sparse-tau30/seed0 exponents=5",
    ),
    "gradients": (
        "gradients run=outputs/run/lorenz/lstm/sparse-tau30/seed0",
        "gradients run=outputs/run/lorenz/lstm/sparse-tau30/seed0 steps=1000 tau=30",
        "gradients run=outputs/run/lorenz/lstm/sparse-tau30/seed0 cycles=4 starts=1000",
    ),
    "report": (
        "report runs=outputs/run",
        "report runs=outputs/run statistic=mean out=report",
        "report runs=outputs/run 'metrics=[d_stsp,lambda_max]'",
    ),
}


def settings_help(command: str, arguments: list[str]) -> str:
    """List groups with their choices, and every setting with its value after the overrides.

    Hydra's own help takes seconds to list the groups, schemas among them.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose(command, overrides)
    groups = {k: v for k, v in group_choices().items() if k in config or command == "train"}
    listed = "\n".join(
        textwrap.fill(
            f"{group}: {', '.join(names)}", _WIDTH, initial_indent="  ", subsequent_indent="    "
        )
        for group, names in groups.items()
    )
    parts = [
        f"{program()} {command} [overrides]",
        "Overrides are key=value; null: not used; auto: found from the data or other settings.",
        "Examples:\n" + "\n".join(f"  {program()} {example}" for example in EXAMPLES[command]),
    ]
    if groups:
        parts.append(f"Config groups and their choices, as in model=lstm:\n{listed}")
    parts.append("Settings, their values and units:\n" + "\n".join(_lines(config)))
    if command == "train":
        parts.append(
            "Where the runs of -m go: hydra/launcher=basic (one after another), joblib (all cores\n"
            "or hydra.launcher.n_jobs=2), slurm.\n"
            "from=DIR takes the settings of a stored run; those that you give win."
        )
    return "\n\n".join([*parts, "Hydra's own flags are listed by --hydra-help."])


def _lines(config: DictConfig, indent: str = "") -> Iterator[str]:
    """Write the settings as YAML, a line each, with their comments."""
    known = comments_of(OmegaConf.get_type(config))
    for key in config:
        value, comment = config._get_node(key), known.get(str(key), "")
        nested = isinstance(value, DictConfig) and not value._is_none() and len(value) > 0
        text = f"{indent}{key}:" if nested else f"{indent}{key}: {_scalar(config[key])}"
        beyond = " " * (len(text) + 1 - _COLUMN)  # of a long value
        first, *more = textwrap.wrap(comment, _WIDTH - _COLUMN, initial_indent=beyond) or [""]
        yield f"{text:<{_COLUMN - 1}} {'# ' * bool(comment)}{first.lstrip()}".rstrip()
        yield from (f"{'':<{_COLUMN}}# {line}" for line in more)
        if nested:
            yield from _lines(config[key], indent + "  ")


def _scalar(value: Any) -> str:
    plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=_WIDTH)
    return text.removesuffix("...\n").strip()


def comments_of(settings: Any) -> dict[str, str]:
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
    for setting in dataclasses.fields(settings):
        words = setting.metadata.get(WORDS, ())
        if any(word not in found.get(setting.name, "") for word in words):
            listed = f"({', '.join(words)})"
            found[setting.name] = f"{found.get(setting.name, '')} {listed}".strip()
    return found
