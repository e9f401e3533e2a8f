"""Event files for TensorBoard in a run's folder, `tensorboard/`, made from its stored files alone.

Each time the whole history is written to a new file, and the earlier files are removed. Readers
hide what earlier files hold of the same steps (`purge_step`). So a resumed run has every row of
metrics.csv once, whatever a kill left behind, and a finished run can be given event files later.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.extras import install_command
from sfbptt_cli.common.files import MIB, open_regular
from sfbptt_cli.common.numbers import number_of
from sfbptt_cli.config.schema import changes_results, flatten
from sfbptt_cli.evaluation.verdict import dynamics_of
from sfbptt_cli.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger("sfbptt")

FOLDER = "tensorboard"
# Bytes of events a second of training. Writing, at some 0.5 MB/s, then takes a fiftieth of the
# time, however long the history is.
_PACE = 10_000
_LARGEST_FIGURE = 16 * MIB
_PNG = re.compile(rb"\x89PNG\r\n\x1a\n\0\0\0\rIHDR(.{4})(.{4})", re.DOTALL)  # width, height


def require_logger(name: str) -> None:
    """Raise RequestError (field `logger`) for a logger whose package is not installed."""
    if name == "tensorboard" and not _installed():
        raise RequestError(
            "logger: tensorboard was given, but it is not installed; "
            f"accepted: csv, or tensorboard after {install_command('tensorboard')}"
        )


def log_run(folder: RunFolder, logger: str = "csv", training: bool = False) -> None:
    """Write a run's event files from its other files, if it has some or `logger` is tensorboard.

    During `training` they are written seldom, in a fiftieth of the time. Where the package is not
    installed they stay as they are, with a warning. Raises RequestError for stored files that
    cannot be read.
    """
    place = folder.path / FOLDER
    if logger != "tensorboard" and not place.is_dir():
        return
    earlier = [file for file in place.glob("events.*") if not file.is_dir()]
    if training and any(map(_recent, earlier)):
        return
    if not _installed():
        log.warning(
            "%s: not brought up to date; %s and the same command do",
            place,
            install_command("tensorboard"),
        )
        return
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as scratch:
        with SummaryWriter(scratch, purge_step=0) as writer:
            _write(writer, folder)
        (made,) = Path(scratch).iterdir()
        place.mkdir(exist_ok=True)
        # A new name, which TensorBoard looks for.
        with replacing(place / made.name) as temporary:
            shutil.copyfile(made, temporary)
    for file in earlier:
        file.unlink(missing_ok=True)


def _recent(file: Path) -> bool:
    stat = file.lstat()
    return time.time() - stat.st_mtime < stat.st_size / _PACE


def _installed() -> bool:
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        return False
    return True


def _write(writer: SummaryWriter, folder: RunFolder) -> None:
    """Write all that the run's files hold: curves by epoch, metrics at their checkpoint's epoch."""
    config = folder.config()
    writer.add_text("config", f"```\n{json.dumps(config, indent=2, default=str)}\n```")
    history = folder.history() if folder.metrics_file.is_file() else []
    for row in history:
        for name, value in row.items():
            if name != "epoch" and value is not None:
                writer.add_scalar(f"training/{name}", value, row["epoch"])
    if not folder.evaluation_file.is_file():
        return
    evaluation = folder.evaluation()
    try:
        metrics, found = _metrics(evaluation["metrics"]), dynamics_of(evaluation)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RequestError(f"run: '{folder.evaluation_file}' has no metrics") from error
    epoch = _measured_epoch(history, evaluation)
    for name, value in metrics.items():
        writer.add_scalar(name, value, epoch)
    writer.add_text("dynamics", str(found), epoch)
    settings = {**flatten(config), "tau used": folder.manifest().get("tau")}
    for summary in [*_hyperparameters(settings, metrics), *_figures(folder)]:
        assert writer.file_writer is not None
        writer.file_writer.add_summary(summary, epoch)


def _measured_epoch(history: list[dict[str, Any]], evaluation: dict[str, Any]) -> int:
    """Return the epoch of the checkpoint that was measured."""
    best = evaluation.get("checkpoint") == "best"
    epochs = [row["epoch"] for row in history if not best or row.get("best")]
    return epochs[-1] if epochs else 0


def _metrics(stored: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return the metrics with their floors and true values by tag."""
    tags = {"value": "", "floor": "_floor", "truth": "_truth"}
    return {
        f"evaluation/{name}{tag}": number_of(metric[part])
        for name, metric in stored.items()
        for part, tag in tags.items()
        if metric.get(part) is not None
    }


def _hyperparameters(settings: dict[str, Any], metrics: dict[str, float]) -> tuple[Any, ...]:
    """Return settings and metrics for TensorBoard's table of hyperparameters.

    SummaryWriter.add_hparams would begin another event file.
    """
    from torch.utils.tensorboard.summary import hparams

    plain = {
        key: value if isinstance(value, (bool, int, float, str)) else str(value)
        for key, value in settings.items()
        if changes_results(key) and value is not None
    }
    return hparams(plain, metrics)


def _figures(folder: RunFolder) -> Iterator[Any]:
    """Yield the run's PNG files as they are; no pipes, and no links out of its folder."""
    from tensorboard.compat.proto.summary_pb2 import (
        Summary,  # pyright: ignore[reportAttributeAccessIssue]  made as it is imported
    )

    root = folder.path.resolve()
    for figure in sorted(folder.figures.glob("*.png")):
        if not figure.is_file() or not figure.resolve().is_relative_to(root):
            continue
        with open_regular(figure, "run", _LARGEST_FIGURE) as file:
            content = file.read()
        if found := _PNG.match(content):
            width, height = (int.from_bytes(side, "big") for side in found.groups())
            image = Summary.Image(width=width, height=height, encoded_image_string=content)
            yield Summary(value=[Summary.Value(tag=f"figures/{figure.stem}", image=image)])
