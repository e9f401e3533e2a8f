"""What a command says at the end about a measured run."""

from __future__ import annotations

import logging

from sfbptt_cli.common.tables import labelled
from sfbptt_cli.evaluation.table import table
from sfbptt_cli.experiment.advice import next_steps
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.storage.evaluations import Entry

log = logging.getLogger("sfbptt")

_DONE = ("trained", "finished")


def conclusion(run: Run, entry: Entry, paper2022: bool, repeats: str | None = None) -> list[str]:
    """Return result, dynamics, table, folder, a figure, and what to do next, as lines.

    `repeats` says what run it repeats.
    """
    lines = [table(entry, paper2022), ""]
    lines += labelled("repeats", repeats) if repeats else []
    lines.append(f"{'folder':<10}{run.folder.path}")
    figure = run.folder.figures / "summary.png"
    lines += [f"{'figure':<10}{figure}"] if figure.is_file() else []
    sentence, steps = next_steps(run, entry)
    lines += labelled("next", sentence)
    width = max((len(step.what) for step in steps), default=0)
    return lines + [f"  {step.what:<{width}}  {step.command}" for step in steps]


def warn_of_unfinished(run: Run) -> None:
    """Log a warning where training has not ended."""
    if (status := run.manifest.get("status")) not in _DONE:
        after = f"{status} after {len(run.history)} of {run.config.epochs} epochs"
        log.warning("its training is %s; what is measured is the checkpoint so far", after)
