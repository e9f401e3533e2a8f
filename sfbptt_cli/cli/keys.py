"""The settings of a command by their names on the command line, without composing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import yaml

from sfbptt_cli.cli.configs import config_folder, group_choices
from sfbptt_cli.common.entry_points import registered
from sfbptt_cli.common.errors import nearest
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.config.store import GROUPS, settings_of

# Names that other programs have for a setting.
_ALIASES = {
    "model.latent_dim": "hidden hidden_size hidden_dim hidden_units latent_size units num_units",
    "optimizer.learning_rate": "lr learning_rate rate eta step_size",
    "optimizer.clip_norm": "clip grad_clip clip_grad gradient_clipping max_norm",
    "batch_size": "batch bs minibatch",
    "epochs": "n_epochs num_epochs max_epochs epoch",
    "window": "t seq_len seq_length sequence_length length unroll",
    "tau": "interval forcing_interval learning_interval",
    "dataset.path": "path file data data_path csv",
    "outputs": "output out out_dir output_dir save_dir",
    "seed": "random_seed rng",
    "device": "gpu cuda",
    "threads": "num_threads n_threads cores",
    "run": "dir folder checkpoint_dir",
}
_NEAREST_OF = {alias: key for key, aliases in _ALIASES.items() for alias in aliases.split()}


def known_keys(command: str) -> dict[str, str]:
    """Return every setting of a command, whatever is chosen, with its annotation."""
    groups = [*group_choices(), *(["from"] if command == "train" else [])]
    keys: dict[str, str] = dict.fromkeys(groups, "group")
    for name, parts in _fields(command).items():
        for part in parts:
            keys |= _of_dataclass(name, part)
    keys |= {s.name: str(s.type) for s in fields(COMMANDS[command]) if s.name not in GROUPS}
    for dataset in (config_folder() / "dataset").glob("*.yaml"):
        keys |= dict.fromkeys(_parameters(_read(dataset)), "float")
    return keys


def keys_at_hand(command: str, arguments: Iterable[str]) -> dict[str, str]:
    """Return the settings of the config groups' choices that the arguments, or defaults, make."""
    given = dict(a.lstrip("+").split("=", 1) for a in arguments if "=" in a)
    chosen = {**_defaults(command), **{k: v for k, v in given.items() if k in GROUPS}}
    keys: dict[str, str] = dict.fromkeys(chosen, "group")
    for name, parts in _fields(command).items():
        if name in GROUPS and command == "train":
            kind = _source(chosen.get(name)) if name == "dataset" else chosen.get(name)
            parts = [settings_of(name)[kind]] if kind in settings_of(name) else parts
        for part in parts:
            keys |= _of_dataclass(name, part)
    keys |= {s.name: str(s.type) for s in fields(COMMANDS[command]) if s.name not in GROUPS}
    return keys | dict.fromkeys(_parameters(_dataset(chosen.get("dataset"))), "float")


def suggestion(key: str, at_hand: Mapping[str, str]) -> str:
    """Return a hint `(did you mean 'optimizer.learning_rate'?)` at a setting that exists."""
    last = key.rpartition(".")[2].lower()
    same = [k for k in at_hand if k.rpartition(".")[2] == last and at_hand[k] != "group"]
    meant = _NEAREST_OF.get(last)
    if meant not in at_hand and same:
        meant = same[0]
    return nearest(key, at_hand) if meant not in at_hand else f" (did you mean '{meant}'?)"


def whole_numbers(command: str) -> set[str]:
    """Return the settings that are whole numbers, or may be."""
    kinds = known_keys(command).items()
    return {key for key, kind in kinds if re.search(r"\bint\b", kind) and "float" not in kind}


def _fields(command: str) -> dict[str, list[Any]]:
    """Return the dataclasses behind each nested setting of a command."""
    return {
        setting.name: [
            part
            for part in (
                settings_of(setting.name).values()
                if setting.name in GROUPS
                else [setting.default_factory]
            )
            if is_dataclass(part)
        ]
        for setting in fields(COMMANDS[command])
    }


def _of_dataclass(name: str, part: Any) -> dict[str, str]:
    return {f"{name}.{setting.name}": str(setting.type) for setting in fields(part)}


def _defaults(command: str) -> dict[str, str | None]:
    """Return the choice of each config group that a command makes by itself."""
    found: dict[str, str | None] = {}
    for entry in _read(config_folder() / f"{command}.yaml").get("defaults", []):
        if isinstance(entry, dict):
            found |= entry
    return found


def _source(dataset: str | None) -> str | None:
    """Return the source of a dataset, which decides its settings."""
    schema = next((d for d in _dataset(dataset).get("defaults", []) if "schema" in str(d)), "")
    if dataset in registered("systems"):
        return "simulated"
    found = re.search(r"dataset_schema_(\w+)", str(schema))
    return found[1] if found else None


def _dataset(name: str | None) -> dict[str, Any]:
    path = config_folder() / "dataset" / f"{name}.yaml"
    return _read(path) if path.is_file() else {}


def _parameters(stated: dict[str, Any]) -> list[str]:
    return [f"dataset.parameters.{name}" for name in stated.get("parameters") or {}]


def _read(path: Any) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
