"""What a training is: its run folder, and the shortest command that repeats it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import OmegaConf

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.schema import NOT_KEPT, changes_results, flatten, typed_config
from sfbptt_cli.config.store import GROUPS

# Parts of the path themselves.
_IN_PATH = {"seed", "tau", "dataset.name", "model.name", "forcing.name"}
_PATH_GROUPS = ("dataset", "model", "forcing")
# Most file systems take 255 bytes a name.
_LONGEST_NAME = 200
# Words that Hydra's grammar takes as text without quotes.
_BARE = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.+-]*")
_NOT_TEXT = frozenset({"null", "true", "false", "nan", "inf", "on", "off", "yes", "no"})


@dataclass(frozen=True)
class Identity:
    """Where a run is kept, and what it was made from."""

    path: Path
    choices: dict[str, str | None]  # the choice of each config group
    overrides: list[str]  # of `sfbptt train`, as Hydra takes them


def identify(config: TrainSettings) -> Identity:
    """Find the run folder and the overrides of checked settings. Only inside a Hydra job.

    outputs/<name>/<dataset>/<model>/<forcing>-tau<tau>[,key=value…]/seed<seed>: the keys are those
    whose values differ from what the chosen dataset, model and forcing have by default, sorted;
    other config groups appear by the name of the choice.
    """
    search_path = str(GlobalHydra.instance().config_loader().get_search_path())
    usual = _usual_choices(search_path)
    chosen = HydraConfig.get().runtime.choices
    choices = {group: chosen.get(group) for group in (*GROUPS, "experiment")}
    before = _defaults(search_path, tuple(f"{k}={v}" for k, v in choices.items() if v))
    values = flatten(asdict(config))
    varied = {
        key: value
        for key, value in values.items()
        if key not in NOT_KEPT and before.get(key) != value
    }
    groups = {k: v for k, v in choices.items() if v and v != usual[k]}
    named = {k: v for k, v in groups.items() if k not in _PATH_GROUPS}
    named |= {k: v for k, v in varied.items() if k not in _IN_PATH and changes_results(k)}
    always = {group: choices[group] for group in _PATH_GROUPS}
    stated = {"tau": config.tau, "name": config.name, **varied, "seed": config.seed}
    overrides = [f"{k}={v}" for k, v in {**always, **groups}.items()]
    overrides += [f"{k}={written(v)}" for k, v in stated.items() if v is not None or k in varied]
    return Identity(_path(config, named), choices, overrides)


def _path(config: TrainSettings, named: dict[str, Any]) -> Path:
    texts = {
        key: _file(value, config.outputs) if key.endswith("path") and value else _text(value)
        for key, value in sorted(named.items())
    }
    suffix = "".join(f",{key}={text}" for key, text in texts.items())
    if len(suffix) > _LONGEST_NAME:
        suffix = suffix[:_LONGEST_NAME] + "-" + hashlib.sha256(suffix.encode()).hexdigest()[:8]
    method = config.forcing.name + ("" if config.tau is None else f"-tau{config.tau}")
    folders = (config.name, config.dataset.name, config.model.name, f"{method}{suffix}")
    return Path(config.outputs).joinpath(*folders, f"seed{config.seed}")


# Cached, as a sweep identifies many runs and composing takes a tenth of a second. `compose` reads
# the search path that is the key of the cache.


@lru_cache(maxsize=1)
def _usual_choices(search_path: str) -> dict[str, str]:
    return dict(compose("train", return_hydra_config=True).hydra.runtime.choices)


@lru_cache(maxsize=64)
def _defaults(search_path: str, choices: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings that the choices have by themselves, with dotted keys."""
    plain: Any = OmegaConf.to_container(compose("train", list(choices)), resolve=True)
    try:
        return flatten(asdict(typed_config(plain)))
    except RequestError:  # choices that work with other settings only
        return flatten(plain)


def _file(path: str, outputs: str) -> str:
    """Name a file of data by its name and some signs of where it is, seen from the runs.

    Files of one name in several folders have runs of their own, and the signs stay where the folder
    of both is moved.
    """
    place = os.path.relpath(path, outputs)
    return f"{_text(Path(path).name)}-{hashlib.sha256(place.encode()).hexdigest()[:4]}"


def _text(value: object) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "_", str(value))


def written(value: Any) -> str:
    """Write a value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{written(k)}:{written(v)}" for k, v in value.items()) + "}"
    text = str(value)
    if _BARE.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return QuotedString(text, Quote.single).with_quotes()
