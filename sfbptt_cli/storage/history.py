"""metrics.csv: the numbers of every epoch of training."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

from sfbptt_cli.common.atomic import write_text
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import MIB, open_regular

_LARGEST = 64 * MIB
# Values of all rows together, where a row itself takes as much memory as ten: a quarter of a
# million epochs of what training stores.
_MOST_VALUES = 5_000_000
_MOST_EPOCHS = 10**9
# `nan` would be read as a missing value by pandas.
_NOT_A_NUMBER = "diverged"


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write metrics.csv, one row an epoch; an empty field is a value that was not computed.

    Infinity is `inf`, not-a-number the word `diverged`.
    """
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # Only NaN differs from itself.
        writer.writerow({k: x if x == x else _NOT_A_NUMBER for k, x in row.items()})
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read the rows of metrics.csv as numbers, None for an empty field; RequestError otherwise.

    Every row has the same columns, among them `epoch`, a whole number of at least 1. The score of
    a diverging model may be infinite, or the word `diverged`, which is NaN.
    """
    try:
        with TextIOWrapper(open_regular(path, "run", _LARGEST), "utf-8", newline="") as file:
            return _history(csv.reader(file, strict=True))
    except RequestError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise RequestError(f"run: '{path}' cannot be read: {reason}") from error


def _history(rows: Iterator[list[str]]) -> list[dict[str, Any]]:
    names = next(rows, [])
    if "epoch" not in names or len(set(names)) < len(names):
        raise ValueError("it has no header with different names, one of them epoch")
    most = _MOST_VALUES // (10 + len(names))
    history = [_row(names, fields) for fields in islice(rows, most)]
    if next(rows, None) is not None:
        raise ValueError(f"it has more than {most} rows")
    return history


def _row(names: list[str], fields: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, field in zip(names, fields, strict=True):
        if name == "epoch":
            row[name] = int(field)
        else:
            row[name] = math.nan if field == _NOT_A_NUMBER else float(field) if field else None
    if not 1 <= row["epoch"] <= _MOST_EPOCHS:
        raise ValueError(f"epoch is {row['epoch']}")
    return row
