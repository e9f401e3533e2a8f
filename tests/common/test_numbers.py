"""Words for the numbers that JSON cannot hold: what is written is what is read."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from report_runs import write_run

from sfbptt_cli.common.numbers import number_of, word_or_number
from sfbptt_cli.report.collection import collect

NUMBERS = (0.0, -1.5, 1e300, 5e-324, math.inf, -math.inf, math.nan)


@pytest.mark.parametrize("value", NUMBERS)
def test_a_number_comes_back_from_json(value: float) -> None:
    stored = json.loads(json.dumps(word_or_number(value), allow_nan=False))
    assert number_of(stored) == pytest.approx(value, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("word", ["diverged", "undecided"])
def test_a_reason_is_no_number(word: str) -> None:
    assert math.isnan(number_of(word))


@pytest.mark.parametrize("stored", ["1e3", "infinity", "", None, True, [], {}])
def test_all_else_is_refused(stored: object) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number_of(stored)


@pytest.mark.parametrize("word", ["undecided", "diverged", "-infinite"])
def test_a_report_takes_the_words_of_an_evaluation(tmp_path: Path, word: str) -> None:
    """A run whose dimension is a word is not left out for it."""
    path = write_run(tmp_path) / "evaluation.json"
    content = json.loads(path.read_text())
    content["metrics"]["kaplan_yorke_dimension"] = {"value": word, "truth": 2.1}
    path.write_text(json.dumps(content))
    (run,), skipped = collect(tmp_path)
    assert not skipped
    assert not math.isfinite(run.metrics["kaplan_yorke_dimension"].value)
    assert run.metrics["d_stsp"].value == 0.1
