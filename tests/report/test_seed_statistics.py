"""Medians and ranges, means and standard errors, and their text."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sfbptt_cli.report.groups import interval_text, summarise


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 20])
def test_summaries_are_those_of_numpy(n: int) -> None:
    x = np.random.default_rng(n).lognormal(size=n)
    summary = summarise(x)
    expected = np.quantile(x, [0.5, 0, 1])
    np.testing.assert_allclose(summary.interval("median"), expected)
    assert summary.mean == pytest.approx(x.mean())
    if n > 1:
        assert summary.standard_error == pytest.approx(x.std(ddof=1) / math.sqrt(n))
    else:
        assert math.isnan(summary.standard_error)
        assert summary.interval("mean") == (x[0], x[0], x[0])


def test_infinite_values_count_and_missing_ones_do_not() -> None:
    summary = summarise([1.0, math.nan, 3.0, math.inf])
    assert summary.n == 3
    assert summary.interval("median") == (3.0, 1.0, math.inf)
    assert summary.mean == math.inf
    assert math.isnan(summarise([math.nan]).median)


def test_an_interval_is_written_with_its_ends() -> None:
    summary = summarise([0.1, 0.2, 0.6])
    assert interval_text(summary, "median") == "0.200 (0.100–0.600)"
    assert interval_text(summary, "mean") == "0.300 ± 0.153"
    assert interval_text(summarise([-0.5, 0.5]), "median") == "0 (-0.500 to 0.500)"
    assert interval_text(summarise([0.5]), "mean") == "0.500"
