"""metrics.csv: what every epoch of training was like."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import MIB, read_text

_LARGEST = 64 * MIB  # half a million epochs
_MOST_EPOCHS = 10**9
# Not-a-number: `nan` would be read as a missing value.
NOT_A_NUMBER = "diverged"


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.csv as numbers, None where a field is empty; RequestError if it is none.

    Every row has the same columns, among them `epoch`, a whole number of at least 1. A score may be
    infinite or the word `diverged`, NaN: those of a model which diverges.
    """
    try:
        text = read_text(path, "run", _LARGEST)
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        if not rows or "epoch" not in rows[0] or len(set(rows[0])) < len(rows[0]):
            raise ValueError("it has no header with different names, one of them epoch")
        return [_row(rows[0], fields) for fields in rows[1:]]
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise RequestError(f"run: '{path}' cannot be read: {reason}") from error


def _row(names: list[str], fields: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, field in zip(names, fields, strict=True):
        if name == "epoch":
            row[name] = int(field)
        else:
            row[name] = math.nan if field == NOT_A_NUMBER else float(field) if field else None
    if not 1 <= row["epoch"] <= _MOST_EPOCHS:
        raise ValueError(f"epoch is {row['epoch']}")
    return row
