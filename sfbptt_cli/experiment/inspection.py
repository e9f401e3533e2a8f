"""What the training part of a dataset allows: sampling, noise, stationarity, memory, exponents."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.determinism import Determinism, determinism
from sfbptt_cli.data.embedding import delay_embed
from sfbptt_cli.data.rounding import rounding_step
from sfbptt_cli.data.settings import DatasetSettings
from sfbptt_cli.data.time_scales import cycle_length, standardise
from sfbptt_cli.evaluation.state_space import delays_of
from sfbptt_cli.experiment.denoising import teacher_of
from sfbptt_cli.experiment.memory import as_memory, suggested_warmup
from sfbptt_cli.experiment.tau_choice import predicted_tau
from sfbptt_cli.lyapunov.cached import cached_exponent
from sfbptt_cli.lyapunov.from_data import LONGEST, DataExponent
from sfbptt_cli.lyapunov.settings import NeighbourSettings
from sfbptt_cli.metrics.correlation_dimension import correlation_dimension
from sfbptt_cli.metrics.spectrum import d_h
from sfbptt_cli.metrics.state_space import d_stsp_binned, d_stsp_gmm, grid_is_filled

Array = NDArray[np.float64]

# Blocks that are dealt to two sets, and so many times.
_BLOCKS = 10
_DEALS = 5
_BINS = 30
# Of the mixtures, in up to five dimensions and in more.
_WIDTHS = (0.3, 1.0)
_NARROW = 5
# Of noise, distances below so many standard deviations say nothing of the attractor.
_HIDDEN = 3.0
# Parts of the data that an interval leaves for training.
_SHARE = 4


@dataclass(frozen=True)
class Halves:
    """How far the halves of a series agree.

    d_stsp, d_h: distances between the halves, the least that a model can be expected to reach.
    mixed: least and greatest D_stsp of blocks that are dealt to two sets at random. constant:
    D_stsp of the mean of the series. shift: greatest difference of means, in standard deviations of
    the whole; change: greatest ratio of standard deviations; each with the variable.
    """

    d_stsp: float
    d_h: float
    mixed: tuple[float, float]
    constant: float
    shift: tuple[float, str]
    change: tuple[float, str]


@dataclass(frozen=True)
class Inspection:
    """What is found in the longest training trajectory as `train` takes it, times in steps."""

    samples: int
    denoised: str | None  # what was done against noise
    cycle: float
    rounding: Array  # (N,), steps of rounded values in standard deviations; 0: none
    # Of all trajectories as they were recorded; None where they are too short.
    determinism: Determinism | None
    halves: Halves | None  # None where they are constant
    dimension: float  # correlation dimension; NaN where noise hides it
    embedding: tuple[int, int]  # lag and delays of its space; 1, 1: the observations
    exponent: DataExponent
    tau: int
    tau_source: str
    warmup: int
    warmup_source: str


def inspect_dataset(described: DatasetSettings, dataset: Dataset) -> Inspection:
    """Look at the training part, of which 100,000 steps of the longest trajectory count."""
    recorded, before = dataset.longest_training(LONGEST), _determinism(dataset)
    teacher, denoised = teacher_of(described, dataset, lambda: as_memory(before))
    found = _determinism(teacher) if denoised else before
    dataset, series = teacher, teacher.longest_training(LONGEST)
    exponent = cached_exponent(series, dataset.dt, NeighbourSettings())
    warmup, warmup_source = suggested_warmup(described, lambda: as_memory(before))
    most = max(1, len(series) // _SHARE - warmup)
    tau, tau_source = predicted_tau(dataset, most, lambda: as_memory(found))
    points = standardise(series)
    embedding = (exponent.lag or 1, exponent.dimension or 1)
    resolution = _HIDDEN * _noise_distance(found, points.shape[1] * embedding[1])
    return Inspection(
        samples=len(series),
        denoised=denoised,
        cycle=cycle_length(points),
        rounding=rounding_step(standardise(recorded)),
        determinism=before,
        halves=compare_halves(series, dataset.variables),
        dimension=correlation_dimension(
            delay_embed(points, *embedding), exponent.theiler or 0, resolution
        ),
        embedding=embedding,
        exponent=exponent,
        tau=tau,
        tau_source=tau_source,
        warmup=warmup,
        warmup_source=warmup_source,
    )


def _determinism(dataset: Dataset) -> Determinism | None:
    return determinism([dataset.train[rows] for rows in dataset.trajectories])


def _noise_distance(found: Determinism | None, columns: int) -> float:
    """Return the distance that noise puts between the same point and itself."""
    noise = 0.0 if found is None else math.sqrt(float(np.mean(found.noise**2)))
    return noise * math.sqrt(2 * columns)


def compare_halves(series: Array, variables: tuple[str, ...]) -> Halves | None:
    """Compare the halves of (T, N); variables that are constant in one of them are left out."""
    half = len(series) // 2
    first, second = series[:half], series[half : 2 * half]
    varying = (np.ptp(first, axis=0) > 0) & (np.ptp(second, axis=0) > 0)
    if not varying.any() or half < 2 * _BLOCKS:
        return None
    names = [name for name, kept in zip(variables, varying, strict=True) if kept]
    first, second, series = first[:, varying], second[:, varying], series[:, varying]
    shifts = np.abs(first.mean(axis=0) - second.mean(axis=0)) / series.std(axis=0)
    ratios = np.abs(np.log(first.std(axis=0) / second.std(axis=0)))
    constant = np.broadcast_to(series.mean(axis=0), first.shape)
    delays = delays_of(series, half // _BLOCKS)
    mixed = _between_blocks(delays(series))
    return Halves(
        d_stsp=_distance(delays(first), delays(second)),
        d_h=d_h(first, second),
        mixed=(min(mixed), max(mixed)),
        constant=_distance(delays(first), delays(constant)),
        shift=(float(shifts.max()), names[int(shifts.argmax())]),
        change=(float(np.exp(ratios.max())), names[int(ratios.argmax())]),
    )


def _between_blocks(points: Array) -> list[float]:
    """Return D_stsp between two halves of the blocks of (T, d), for each of some deals."""
    rng = np.random.default_rng(0)
    block = np.arange(len(points)) * _BLOCKS // len(points)
    deals = [rng.permutation(_BLOCKS)[: _BLOCKS // 2] for _ in range(_DEALS)]
    dealt = [np.isin(block, deal) for deal in deals]
    return [_distance(points[some], points[~some]) for some in dealt]


def _distance(truth: Array, other: Array) -> float:
    """Return D_stsp by the estimator that evaluation takes for so many points."""
    dimensions = truth.shape[1]
    if grid_is_filled(len(truth), dimensions, _BINS):
        return d_stsp_binned(truth, other, bins=_BINS).value
    return d_stsp_gmm(truth, other, sigma=_WIDTHS[dimensions > _NARROW])
