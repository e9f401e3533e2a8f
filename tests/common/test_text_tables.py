"""Text tables and how numbers are written in them."""

from __future__ import annotations

import math

import pytest

from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.common.tables import aligned


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    rows = [("metric", "value", "note"), ("D_H", "0.25", ""), ("D_stsp", "12346", "binned")]
    assert aligned(rows, right=[1]).splitlines() == [
        "metric  value  note",
        "D_H      0.25",
        "D_stsp  12346  binned",
    ]
    assert aligned([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05529, "0.0553"), (1.234e-7, "1.23e-07"), (12345.6, "12346"), (5e7, "5e+07"),
     (-0.5, "-0.5"), (math.inf, "infinite"), (-math.inf, "-infinite"), (math.nan, "-"),
     (None, "-"), ("diverged", "diverged")],
)  # fmt: skip
def test_numbers_have_significant_digits_and_words(value: float | str | None, text: str) -> None:
    assert number_text(value, digits=3) == text
    assert number_text(0.0552912) == "0.05529"
