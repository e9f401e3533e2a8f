"""The words with which this program was called."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def program() -> str:
    """Return the program as it was called; first asked before Hydra sees the arguments.

    `sfbptt`, `python -m sfbptt_cli`, or what a script of the checkout was called by.
    """
    script = os.environ.get("SFBPTT_PROGRAM", "")
    if script.endswith("scripts/run") and script.isprintable():
        return script
    called = Path(sys.argv[0])
    module = (called.parent.name, called.name) == ("sfbptt_cli", "__main__.py")
    return "python -m sfbptt_cli" if module else "sfbptt"


def training(overrides: Sequence[str]) -> str:
    """Return the command that trains with these overrides, quoted for a shell."""
    return " ".join([program(), "train", *map(shlex.quote, overrides)])
