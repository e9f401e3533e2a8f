"""The shortest `sfbptt train …` that has the settings of a stored run, and `from=DIR`."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from sfbptt_cli.common.checks import require
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import flatten, typed_config
from sfbptt_cli.storage.run_folder import RunFolder

# Words that Hydra's grammar takes as text without quotes.
_BARE = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.+-]*")
# Stated even where they are the default, which another version may change.
_TOLD = frozenset({"dataset", "model", "forcing", "tau", "seed"})
_NOT_TEXT = frozenset({"null", "true", "false", "nan", "inf", "on", "off", "yes", "no"})


def repeat_command(stored: dict[str, Any], configs: Path) -> str:
    """The command that trains again what `stored`, a config.yaml, holds; quoted for a shell.

    `configs` is the folder of the config groups. Choices come first, then every setting that they
    do not have by default. Raises RequestError when this version does not accept the settings, and
    OSError when `configs` cannot be read.
    """
    return shlex.join(["sfbptt", "train", *repeat_overrides(stored, configs)])


def repeat_overrides(stored: dict[str, Any], configs: Path) -> list[str]:
    """The overrides of `repeat_command`, as Hydra takes them."""
    wanted = _typed(stored)
    base, choices = _defaults(stored, configs)
    before = _typed(base)
    changes = {
        key: value
        for key, value in wanted.items()
        if key != "overwrite"
        and (before.get(key, ...) != value or (key in _TOLD and value is not None))
    }
    # A default that depends on another setting, as a schedule's, comes by itself.
    for key in [key for key in changes if before.get(key, ...) is None or wanted[key] is None]:
        without = {k: v for k, v in changes.items() if k != key}
        if _reaches(base, without, wanted):
            changes = without
    return [*choices, *(f"{key}={_value(value)}" for key, value in changes.items())]


def expand_from(arguments: list[str], configs: Path) -> list[str]:
    """The arguments with `from=DIR` replaced by the settings of the run in DIR.

    What is given beside it goes before; `outputs` is never taken from DIR, as a run from elsewhere
    must not decide where files are written. RequestError when DIR holds no run, or settings that
    this version does not accept.
    """
    sources = [argument for argument in arguments if argument.startswith("from=")]
    if not sources:
        return arguments
    require(len(sources) == 1, "from", "several folders", "that of one run")
    folder = RunFolder.existing(Path(sources[0].removeprefix("from=")).expanduser(), "from")
    try:
        overrides = repeat_overrides(folder.config(), configs)
    except RequestError as error:
        raise RequestError(f"from: '{folder.path}': {error}") from error
    given = [a.partition("=")[0].lstrip("+") for a in arguments]
    kept = [o for o in overrides if not _replaced(o.partition("=")[0], given)]
    return [*kept, *(argument for argument in arguments if argument not in sources)]


def _replaced(key: str, given: list[str]) -> bool:
    """Whether a key, or the choice of its group, is among the given ones."""
    return key == "outputs" or any(key == g or key.startswith(f"{g}.") for g in given)


def _defaults(stored: dict[str, Any], configs: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings that the stored run's choices have by themselves, and the unusual choices."""
    base = _read(configs / "train.yaml")
    usual = {
        group: choice
        for entry in base.pop("defaults")
        if isinstance(entry, dict)
        for group, choice in entry.items()
        if choice is not None
    }
    choices = []
    for group, choice in usual.items():
        name = _choice(group, stored.get(group), configs) or choice
        if name != choice or group in _TOLD:
            choices.append(f"{group}={name}")
        content = _read(configs / group / f"{name}.yaml")
        schemas = content.pop("defaults", [])
        if group in content:  # the file speaks of more than its group, as forcing of tau
            base |= {k: v for k, v in content.items() if k != group}
            content = content[group]
        if found := re.search(r"dataset_schema_(\w+)@", str(schemas)):
            content = {"source": found[1], **content}
        base[group] = content
    return base, choices


def _choice(group: str, settings: Any, configs: Path) -> str | None:
    """The file of a group that has the name of the stored settings, or else their source."""
    name = settings.get("name") if isinstance(settings, dict) else None
    if name is None:
        return None
    alike = []
    files = sorted((configs / group).glob("*.yaml"), key=lambda file: (file.stem != name, file))
    for file in files:
        content = _read(file)
        own = content.get(group, content)
        if own.get("name") == name:
            return file.stem
        if group == "dataset":
            schema = f"dataset_schema_{settings.get('source')}@" in str(content.get("defaults"))
            alike += [file.stem] if schema and own.get("system") == settings.get("system") else []
    return alike[0] if alike else None


def _reaches(base: dict[str, Any], changes: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether `base` with `changes` (dotted keys) has the wanted settings."""
    changed = yaml.safe_load(yaml.safe_dump(base))
    for key, value in changes.items():
        *groups, last = key.split(".")
        at = changed
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = value
    try:
        found = _typed(changed)
    except RequestError:
        return False
    return all(found.get(k, ...) == v for k, v in wanted.items() if k != "overwrite")


def _typed(plain: dict[str, Any]) -> dict[str, Any]:
    return flatten(asdict(typed_config(plain)))


def _read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _value(value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_value(k)}:{_value(v)}" for k, v in value.items()) + "}"
    text = str(value)
    if _BARE.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return "'" + re.sub(r"(\\*)'", r"\1\1\\'", text) + "'"
