"""D_stsp, binned and GMM, against dense histograms, quadrature and closed forms."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from sfbptt_cli.metrics.state_space import d_stsp_binned, d_stsp_gmm

Array = npt.NDArray[np.float64]


def gaussian(seed: int, steps: int, dimensions: int) -> Array:
    return np.random.default_rng(seed).normal(size=(steps, dimensions))


def dense_kl(p_counts: Array, q_counts: Array, smoothing: float, generated: int) -> float:
    p = (p_counts + smoothing) / (p_counts + smoothing).sum()
    q = (q_counts + smoothing) / (generated + smoothing * q_counts.size)
    return float((p * np.log(p / q)).sum())


def dense_binned(
    truth: Array, generated: Array, bins: int, margin: float, smoothing: float
) -> tuple[float, float]:
    """The definition, with every bin stored: (value, fraction outside)."""
    edges = [
        np.linspace(c.min() - margin * c.std(), c.max() + margin * c.std(), bins + 1)
        for c in truth.T
    ]
    p, q = (np.histogramdd(x, bins=edges)[0] for x in (truth, generated))
    return dense_kl(p, q, smoothing, len(generated)), 1 - q.sum() / len(generated)


def test_binned_of_known_histogram() -> None:
    # Four bins of width 1; the extremes 0 and 4 belong to the first and the last.
    truth = np.repeat([0.0, 1.5, 2.5, 4.0], [4, 3, 2, 1])[:, None]
    generated = np.repeat([0.5, 1.5, 2.5, 3.5], [1, 1, 2, 6])[:, None]
    result = d_stsp_binned(truth, generated, bins=4, margin=0.0, smoothing=1e-12)
    expected = 0.4 * math.log(4) + 0.3 * math.log(3) + 0.1 * math.log(1 / 6)
    assert result.value == pytest.approx(expected, abs=1e-10)
    assert result.outside == 0


def test_binned_in_five_dimensions_of_known_histogram() -> None:
    # 24 million bins: truth fills two of them, the generation a third.
    truth = np.tile(np.repeat([0.0, 1.0], 50)[:, None], (1, 5))
    generated = np.full((100, 5), 0.5)
    s, total = 1e-5, 100 + 1e-5 * 30**5
    expected = 2 * (50 + s) / total * math.log((50 + s) / s) + s / total * math.log(s / (100 + s))
    assert d_stsp_binned(truth, generated).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("lost", [1e6, np.nan, np.inf, -1e300])
def test_binned_with_every_point_outside_is_the_worst(lost: float) -> None:
    truth = gaussian(0, 300, 2)
    p = np.histogramdd(truth, bins=[np.linspace(c.min(), c.max(), 11) for c in truth.T])[0]
    expected = dense_kl(p, np.zeros_like(p), 1e-5, 50)
    result = d_stsp_binned(truth, np.full((50, 2), lost), bins=10, margin=0.0)
    assert result.value == pytest.approx(expected, rel=1e-11)
    assert result.outside == 1


def test_binned_loses_the_share_of_lost_points() -> None:
    truth, generated = gaussian(0, 300, 2), 0.5 * gaussian(1, 300, 2)
    lost = np.vstack([generated, np.full((60, 2), np.nan), np.full((40, 2), 1e300)])
    assert d_stsp_binned(truth, generated).outside == 0
    # The same counts, divided by 400 points and not 300.
    expected = d_stsp_binned(truth, generated).value + math.log((400 + 9e-3) / (300 + 9e-3))
    assert d_stsp_binned(truth, lost).value == pytest.approx(expected, rel=1e-12)
    assert d_stsp_binned(truth, lost).outside == pytest.approx(0.25)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    dimensions=st.integers(1, 5),
    bins=st.integers(1, 7),
    smoothing=st.sampled_from([1e-5, 0.5]),
)
def test_binned_equals_dense_histograms(
    seed: int, dimensions: int, bins: int, smoothing: float
) -> None:
    truth = gaussian(seed, 40, dimensions)
    generated = 1.3 * gaussian(seed + 1, 30, dimensions) + 0.4  # some of it off the grid
    assert d_stsp_binned(truth, truth[::-1], bins) == (0.0, 0.0)
    expected, expected_outside = dense_binned(truth, generated, bins, 0.1, smoothing)
    value, outside = d_stsp_binned(truth, generated, bins=bins, smoothing=smoothing)
    assert value >= 0
    assert value == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert outside == pytest.approx(expected_outside, abs=1e-15)


@pytest.mark.parametrize("estimator", ["binned", "gmm"])
def test_unit_and_origin_of_a_dimension_do_not_matter(estimator: str) -> None:
    def distance(truth: Array, generated: Array) -> float:
        if estimator == "binned":
            return d_stsp_binned(truth, generated).value
        return d_stsp_gmm(truth, generated, samples=200)

    truth, generated = gaussian(0, 400, 3), gaussian(1, 400, 3)
    unit, origin = np.array([1.0, 250.0, 1.0]), np.array([0.0, -30.0, 0.0])
    moved = distance(unit * truth + origin, unit * generated + origin)
    assert moved == pytest.approx(distance(truth, generated), rel=1e-9)
    assert distance(truth, unit * generated + origin) != pytest.approx(moved, rel=0.1)


def standardised_by(truth: Array, x: Array) -> Array:
    return (x - truth.mean(axis=0)) / truth.std(axis=0)


def test_gmm_equals_quadrature_in_one_dimension() -> None:
    truth = np.array([[0.0], [1.0], [1.5], [4.0]])
    generated = np.array([[0.5], [2.0], [2.5], [3.0], [6.0]])
    sigma = 0.4

    def density(x: float, centres: Array) -> float:
        return float(stats.norm.pdf(x, loc=centres[:, 0], scale=sigma).mean())

    p, q = (standardised_by(truth, x) for x in (truth, generated))

    def integrand(x: float) -> float:
        return density(x, p) * math.log(density(x, p) / density(x, q))

    expected = integrate.quad(integrand, -5, 5, limit=200)[0]
    second = integrate.quad(lambda x: density(x, p) * (integrand(x) / density(x, p)) ** 2, -5, 5)[0]
    error = math.sqrt((second - expected**2) / 40_000)  # standard error of the sample mean
    assert error < 0.01 * expected
    value = d_stsp_gmm(truth, generated, sigma=sigma, samples=40_000)
    assert value == pytest.approx(expected, abs=4 * error)


def test_gmm_equals_direct_sums_of_densities() -> None:
    truth, generated, sigma = gaussian(0, 40, 2), 1.5 * gaussian(1, 60, 2) + 0.5, 0.5
    p, q = (standardised_by(truth, x) for x in (truth, generated))
    rng = np.random.default_rng(99)  # draws of our own, not those of the function
    x = p[rng.integers(40, size=20_000)] + sigma * rng.normal(size=(20_000, 2))

    def density(centres: Array) -> Array:
        return stats.norm.pdf(x[:, None], loc=centres, scale=sigma).prod(axis=2).mean(axis=1)

    log_ratio = np.log(density(p) / density(q))
    value = d_stsp_gmm(truth, generated, sigma=sigma, samples=20_000)
    error = log_ratio.std() / math.sqrt(len(x)) * math.sqrt(2)  # both are sample means
    assert error < 0.03 * log_ratio.mean()
    assert value == pytest.approx(log_ratio.mean(), abs=4 * error)


def test_gmm_of_identical_sets_is_exactly_zero() -> None:
    truth = gaussian(0, 12_000, 6)  # more than the points kept, more than 5 dimensions
    assert d_stsp_gmm(truth, truth.copy(), samples=100) == 0.0


def test_gmm_density_does_not_depend_on_the_number_of_centres() -> None:
    truth = gaussian(0, 500, 2)
    # Every centre twice is the same density; the sums differ by rounding only.
    assert d_stsp_gmm(truth, np.vstack([truth, truth])) == pytest.approx(0, abs=1e-13)
    # Thinned evenly from three of each to one of each, it is the same set.
    assert d_stsp_gmm(truth, np.repeat(truth, 3, axis=0), points=500) == 0.0


def test_gmm_of_diverged_generations() -> None:
    truth = gaussian(0, 300, 2)
    assert d_stsp_gmm(truth, np.full((10, 2), np.nan)) == math.inf
    assert d_stsp_gmm(truth, np.full((10, 2), -1e300)) == math.inf
    assert d_stsp_gmm(truth, np.full((10, 2), 1e3)) > 1e6
    some = np.vstack([truth, np.full((10, 2), np.nan), [[0.0, np.inf]]])
    assert d_stsp_gmm(truth, some) == 0.0  # non-finite points are dropped


CONSTANT = np.column_stack([np.arange(10.0), np.full(10, 0.1)])


@pytest.mark.parametrize("distance", [d_stsp_binned, d_stsp_gmm])
@pytest.mark.parametrize(
    ("truth", "generated", "message"),
    [
        (np.ones(5), np.ones((5, 1)), "truth has shape"),
        (np.ones((0, 2)), np.ones((5, 2)), "truth has shape"),
        (gaussian(0, 9, 2), np.ones((0, 2)), "generated has shape"),
        (gaussian(0, 9, 2), gaussian(0, 9, 3), "2 variables and generated 3"),
        (np.array([[0.0], [np.nan]]), np.ones((3, 1)), "truth holds non-finite"),
        (CONSTANT, CONSTANT, "constant in dimension 1"),
    ],
)
def test_bad_trajectories_are_refused(
    distance: type, truth: Array, generated: Array, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        distance(truth, generated)


def test_binned_refuses_six_dimensions_and_names_the_other_estimator() -> None:
    with pytest.raises(ValueError, match="GMM"):
        d_stsp_binned(gaussian(0, 9, 6), gaussian(1, 9, 6))
