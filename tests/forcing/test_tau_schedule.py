"""τ over training."""

from __future__ import annotations

import numpy as np
import pytest

from sfbptt_cli.forcing.tau_schedule import TAU_SCHEDULES


def _taus(name: str, tau: int, updates: int, **settings: float) -> list[int]:
    context = {"updates": updates, "window": 100, "seed": 3, **settings}
    tau_at = TAU_SCHEDULES[name](tau, **context)
    return [tau_at(update) for update in range(updates)]


def test_constant() -> None:
    assert _taus("constant", 30, 5) == [30] * 5


def test_annealed_rises_by_equal_steps() -> None:
    assert _taus("annealed", 5, 8, part=1.0) == [1, 2, 2, 3, 3, 4, 4, 5]
    assert _taus("annealed", 5, 8, part=0.5) == [2, 3, 4, 5, 5, 5, 5, 5]
    assert _taus("annealed", 1, 3, part=1.0) == [1, 1, 1]
    assert _taus("annealed", 7, 1, part=1.0) == [7]


@pytest.mark.parametrize("part", [1.0, 0.7, 0.01])
def test_annealed_goes_from_one_to_tau(part: float) -> None:
    taus = _taus("annealed", 46, 3000, part=part)
    reached = round(part * 3000)
    assert taus[0] <= 2
    assert taus == sorted(taus)
    assert taus.index(46) == reached - 1
    line = 1 + 45 * np.arange(1, reached + 1) / reached
    assert np.abs(np.array(taus[:reached]) - line).max() <= 1


def test_random_is_uniform() -> None:
    taus = _taus("random", 30, 4200, half_width=10)
    counts = np.bincount(taus, minlength=101)
    assert set(np.flatnonzero(counts)) == set(range(20, 41))
    # χ² of 21 equal bins, 20 degrees of freedom: mean 20, beyond 45 once in a thousand seeds
    assert ((counts[20:41] - 200) ** 2 / 200).sum() < 45
    assert abs(np.corrcoef(taus[:-1], taus[1:])[0, 1]) < 0.05


def test_random_is_cut_at_one_and_at_the_window() -> None:
    taus = _taus("random", 30, 2000, half_width=70, window=40)
    assert (min(taus), max(taus)) == (1, 40)
    assert _taus("random", 30, 4, half_width=0) == [30] * 4


def test_random_is_a_function_of_seed_and_update() -> None:
    context = {"updates": 50, "window": 100, "half_width": 10}
    first, again, other = (TAU_SCHEDULES["random"](30, seed=seed, **context) for seed in (3, 3, 4))
    backwards = [again(update) for update in reversed(range(50))]
    assert [first(update) for update in range(50)] == backwards[::-1]
    assert [other(update) for update in range(50)] != backwards[::-1]
