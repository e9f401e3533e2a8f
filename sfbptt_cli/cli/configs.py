"""The YAML files: where they lie, and the choices of every config group."""

from __future__ import annotations

from pathlib import Path

import sfbptt_cli
from sfbptt_cli.common.entry_points import registered
from sfbptt_cli.config.store import settings_of


def config_folder() -> Path:
    """Find the YAML files: inside the installed package, or beside it in a checkout."""
    package = Path(sfbptt_cli.__file__).resolve().parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def group_choices() -> dict[str, list[str]]:
    """List the choices of each config group, those of other packages among them."""
    folders = sorted(p for p in config_folder().iterdir() if p.is_dir() and p.name != "hydra")
    found = {folder.name: {p.stem for p in folder.glob("*.yaml")} for folder in folders}
    found["dataset"] |= registered("systems").keys()
    for group in ("model", "forcing"):
        found[group] |= settings_of(group).keys()
    return {group: sorted(names) for group, names in found.items()}
