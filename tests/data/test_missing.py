"""Codes for missing values are found; rain, clipped sensors, spikes and few levels are none."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.missing import refuse_missing_codes

I = np.arange(3000)  # noqa: E741
RNG = np.random.default_rng(0)
SINE = np.sin(I / 9)
POSITIVE = (700 + 700 * SINE).round()


def check(column: NDArray[Any]) -> None:
    columns = np.column_stack([SINE.astype(column.dtype), column])
    refuse_missing_codes(columns, ["a", "b"], np.arange(len(columns)) + 2)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(
    "code",
    [-999, -9999, -99.99, -200, 32766, 9.97e36, 999.9, -32768, 65535, 1e20, -999.25, -8888, 1e10],
)
@pytest.mark.parametrize("others", [SINE, 8 + 4 * SINE, 2 * SINE**3 - 1])
def test_a_code_among_other_values_is_named(code: float, others: Any, kind: type) -> None:
    column = others.astype(kind)
    column[5::97] = code
    written = str(kind(code)).removesuffix(".0")
    with pytest.raises(RequestError) as refused:
        check(column)
    assert re.match(
        rf"dataset\.missing_values: column 'b' holds {re.escape(written)} in 31 rows, the first is "
        rf"row 7, .*'dataset.missing_values=\[\"{re.escape(written)}\"\]' .*dataset.missing_codes",
        str(refused.value),
    )
    column[column == kind(written)] = np.nan
    check(column)


def test_codes_of_other_kinds() -> None:
    for code, others in (
        (-200, POSITIVE),
        (-99.99, 360 + 60 * SINE),
        (99, (I % 3) * 1.0),
        (-999, np.ones(3000)),
        (-1, 300 + 100 * SINE),
        (0, 1000 + SINE),
    ):
        column = others.copy()
        column[::97] = code
        with pytest.raises(RequestError, match=f"holds {code} in 31 rows"):
            check(column)
    once = SINE.copy()
    once[50] = -9999
    with pytest.raises(RequestError, match="holds -9999 in row 52, and"):
        check(once)
    two = SINE.copy()
    two[::97], two[5::97] = -999, 999
    with pytest.raises(RequestError, match="holds -999 in"):
        check(two)


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(np.where(RNG.random(3000) < 0.9, 0, RNG.gamma(0.5, 10, 3000)), id="rain"),
        pytest.param(np.clip(3 * SINE + RNG.normal(size=3000), -2, 2), id="clipped"),
        pytest.param(np.where(I % 50 < 3, 5, 0.05 * RNG.normal(size=3000)), id="clipped pulses"),
        pytest.param(np.where(I % 40 == 39, 40, -70 + (I % 40) / 2), id="spikes drawn in"),
        pytest.param(RNG.poisson(3, 3000), id="counts"),
        pytest.param(RNG.integers(90, 100, 3000), id="ten levels up to 99"),
        pytest.param((99 * SINE).round(), id="rounded"),
        pytest.param(np.ones(3000), id="constant"),
        pytest.param((I % 7 < 3) * 999, id="two levels"),
        pytest.param(np.where(I % 300 < 99, 0, 1e3 + RNG.normal(size=3000)), id="on and off"),
        pytest.param(RNG.standard_cauchy(3000).round(), id="heavy tails"),
        pytest.param(np.full(3000, np.nan), id="empty"),
    ],
)
def test_measurements_are_no_codes(column: NDArray[Any]) -> None:
    check(column.astype(np.float64))
