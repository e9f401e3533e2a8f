"""Where a run's numbers come from: versions, commit, machine."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sfbptt_cli

_PACKAGES = ("torch", "numpy", "numba", "scipy", "hydra-core", "omegaconf", "h5py")


def provenance() -> dict[str, Any]:
    """Return versions of sfbptt and the packages that decide its numbers, git commit, machine."""
    commit, dirty = _commit()
    return {
        "version": sfbptt_cli.__version__,
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def provenance_line() -> str:
    """Return the same in a line, as `sfbptt --version` prints it."""
    found = provenance()
    commit = "" if found["commit"] is None else f" ({found['commit'][:10]})"
    changed = ", changed since" if found["dirty"] else ""
    parts = [f"sfbptt {found['version']}{commit}{changed}", f"Python {found['python']}"]
    parts += [f"{name} {number}" for name, number in found["packages"].items()]
    return ", ".join([*parts, found["machine"]])


def _commit() -> tuple[str | None, bool | None]:
    """Return the commit of this package's checkout, and whether files were changed since."""
    folder = Path(sfbptt_cli.__file__).parent

    def git(*arguments: str) -> str:
        finished = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
        return finished.stdout.strip()

    try:
        # An installed package may lie inside somebody else's repository, which does not track it.
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None
