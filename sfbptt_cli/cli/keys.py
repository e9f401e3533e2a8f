"""The settings of a command by their names on the command line, without composing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import yaml

from sfbptt_cli.cli.configs import config_folder, group_choices
from sfbptt_cli.common.entry_points import registered
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.config.store import GROUPS, settings_of

# Names that other programs have for a setting, or for one of several; what is chosen decides.
_ALIASES = {
    "model.latent_dim": "hidden hidden_size hidden_dim hidden_units latent_size latent units "
    "num_units n_hidden dim size",
    "optimizer.learning_rate": "lr learning_rate rate eta step_size",
    "optimizer.clip_norm": "clip grad_clip clip_grad gradient_clipping max_norm clipping",
    "regularization.latent_weight": "l2 reg weight_decay regularisation",
    "dataset.observation_noise": "noise noise_level",
    "regularization.teacher_noise": "noise noise_level input_noise",
    "batch_size": "batch bs minibatch",
    "batches_per_epoch": "steps_per_epoch updates iterations n_batches",
    "epochs": "n_epochs num_epochs max_epochs epoch",
    "window": "t seq_len seq_length sequence_length length unroll",
    "warmup": "warm_up warmup_steps burn_in washout context context_length",
    "tau": "interval forcing_interval learning_interval teacher_forcing_interval",
    "alpha.value": "alpha",
    "lr_schedule": "scheduler lr_scheduler schedule",
    "dataset.path": "path file data data_path csv filename input",
    "dataset.dt": "delta_t timestep time_step sampling",
    "dataset.columns": "variables features",
    "outputs": "output out out_dir output_dir save_dir",
    "seed": "random_seed rng random_state",
    "device": "gpu gpus cuda",
    "threads": "num_threads n_threads cores num_workers workers",
    "jobs": "n_jobs processes cores workers",
    "run": "dir folder checkpoint_dir path runs",
    "runs": "dir folder path run",
}
# A key that is so near to another may be a slip.
_NEAR = 0.65
_MOST = 3  # that are named


def known_keys(command: str) -> dict[str, str]:
    """Return every setting of a command, whatever is chosen, with its annotation."""
    groups = [*group_choices(), *(["from"] if command == "train" else [])]
    datasets = map(_read, (config_folder() / "dataset").glob("*.yaml"))
    return _keys(command, groups, _fields(command), datasets)


def keys_at_hand(command: str, arguments: Iterable[str]) -> dict[str, str]:
    """Return the settings of the config groups' choices that the arguments, or defaults, make."""
    given = dict(a.lstrip("+").split("=", 1) for a in arguments if "=" in a)
    chosen = {**_defaults(command), **{k: v for k, v in given.items() if k in GROUPS}}
    parts = _fields(command)
    for name in parts.keys() & GROUPS if command == "train" else ():
        kind = _source(chosen.get(name)) if name == "dataset" else chosen.get(name)
        if kind in settings_of(name):
            parts[name] = [settings_of(name)[kind]]
    return _keys(command, chosen, parts, [_dataset(chosen.get("dataset"))])


def _keys(
    command: str,
    groups: Iterable[str],
    parts: Mapping[str, list[Any]],
    datasets: Iterable[dict[str, Any]],
) -> dict[str, str]:
    """Return groups, the settings of `parts` and of the command, and parameters of datasets."""
    keys: dict[str, str] = dict.fromkeys(groups, "group")
    for name, classes in parts.items():
        keys |= {f"{name}.{s.name}": str(s.type) for part in classes for s in fields(part)}
    keys |= {s.name: str(s.type) for s in fields(COMMANDS[command]) if s.name not in GROUPS}
    return keys | dict.fromkeys((k for stated in datasets for k in _parameters(stated)), "float")


def suggestion(command: str, key: str, arguments: Sequence[str]) -> str:
    """Return a hint `(did you mean 'optimizer.learning_rate'?)` at a setting that is accepted.

    Also at the choices of a config group that have the setting, where those that were made have
    not; nothing where nothing is near.
    """
    last = key.rpartition(".")[2].lower()
    at_hand = {k: kind for k, kind in keys_at_hand(command, arguments).items() if _is_own(k)}
    named = [meant for meant, others in _ALIASES.items() if last in others.split()]
    reads = "dataset" in {setting.name for setting in fields(COMMANDS[command])}
    named = [k for k in named if k in at_hand or (k == "dataset.path" and reads)]
    exact = [k for k in at_hand if k.rpartition(".")[2] == last and at_hand[k] != "group"]
    elsewhere = [] if exact else _choices_with(command, key)
    found = exact or named or ([] if elsewhere else _near(key, at_hand))
    hints = [f"did you mean {' or '.join(repr(k) for k in found[:_MOST])}?"] if found else []
    hints += [f"accepted with {', '.join(elsewhere)}"] if elsewhere else []
    return f" ({'; '.join(hints)})" if hints else ""


def _is_own(key: str) -> bool:
    """Whether a key is one that people set: not the name by which a group knows its choice."""
    return "." not in key or key.rpartition(".")[2] not in ("name", "source")


def _choices_with(command: str, key: str) -> list[str]:
    """Return the choices of config groups that have a setting, as `model=shallow_plrnn`."""
    group, _, last = key.rpartition(".")
    found = []
    for name in GROUPS if command == "train" else ():
        if group.partition(".")[0] in ("", name) and name != "dataset":
            settings = settings_of(name).items()
            found += [f"{name}={c}" for c, s in settings if last in {f.name for f in fields(s)}]
    if group.partition(".")[0] in ("", "dataset"):
        for path in sorted((config_folder() / "dataset").glob("*.yaml")):
            if f"dataset.parameters.{last}" in _parameters(_read(path)):
                found.append(f"dataset={path.stem}")
    return found[:_MOST]


def _near(key: str, at_hand: Iterable[str]) -> list[str]:
    """Return the key that is most like another as a whole, or like its last part."""
    last = key.rpartition(".")[2]
    whole = {k: k for k in at_hand}
    for name, names in ((key, whole), (last, {k.rpartition(".")[2]: k for k in at_hand})):
        found = difflib.get_close_matches(name.lower(), names, n=1, cutoff=_NEAR)
        if found:
            return [names[found[0]]]
    return []


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
