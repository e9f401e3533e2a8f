"""Numbers as text: words for those that JSON cannot hold, and rounded ones for people."""

from __future__ import annotations

import math

# The number that a word means. `diverged` and `undecided` give the reason for none; `inf` and
# `-inf` are in files of earlier versions.
_NUMBERS = {
    "infinite": math.inf,
    "-infinite": -math.inf,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
    "diverged": math.nan,
    "undecided": math.nan,
}


def word_or_number(value: float) -> float | str:
    """Return `infinite`, `-infinite` or `nan` for such a number, any other as it is."""
    if math.isfinite(value):
        return float(value)
    return "nan" if math.isnan(value) else "infinite" if value > 0 else "-infinite"


def number_of(stored: object) -> float:
    """Return the number that a stored number or word means; ValueError for anything else."""
    if isinstance(stored, (int, float)) and not isinstance(stored, bool):
        return float(stored)
    if isinstance(stored, str) and stored in _NUMBERS:
        return _NUMBERS[stored]
    raise ValueError(f"{stored!r} is no number")


def singular(unit: str) -> str:
    """`time units` -> `time unit`; a second stays `s`."""
    return unit.removesuffix("s") or unit
