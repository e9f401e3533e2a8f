"""Lyapunov exponents of maps, flows and delay equations: QR of tangent vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.common.progress import progress
from sfbptt_cli.lyapunov.settings import OrbitSettings
from sfbptt_cli.lyapunov.spectrum import Spectrum
from sfbptt_cli.systems.delay import advance_a_delay, blocks_for, constant_history
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.runge_kutta import (
    Advance,
    Field,
    advance_by,
    inner_steps,
    repeated,
    scale_of,
    vector_field,
)
from sfbptt_cli.systems.system import Array, System, Times

# Length of a tangent vector, in standard deviations: rounding spoils 1e-10 of it, curvature 1e-12.
_LENGTH = 1e-6
# Runge-Kutta steps between two orthogonalisations.
_EVERY = 10
# Of the integration that finds the attractor's extent, and of the grid of delay equations.
_TOLERANCES = (1e-8, 1e-8)
_SAMPLES = 2_000
# How far starts are moved, in standard deviations of the attractor; not where `spread` is 0.
_APART = 1e-3


def growth_rates(
    advance: Advance,
    states: Array,
    vectors: int,
    steps: int,
    transient: int,
    every: int = 1,
    scale: Array | None = None,
    visit: Callable[[Array], None] | None = None,
    bar: Any = None,
) -> Array:
    """Return exponents per step of a map along many trajectories, (trajectories, vectors).

    Benettin et al. (1980), Shimada and Nagashima (1979): tangent vectors are carried by the map and
    orthogonalised every `every` steps; the logarithms of what is left of them add up to the
    exponents. `advance` takes states (N, ...) some steps of the map on; its derivative along a
    vector q is the central difference (F(x + εq) − F(x − εq)) / 2ε with ε = 1e-6 in units of
    `scale` (N,), which no kink or modulus in the equations misleads. states (N, trajectories);
    `visit` sees them at every orthogonalisation after the transient, a `bar` counts steps. Raises
    RunFailed where a trajectory leaves the numbers.
    """
    from sfbptt_cli.lyapunov.orthonormal import orthonormalise  # numba takes 0.4 s to import

    n, count = states.shape
    unit = np.ones((n, 1, 1)) if scale is None else scale[:, None, None]
    # A random frame: one along the axes may lie in an invariant subspace and never leave it.
    frame = np.random.default_rng(0).standard_normal((count, n, vectors))
    frames = np.ascontiguousarray(frame.transpose(0, 2, 1))  # rows are vectors
    lengths, growth, counted = np.empty((count, vectors)), np.zeros((count, vectors)), 0
    orthonormalise(frames, lengths)
    with np.errstate(all="ignore"):
        for i in range(math.ceil((transient + steps) / every)):
            offset = _LENGTH * unit * frames.transpose(2, 1, 0)
            middle = states[:, None, :]
            z = np.concatenate([middle, middle + offset, middle - offset], axis=1)
            z = advance(z, every)
            if not np.isfinite(z).all():
                raise RunFailed("a trajectory leaves the numbers")
            states = z[:, 0]
            grown = (z[:, 1 : vectors + 1] - z[:, vectors + 1 :]) / (2 * _LENGTH * unit)
            frames = np.ascontiguousarray(grown.transpose(2, 1, 0))
            orthonormalise(frames, lengths)
            if bar is not None:
                bar.update(every)
            if i * every >= transient:
                growth += np.log(np.maximum(lengths, np.finfo(float).tiny))
                counted += every
                if visit is not None:
                    visit(states)
    return growth / counted


def spectrum_from_equations(
    system: System, parameters: Mapping[str, float], dt: float, settings: OrbitSettings
) -> Spectrum:
    """Return the leading `settings.exponents` (None: all N), per time unit, of many trajectories.

    Each starts near a state drawn at random (seeded) from the attractor, so that they do not move
    in phase, and runs `transient` steps of dt before the `steps` that count. Runge-Kutta steps of
    order 4, dt or shorter where the field needs it; delay equations one delay at a time, N being
    the number of values that hold their history, so that `exponents` has to be given. Raises
    RunFailed for what cannot be integrated.
    """
    start, spread = np.array(system.start), np.array(system.spread)
    vectors, steps, transient = settings.exponents, settings.steps, settings.transient
    samples = integrate(system, parameters, start, Times(transient, _SAMPLES, dt), *_TOLERANCES).T
    scale = scale_of(system, samples)
    starts = _spread_starts(samples, np.where(spread > 0, _APART * scale, 0.0), settings)
    if system.delay is not None:
        if vectors is None:
            raise ValueError("exponents: a delay equation has infinitely many")
        delays = [math.ceil(count * dt / parameters[system.delay]) for count in (steps, transient)]
        return _spectrum(_delay_rates(system, parameters, starts, samples, vectors, *delays))
    field = vector_field(system, parameters)
    count = vectors or len(start)
    if system.discrete:  # the field is the map itself
        rates = growth_rates(repeated(field), starts, count, steps, transient, scale=scale)
        return _spectrum(rates / dt)
    inner = inner_steps(field, samples, scale, dt)
    traces: list[float] = []
    complete = count == len(start)
    with progress((steps + transient) * inner, "exponents of the equations") as bar:
        rates = growth_rates(
            advance_by(system, parameters, dt / inner),
            starts,
            count,
            steps * inner,
            transient * inner,
            every=_EVERY,
            scale=scale,
            visit=(lambda z: traces.append(_divergence(field, z, scale))) if complete else None,
            bar=bar,
        )
    return _spectrum(rates * inner / dt, float(np.mean(traces)) if traces else None)


def _spread_starts(samples: Array, offset: Array, settings: OrbitSettings) -> Array:
    """Draw some of the samples (N, T), each moved a little: (N, trajectories).

    `offset` (N,) is the standard deviation of the moves. From a sample itself, a trajectory would
    follow that of another one.
    """
    rng = np.random.default_rng(settings.seed)
    drawn = samples[:, rng.integers(samples.shape[1], size=settings.trajectories)]
    return drawn + offset[:, None] * rng.standard_normal(drawn.shape)


def _spectrum(rates: Array, divergence: float | None = None) -> Spectrum:
    means = rates.mean(axis=0)
    order = np.argsort(means)[::-1]
    errors = rates.std(axis=0, ddof=1) / math.sqrt(len(rates))
    return Spectrum(means[order], errors[order], len(rates), divergence)


def _divergence(field: Field, states: Array, scale: Array) -> float:
    """Return the mean of Σ ∂f_i/∂x_i over states (N, trajectories)."""
    offsets = _LENGTH * np.diag(scale)[:, :, None]
    middle = states[:, None, :]
    ahead, behind = field(middle + offsets), field(middle - offsets)
    diagonal = np.einsum("iit->it", ahead - behind) / (2 * _LENGTH * scale[:, None])
    return float(diagonal.sum(axis=0).mean())


def _delay_rates(
    system: System,
    parameters: Mapping[str, float],
    starts: Array,
    samples: Array,
    vectors: int,
    delays: int,
    transient: int,
) -> Array:
    """Return exponents per time unit, the state being the history of one delay at the nodes."""
    assert system.delay is not None
    blocks = blocks_for(system, parameters, starts[:, 0], *_TOLERANCES)
    if blocks is None:
        raise RunFailed(f"dataset: {system.name} cannot be integrated with {dict(parameters)}")
    history = constant_history(starts, blocks)
    advance = advance_a_delay(system, parameters, blocks)
    shape = history.shape[:-1]

    def step(x: Array) -> Array:
        return advance(x.reshape(*shape, *x.shape[1:])).reshape(x.shape)

    scale = np.broadcast_to(scale_of(system, samples), shape).ravel()
    states = history.reshape(-1, starts.shape[1])
    with progress(delays + transient, "exponents of the equations", "delay") as bar:
        rates = growth_rates(
            repeated(step), states, vectors, delays, transient, scale=scale, bar=bar
        )
    return rates / parameters[system.delay]
