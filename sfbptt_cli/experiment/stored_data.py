"""The data of a stored run: found again where they lie now, and only if they are the same."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import RecordedSettings
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.storage.data_paths import data_paths, places
from sfbptt_cli.storage.run_folder import RunFolder

log = logging.getLogger("sfbptt")

_known: dict[str, str] = {}


def stored_data(folder: RunFolder, config: TrainSettings, given: Mapping[str, str]) -> Dataset:
    """Simulate or read the data of a run again; recorded ones must have its fingerprint.

    Their files, by the key of their setting, are those of `given`, else where `places` finds them.
    RequestError where none is there, or only other data.
    """
    if not isinstance(config.dataset, RecordedSettings):
        if given:
            raise RequestError(
                f"dataset.path: it was given, but the data of '{folder.path}' are simulated; "
                "accepted: no path"
            )
        dataset = build_dataset(config.dataset)
        if not _same(folder, dataset.fingerprint()):
            log.warning(
                "%s: its data were simulated again and differ in their last digits, as on another "
                "machine or with other versions; the system is the same",
                folder.path,
            )
        return dataset
    paths = data_paths(asdict(config.dataset))
    changed, unread = "", ""
    for place in [{**paths, **given}] if given else places(folder, paths):
        try:
            dataset = build_dataset(replace(config.dataset, **place))
        except RequestError as error:
            unread = unread or str(error)
            continue
        if _same(folder, dataset.fingerprint()):
            if place != paths:
                log.info("%s: its data are read from %s", folder.path, ", ".join(place.values()))
            return dataset
        changed = changed or ", ".join(place.values()) or "the shipped file"
    if changed:
        raise RequestError(
            f"dataset: '{folder.path}' was trained on other data than '{changed}' holds now; "
            "accepted: the data of then (dataset.path=… where they lie elsewhere), or a new run"
        )
    raise RequestError(
        f"{unread}; the data of '{folder.path}' are accepted from any place (dataset.path=…)"
    )


def require_same_data(folder: RunFolder, fingerprint: str) -> None:
    """Raise RequestError where the run was begun with other data."""
    if not _same(folder, fingerprint):
        raise RequestError(
            f"dataset: its data are no longer those that '{folder.path}' was begun with; "
            "accepted: the same data, name=… for another folder, or overwrite=true to start again"
        )


def require_unchanged(folder: RunFolder, config: TrainSettings) -> None:
    """Raise RequestError where recorded data are no longer those of the run.

    Runs of a sweep have their data read once.
    """
    if not isinstance(config.dataset, RecordedSettings):
        return  # given by their settings
    key = json.dumps(asdict(config.dataset))
    if key not in _known:
        _known[key] = build_dataset(config.dataset).fingerprint()
    require_same_data(folder, _known[key])


def _same(folder: RunFolder, fingerprint: str) -> bool:
    return folder.manifest().get("dataset") in (None, fingerprint)
