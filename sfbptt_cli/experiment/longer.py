"""A run with more epochs than a finished one: it starts anew, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.schema import changes_results, flatten, typed_config
from sfbptt_cli.storage.run_folder import RunFolder

_EPOCHS = ",epochs="
# Neighbours of a run whose settings are read.
_MOST = 20


def note_on_shorter(path: Path, config: TrainSettings) -> str | None:
    """Return a line about the longest finished run of these settings with fewer epochs.

    None where the run of `path` has begun, or there is no such run beside it.
    """
    if RunFolder(path).config_file.exists():
        return None
    found = {epochs: folder for folder, epochs in _shorter(path, config)}
    if not found:
        return None
    epochs = max(found)
    schedule = config.lr_schedule.name
    reason = f"a {schedule} schedule of the learning rate spans all epochs and cannot be continued"
    if schedule == "constant":
        reason = "a finished run is not continued"
    return (
        f"epochs: '{found[epochs].path}' is finished with {epochs}; this run of {config.epochs} "
        f"starts from the beginning in '{path}', as {reason}"
    )


def _shorter(path: Path, config: TrainSettings) -> Iterator[tuple[RunFolder, int]]:
    for neighbour in sorted(_neighbours(path.parent))[:_MOST]:
        folder = RunFolder(neighbour / path.name)
        with suppress(RequestError, OSError):
            stored = typed_config(folder.config())
            finished = folder.manifest().get("status") == "finished"
            if finished and stored.epochs < config.epochs and _differ_in_epochs(stored, config):
                yield folder, stored.epochs


def _neighbours(method: Path) -> Iterator[Path]:
    """Yield the folders whose names have another number of epochs, or the usual one."""
    if not method.parent.is_dir():
        return
    for other in method.parent.iterdir():
        for one, two in ((method.name, other.name), (other.name, method.name)):
            before, among, _ = one.partition(_EPOCHS)
            if among and two.startswith(before) and other != method:
                yield other
                break


def _differ_in_epochs(stored: TrainSettings, given: TrainSettings) -> bool:
    """Return whether two runs differ in their epochs alone, as far as results go."""
    one, two = flatten(asdict(stored)), flatten(asdict(given))
    left = {"epochs", "seed", "dataset.path"}
    return all(
        one.get(key) == two.get(key)
        for key in one.keys() | two.keys()
        if changes_results(key) and key not in left
    )
