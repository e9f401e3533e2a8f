"""Computations side by side: their results in order, the steps they tell of, the first failure."""

from __future__ import annotations

from concurrent.futures import CancelledError

import pytest
import torch
from torch import Tensor

from sfbptt_cli.lyapunov.threads import Tick, by_rows, side_by_side


@pytest.fixture(autouse=True)
def two_threads() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield None
    torch.set_num_threads(before)


def test_rows_come_back_in_order_and_steps_are_told() -> None:
    steps: list[int] = []

    def follow(x: Tensor, nothing: None, tick: Tick) -> Tensor:
        assert nothing is None
        assert torch.get_num_threads() == 1
        tick(len(x))
        return 2 * x

    x = torch.arange(10.0)[:, None]
    torch.testing.assert_close(by_rows(follow, 4, x, None, tick=steps.append), 2 * x)
    assert sorted(steps) == [2, 4, 4]
    assert torch.get_num_threads() == 2


def test_the_first_failure_stops_the_others() -> None:
    stopped: list[bool] = []

    def endless(tick: Tick) -> None:
        try:
            while True:
                tick(1)
        except CancelledError:
            stopped.append(True)
            raise

    def failing(_: Tick) -> None:
        raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        side_by_side([endless, failing])
    assert stopped == [True]
    assert torch.get_num_threads() == 2
