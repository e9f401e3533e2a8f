"""Numbers as text: words for those that JSON cannot hold, rounded ones in aligned tables."""

from __future__ import annotations

import json
import math

import pytest

from sfbptt_cli.common.numbers import number_of, number_text, singular, word_or_number
from sfbptt_cli.common.tables import aligned

NUMBERS = (0.0, -1.5, 1e300, 5e-324, math.inf, -math.inf, math.nan)


@pytest.mark.parametrize("value", NUMBERS)
def test_a_number_comes_back_from_json(value: float) -> None:
    stored = json.loads(json.dumps(word_or_number(value), allow_nan=False))
    assert number_of(stored) == pytest.approx(value, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("unit", "one"),
    [("time units", "time unit"), ("days", "day"), ("s", "s"), ("ms", "ms"), ("µs", "µs"),
     ("10 ms", "10 ms"), ("Hz", "Hz")],
)  # fmt: skip
def test_the_singular_of_a_unit(unit: str, one: str) -> None:
    assert singular(unit) == one


@pytest.mark.parametrize("word", ["diverged", "undecided"])
def test_a_reason_is_no_number(word: str) -> None:
    assert math.isnan(number_of(word))


@pytest.mark.parametrize("stored", ["1e3", "infinity", "", None, True, [], {}])
def test_all_else_is_refused(stored: object) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number_of(stored)


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
    [(0.05529, "0.0553"), (1.234e-7, "1.23e-07"), (12345.6, "12346"), (5e7, "5.00e+07"),
     (-0.5, "-0.500"), (0.1, "0.100"), (12.0, "12.0"), (100.0, "100"), (999.9, "1000"),
     (0.0, "0"), (-0.0, "0"), (math.inf, "infinite"), (-math.inf, "-infinite"), (math.nan, "-"),
     (None, "-"), ("diverged", "diverged")],
)  # fmt: skip
def test_numbers_have_significant_digits_and_words(value: float | str | None, text: str) -> None:
    assert number_text(value) == text
    assert number_text(0.0552912, digits=4) == "0.05529"
