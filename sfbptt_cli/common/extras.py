"""How to install what only some settings need."""

from __future__ import annotations

import shlex
import sys


def install_command(extra: str) -> str:
    """Return the command that installs an extra into the environment that is running.

    It works wherever it is typed, in a checkout or not: the extra's packages are listed in the
    metadata of what is installed, so that pip asks no index for sfbptt itself.
    """
    return f"{shlex.quote(sys.executable)} -m pip install 'sfbptt[{extra}]'"
