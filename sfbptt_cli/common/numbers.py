"""Words for the numbers that JSON cannot hold, written and read in this one place."""

from __future__ import annotations

import math

# What a reader makes of a word. `diverged` and `undecided` say why there is no number; `inf` and
# `-inf` stand in files of earlier versions.
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
    """`infinite`, `-infinite` or `nan` for what is not finite, every other number as it is."""
    if math.isfinite(value):
        return float(value)
    return "nan" if math.isnan(value) else "infinite" if value > 0 else "-infinite"


def number_of(stored: object) -> float:
    """The number that a stored one, or a word for one, stands for; ValueError for all else."""
    if isinstance(stored, (int, float)) and not isinstance(stored, bool):
        return float(stored)
    if isinstance(stored, str) and stored in _NUMBERS:
        return _NUMBERS[stored]
    raise ValueError(f"{stored!r} is no number")


def number_text(value: float | str | None, digits: int = 4) -> str:
    """A number with `digits` significant digits, as people read it in a table.

    A word is returned as it is, infinity as `infinite`, None and not-a-number as `-`. Large numbers
    keep all digits before the point up to a million: 12346, not 1.235e+04.
    """
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return str(word_or_number(value))
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+0" in text and abs(value) < 1e6 else text
