"""evaluation.json: what was measured of a run, one entry for each set of evaluation settings.

At the top stands the entry that trajectories.h5, the figures and reports belong to: that of the
run's own settings, once they were measured. The others stand in the list `others`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.numbers import number_of
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.evaluation.table import table
from sfbptt_cli.evaluation.verdict import dynamics_of
from sfbptt_cli.storage.run_folder import RunFolder

Entry = dict[str, Any]

# What an entry was measured with if it does not say.
_BEFORE = {"prediction_starts": "all"}


def measured(folder: RunFolder) -> Entry:
    """Return the entry at the top; RequestError where there is none, or one of a wrong shape."""
    entry = folder.evaluation()
    if not _is_entry(entry):
        raise RequestError(f"run: '{folder.evaluation_file}' is damaged: no dynamics and metrics")
    return entry


def entries(folder: RunFolder) -> list[Entry]:
    """Return every whole entry, the one at the top first; none where the file cannot be read."""
    try:
        content = folder.evaluation()
    except RequestError:
        return []
    others = content.pop("others", [])
    return [e for e in [content, *(others if isinstance(others, list) else [])] if _is_entry(e)]


def settings_of(entry: Entry) -> dict[str, Any]:
    """Return the settings of an entry; those that an earlier version did not have, by default."""
    stored = entry.get("settings")
    before = {**asdict(EvaluationSettings()), **_BEFORE}
    return {**before, **(stored if isinstance(stored, dict) else {"": None})}


def find(folder: RunFolder, settings: EvaluationSettings) -> Entry | None:
    """Return the entry that was measured with these settings."""
    return next((e for e in entries(folder) if settings_of(e) == asdict(settings)), None)


def belongs_at_top(
    folder: RunFolder, settings: EvaluationSettings, own: EvaluationSettings
) -> bool:
    """Return whether an entry with these settings is that of the run's own, or replaces the top."""
    try:
        top = measured(folder)
    except RequestError:
        return True
    return settings == own or settings_of(top) == asdict(settings)


def keep(folder: RunFolder, entry: Entry, at_top: bool) -> None:
    """Write an entry; it replaces the one with the same settings, and no other."""
    others = [e for e in entries(folder) if settings_of(e) != settings_of(entry)]
    first, rest = (entry, others) if at_top else (others[0], [*others[1:], entry])
    folder.write_evaluation({**first, "others": rest} if rest else first)


def _is_entry(entry: Any) -> bool:
    """Return whether an entry, from anybody's file, has all that a table of it shows."""
    try:
        for metric in entry["metrics"].values():
            number_of(metric["value"])
        table(entry, paper2022=True)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return isinstance(entry, Mapping) and isinstance(dynamics_of(entry), str)
