"""Repeating a stored run: the command, and whether the numbers are equal."""

from __future__ import annotations

import re
import shlex
from itertools import chain
from typing import Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import flatten, same_results, typed_config
from sfbptt_cli.storage.evaluations import Entry, entries, settings_of
from sfbptt_cli.storage.run_folder import RunFolder

_OVERRIDE = re.compile(r"[a-z_][a-z_.]*=.{0,10000}", re.DOTALL)
_MOST = 1_000
# Of run.json: what decides the last digits.
_ORIGIN = ("version", "commit", "python", "machine", "packages", "device", "threads")


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


def equality(folder: RunFolder, first: RunFolder, entry: Entry) -> str | None:
    """Return, in words, whether a run has the numbers of the run `first` to the last digit.

    Compared are the rows of metrics.csv and the metrics of `entry` with those that were measured
    with its settings. None where `first` is the run itself, or has settings that make another one.
    """
    configs = [typed_config(each.config()) for each in (folder, first)]
    alike = same_results(*configs, but={"dataset.path", "dataset.test_path"})
    if folder.path.resolve() == first.path.resolve() or not alike:
        return None
    here, there = folder.manifest(), first.manifest()
    if here.get("dataset") != there.get("dataset"):
        return f"'{first.path}', but on other data"
    rows = list(zip(folder.history(), first.history(), strict=False))
    trained = [
        (f"{key} of epoch {row['epoch']}", row[key], other.get(key))
        for row, other in rows
        for key in ("loss", "gradient_norm", "validation_d_stsp")
    ]
    measured = [e for e in entries(first) if settings_of(e) == settings_of(entry)]
    theirs = measured[0]["metrics"] if measured else {}
    metrics = [
        (name, metric["value"], theirs[name]["value"])
        for name, metric in entry["metrics"].items()
        if name in theirs
    ]
    differing = [[pair for pair in pairs if pair[1] != pair[2]][:1] for pairs in (trained, metrics)]
    shown = ", ".join(f"{what} {a} here, {b} there" for what, a, b in chain(*differing))
    if not shown:
        of_metrics = (
            f"{len(metrics)} metrics" if metrics else "of no metric, as it was measured otherwise"
        )
        return f"'{first.path}', with equal numbers: {len(rows)} epochs, {of_metrics}"
    one, two = (flatten({key: m.get(key) for key in _ORIGIN}) for m in (here, there))
    changed = ", ".join(
        f"{k} {v} here, {two.get(k)} there" for k, v in one.items() if v != two.get(k)
    )
    return f"'{first.path}', with other numbers: {shown}; {changed or 'versions and machine alike'}"
