"""Event files for TensorBoard in a run's folder, `tensorboard/`, made from its stored files alone.

They are never continued: each time the whole history is written to a new file, which replaces the
one before. So a resumed run repeats no row and lacks none that metrics.csv has, whatever a kill
left behind, and a finished run can be given event files later.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.numbers import number_of
from sfbptt_cli.config.schema import NOT_RESULTS, flatten
from sfbptt_cli.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger("sfbptt")

FOLDER = "tensorboard"
# Bytes of events a second of training: writing, at some 0.5 MB/s, then takes about a fiftieth of
# it, however long the history has grown.
_PACE = 10_000


def require_logger(name: str) -> None:
    """RequestError (field `logger`) for a logger whose package is not installed."""
    if name == "tensorboard" and not _installed():
        raise RequestError(
            "logger: tensorboard was given, but it is not installed; "
            "accepted: csv, or tensorboard after pip install 'sfbptt[tensorboard]'"
        )


def log_run(folder: RunFolder, logger: str = "csv", training: bool = False) -> None:
    """Bring a run's event files up to its other files; `tensorboard` makes them where none are.

    A run that has them keeps them up to date whichever logger is asked for; while it is `training`
    not more often than costs a fiftieth of the time. Where the package is not installed they are
    left as they are, with a warning: a run from another machine can be measured. Raises
    RequestError for stored files that cannot be read.
    """
    place = folder.path / FOLDER
    if logger != "tensorboard" and not place.is_dir():
        return
    before = list(place.glob("events.*"))
    if training and any(_recent(file) for file in before):
        return
    if not _installed():
        log.warning(
            "%s: not brought up to date; pip install 'sfbptt[tensorboard]' and the same command do",
            place,
        )
        return
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as scratch:
        with SummaryWriter(scratch) as writer:
            _write(writer, folder)
        (made,) = Path(scratch).iterdir()
        place.mkdir(exist_ok=True)
        # Under this name no reader takes it for an event file, and it is whole when it gets its
        # own, which is a later one than before: TensorBoard looks for new names.
        with replacing(place / "new") as new:
            shutil.copyfile(made, new)
        (place / "new").replace(place / made.name)
    for earlier in before:
        earlier.unlink(missing_ok=True)


def _recent(file: Path) -> bool:
    stat = file.stat()
    return time.time() - stat.st_mtime < stat.st_size / _PACE


def _installed() -> bool:
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        return False
    return True


def _write(writer: SummaryWriter, folder: RunFolder) -> None:
    """All that the run's files say: curves by epoch; metrics at the epoch of their checkpoint."""
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
    epoch = _measured_epoch(history, evaluation)
    metrics = _metrics(evaluation)
    for name, value in metrics.items():
        writer.add_scalar(name, value, epoch)
    writer.add_text("verdict", str(evaluation.get("verdict")), epoch)
    _write_settings(writer, {**flatten(config), "tau used": folder.manifest().get("tau")}, metrics)
    for figure in sorted(folder.figures.glob("*.png")):
        writer.add_image(f"figures/{figure.stem}", _pixels(figure), epoch, dataformats="HWC")


def _measured_epoch(history: list[dict[str, Any]], evaluation: dict[str, Any]) -> int:
    """The epoch of the checkpoint that was measured."""
    best = evaluation.get("checkpoint") == "best"
    epochs = [row["epoch"] for row in history if not best or row.get("best")]
    return epochs[-1] if epochs else 0


def _metrics(evaluation: dict[str, Any]) -> dict[str, float]:
    """The metrics with their floors and true values, as scalars by tag."""
    tags = {"value": "", "floor": "_floor", "truth": "_truth"}
    return {
        f"evaluation/{name}{tag}": number_of(metric[part])
        for name, metric in evaluation["metrics"].items()
        for part, tag in tags.items()
        if metric.get(part) is not None
    }


def _write_settings(
    writer: SummaryWriter, settings: dict[str, Any], metrics: dict[str, float]
) -> None:
    """Settings for TensorBoard's table of hyperparameters, beside the metrics.

    As SummaryWriter.add_hparams, which would begin another event file.
    """
    from torch.utils.tensorboard.summary import hparams

    plain = {
        key: value if isinstance(value, (bool, int, float, str)) else str(value)
        for key, value in settings.items()
        if key not in NOT_RESULTS and value is not None
    }
    assert writer.file_writer is not None
    for summary in hparams(plain, metrics):
        writer.file_writer.add_summary(summary)


def _pixels(figure: Path) -> Any:
    """A PNG as (height, width, 3), 0 to 1."""
    from matplotlib.image import imread

    return imread(figure)[..., :3]
