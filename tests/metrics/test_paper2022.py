"""The NeurIPS 2022 variants, against literal loops over the description of their computation."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from sfbptt_cli.metrics.paper2022 import d_h_paper2022, d_stsp_paper2022

Array = npt.NDArray[np.float64]


def noise(seed: int, steps: int, dimensions: int = 2) -> Array:
    return np.random.default_rng(seed).normal(size=(steps, dimensions))


def literal_d_stsp(truth: Array, generated: Array) -> float:
    dimensions = truth.shape[1]
    low, high = -2 * truth.std(axis=0, ddof=1), 2 * truth.std(axis=0, ddof=1)

    def density(points: Array) -> Array:
        counts = np.zeros((10,) * dimensions)
        for point in points:
            index = tuple(
                int(10 * (v - a) / (b - a)) for v, a, b in zip(point, low, high, strict=True)
            )
            if all(0 < i < 10 for i in index):
                counts[index] += 1
        return (counts + 1e-5) / (counts.sum() + 1e-5 * 10**dimensions)

    p, q = density(truth), density(generated)
    return float((p * np.log(p / q)).sum())


def literal_d_h(truth: Array, generated: Array) -> float:
    steps = min(len(truth), len(generated)) // 50
    kernel = np.exp(-0.5 * (np.arange(-10, 11) / 2) ** 2)
    kernel /= kernel.sum()

    def mean_spectrum(series: Array) -> Array:
        spectra = []
        for piece in np.split(series[: 50 * steps], 50):
            piece = piece[: steps - steps % 2]
            if np.ptp(piece) > 0 and np.isfinite(piece).all():
                z = (piece - piece.mean()) / piece.std(ddof=1)
                power = np.abs(np.fft.rfft(z, norm="ortho")) ** 2 * 2 / len(z)
                padded = np.pad(power, 10)
                spectra.append([kernel @ padded[i : i + 21] for i in range(len(power))])
        return np.mean(spectra, axis=0)[:500]

    distances = []
    for d in range(truth.shape[1]):
        root = np.sqrt(mean_spectrum(truth[:, d]) * mean_spectrum(generated[:, d]))
        distances.append(math.sqrt(max(0.0, 1 - float((root[1:] + root[:-1]).sum()) / 2)))
    return float(np.mean(distances))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_d_stsp_equals_the_literal_loop(dimensions: int) -> None:
    truth = noise(0, 400, dimensions) + 0.3
    generated = 1.5 * noise(1, 500, dimensions)
    expected = literal_d_stsp(truth, generated)
    assert d_stsp_paper2022(truth, generated) == pytest.approx(expected, rel=1e-11)


def test_d_stsp_depends_on_the_origin_but_not_on_the_scale() -> None:
    truth, generated = noise(0, 2000, 2), 0.7 * noise(1, 2000, 2)
    value = d_stsp_paper2022(truth, generated)
    assert d_stsp_paper2022(7 * truth, 7 * generated) == pytest.approx(value, rel=1e-12)
    shifted = d_stsp_paper2022(truth + 1.5, generated + 1.5)
    assert abs(shifted - value) > 0.2 * value


@pytest.mark.parametrize("lost", [50.0, -1.95, 1e308, np.nan, np.inf])
def test_d_stsp_of_a_generation_off_the_grid_is_infinite(lost: float) -> None:
    truth = noise(0, 500, 2) / noise(0, 500, 2).std(axis=0, ddof=1)
    assert d_stsp_paper2022(truth, np.full((20, 2), lost)) == math.inf
    some = np.vstack([truth, np.full((20, 2), lost)])
    assert d_stsp_paper2022(truth, some) == 0.0  # and a single point off it does not count


def test_d_stsp_of_a_truth_off_the_grid_is_infinite() -> None:
    assert d_stsp_paper2022(noise(0, 50) + 100, noise(1, 50)) == math.inf


@pytest.mark.parametrize("steps", [200, 269, 2_570, 55_000])
def test_d_h_equals_the_literal_loop(steps: int) -> None:
    # 269: odd pieces of 5 lose a sample; 55,000: pieces of 1,100 have more than 500 frequencies.
    truth, generated = np.cumsum(noise(0, steps + 30), axis=0), noise(1, steps)
    expected = literal_d_h(truth, generated)
    assert d_h_paper2022(truth, generated) == pytest.approx(expected, rel=1e-9)
    assert 0.05 < expected < 0.95


def test_d_h_leaves_out_pieces_without_a_spectrum() -> None:
    truth = noise(0, 1000)
    generated = noise(1, 1000)
    generated[:100, 0] = 0.1  # five constant pieces
    generated[-7:, 1] = np.nan  # the last piece
    expected = literal_d_h(truth, generated)
    assert d_h_paper2022(truth, generated) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lost", [0.1, np.nan, -np.inf])
def test_d_h_of_a_generation_without_any_spectrum_is_one(lost: float) -> None:
    truth = noise(0, 1000)
    assert d_h_paper2022(truth, np.full_like(truth, lost)) == 1
    half = truth.copy()
    half[:, 1] = lost
    expected = (1 + d_h_paper2022(truth[:, :1], truth[:, :1])) / 2
    assert d_h_paper2022(truth, half) == pytest.approx(expected, rel=1e-12)
