"""The correlation dimension of sets whose dimension is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sfbptt_cli.metrics.correlation_dimension import correlation_dimension


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_of_cubes(dimension: int) -> None:
    points = np.random.default_rng(0).random((4_000, dimension))
    # Near the faces a part of each ball is empty.
    assert correlation_dimension(points) == pytest.approx(dimension, rel=0.05)
    # Of a resolution that hides the nearest pairs the estimate is the same.
    cut = correlation_dimension(points, resolution=0.1 * 0.01 ** (1 / dimension))
    assert cut == pytest.approx(dimension, rel=0.07)


def test_of_a_henon_attractor() -> None:
    x = np.zeros((6_000, 2))
    for t in range(1, len(x)):
        x[t] = 1 - 1.4 * x[t - 1, 0] ** 2 + x[t - 1, 1], 0.3 * x[t - 1, 0]
    # Grassberger and Procaccia (1983): 1.21 to 1.25.
    assert correlation_dimension(x[100:]) == pytest.approx(1.22, abs=0.05)


def test_neighbours_in_time_do_not_count() -> None:
    walk = np.random.default_rng(0).normal(size=(4_000, 3)).cumsum(axis=0)
    assert correlation_dimension(walk, theiler=400) > 1.3 * correlation_dimension(walk)


def test_what_noise_hides_has_none() -> None:
    points = np.random.default_rng(0).random((2_000, 2))
    assert math.isnan(correlation_dimension(points, resolution=0.5))
    assert math.isnan(correlation_dimension(points[:50]))
    assert math.isnan(correlation_dimension(points, theiler=5_000))
