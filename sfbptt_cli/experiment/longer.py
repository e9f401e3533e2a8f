"""A run with more epochs than a finished one: it continues that one where the bits are the same."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.schema import same_results, typed_config
from sfbptt_cli.forcing.settings import FORCING_SETTINGS
from sfbptt_cli.storage.checkpoint import save_checkpoint
from sfbptt_cli.storage.run_folder import RunFolder

log = logging.getLogger("sfbptt")

_EPOCHS = ",epochs="
_CUT = re.compile(r"-[0-9a-f]{8}$")  # how a folder's name ends that was too long
# Settings in which a run may differ from the one that it continues; the data are compared.
_LEFT = ("epochs", "seed", "dataset.path")
# Neighbours of a run whose settings are read.
_MOST = 20
# The choices that are made for a number of epochs: with another one, every update is another.
_PLANNED = {
    "lr_schedule": ("onecycle", "cosine", "exponential"),
    "tau_schedule": ("annealed",),
    "alpha": ("annealed",),
}


def note_on_shorter(path: Path, config: TrainSettings) -> str | None:
    """Return a line about the longest finished run of these settings that cannot be continued.

    It has fewer epochs. None where the run of `path` has begun, or where it continues that one.
    """
    found = None if RunFolder(path).config_file.exists() else _longest(path, config)
    if found is None or (reason := _obstacle(config, found[1])) is None:
        return None
    return (
        f"epochs: '{found[0].path}' is finished with {found[1]}; this run of {config.epochs} "
        f"starts from the beginning in '{path}', as {reason}"
    )


def continue_shorter(
    folder: RunFolder,
    config: TrainSettings,
    fingerprint: str,
    load: Callable[[Path], dict[str, Any]],
) -> bool:
    """Let a run that has no checkpoint go on from those of a finished one with fewer epochs.

    Its bits are those of a run that begins at the first update. `load` reads and checks a
    checkpoint; `fingerprint` is that of the data. Returns whether there is such a run.
    """
    found = None if config.overwrite else _longest(folder.path, config)
    if found is None or _obstacle(config, found[1]):
        return False
    shorter, epochs = found
    if shorter.manifest().get("dataset") != fingerprint:
        return False
    try:
        last = load(shorter.last)
        best = load(shorter.best) if config.validation.every and shorter.best.exists() else None
    except RequestError as error:
        log.warning("%s; this run starts from the beginning", error)
        return False
    if not config.validation.every:
        last["progress"]["history"][-1]["best"] = 0  # it was so as the last epoch alone
    log.info("epochs: continuing '%s' (%d epochs) to %d", shorter.path, epochs, config.epochs)
    if best is not None:
        save_checkpoint(folder.best, best)
    save_checkpoint(folder.last, last)
    folder.update_manifest(
        continues={"run": str(shorter.path), "epochs": epochs},
        training_seconds=shorter.manifest().get("training_seconds", 0.0),
    )
    return True


def _obstacle(config: TrainSettings, epochs: int) -> str | None:
    """Return why a finished run of `epochs` has other bits than this one after as many."""
    for group, names in _PLANNED.items():
        chosen = getattr(config, group)
        if chosen is not None and chosen.name in names:
            return (
                f"{group}={chosen.name} is planned over all epochs (a run with {group}=constant "
                "can be continued)"
            )
    if config.forcing.name not in FORCING_SETTINGS:
        return f"forcing={config.forcing.name}, of another package, may be planned over all epochs"
    every = config.validation.every
    if every and epochs % every:
        return (
            f"that one was validated at its end, epoch {epochs}, too (a run whose epochs are a "
            f"multiple of validation.every={every} can be continued)"
        )
    return None


def _longest(path: Path, config: TrainSettings) -> tuple[RunFolder, int] | None:
    """Find the finished run with the most epochs, of those that differ in their epochs alone."""
    return max(_shorter(path, config), key=lambda found: found[1], default=None)


def _shorter(path: Path, config: TrainSettings) -> Iterator[tuple[RunFolder, int]]:
    for neighbour in sorted(_neighbours(path.parent))[:_MOST]:
        folder = RunFolder(neighbour / path.name)
        with suppress(RequestError, OSError):
            stored = typed_config(folder.config())
            finished = folder.manifest().get("status") == "finished"
            shorter = stored.updates < config.updates
            if finished and shorter and same_results(stored, config, _LEFT):
                yield folder, int(stored.epochs)


def _neighbours(method: Path) -> Iterator[Path]:
    """Yield the folders whose names have another number of epochs, or the usual one.

    Of a name that was cut, that may be the part left out.
    """
    if not method.parent.is_dir():
        return
    for other in method.parent.iterdir():
        if other != method and _CUT.search(other.name) and _CUT.search(method.name):
            yield other
            continue
        for one, two in ((method.name, other.name), (other.name, method.name)):
            before, among, _ = one.partition(_EPOCHS)
            if among and two.startswith(before) and other != method:
                yield other
                break
