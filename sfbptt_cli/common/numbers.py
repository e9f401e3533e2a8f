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
    """Return `time unit` for `time units`; `s` and `ms` stay."""
    return unit.removesuffix("s") if len(unit.split(" ")[-1]) > 2 else unit


def number_text(value: float | str | None, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, for a table.

    A word is returned as it is, infinity as `infinite`, None and not-a-number as `-`. Large numbers
    keep all digits before the point up to a million: 12346, not 1.235e+04.
    """
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return str(word_or_number(value))
    text = f"{value:#.{digits}g}".removesuffix(".") if value else "0"
    return f"{value:.0f}" if "e+0" in text and abs(value) < 1e6 else text
