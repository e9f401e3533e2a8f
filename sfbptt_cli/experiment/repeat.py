"""The command that repeats a stored run."""

from __future__ import annotations

import re
import shlex
from typing import Any

from sfbptt_cli.common.errors import RequestError

_OVERRIDE = re.compile(r"[a-z_][a-z_.]*=.{0,10000}", re.DOTALL)
_MOST = 1_000


def overrides_of(manifest: dict[str, Any]) -> list[str]:
    """Return the overrides that the run of this run.json was made from.

    RequestError where run.json, which anybody may have written, holds no overrides of settings.
    """
    overrides: Any = manifest.get("overrides")
    right = isinstance(overrides, list) and 0 < len(overrides) <= _MOST
    if not right or not all(isinstance(o, str) and _OVERRIDE.fullmatch(o) for o in overrides):
        raise RequestError("run: its run.json has no overrides; accepted: a run of this version")
    return overrides


def repeat_command(manifest: dict[str, Any]) -> str:
    """Return the command that trains the run of this run.json again, quoted for a shell.

    RequestError as `overrides_of`.
    """
    return shlex.join(["sfbptt", "train", *overrides_of(manifest)])
