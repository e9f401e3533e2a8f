"""Fixed points and cycles of a model, and whether they attract."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfbptt_cli.models.base import LatentModel

_TOLERANCE = 1e-10  # of F(z) - z, relative to the size of z where that is above one
_SAME = 1e-6  # distance of two copies of one point, relative likewise
_NEUTRAL = 1e-8  # distance of |eigenvalue| from one that rounding explains
_ITERATIONS = 60  # of Newton's method
_HALVINGS = 8  # of a Newton step
_TRAJECTORY = 1000  # free steps that starts are taken from


@dataclass(frozen=True)
class Cycle:
    """A fixed point (order 1) or a cycle z_1 → … → z_order → z_1 of a model."""

    order: int
    points: NDArray[np.float64]  # (order, state_dim)
    observed: NDArray[np.float64]  # (order, obs_dim), standardised like the data of the model
    eigenvalues: NDArray[np.complex128]  # (state_dim,) of ∂z_{1+order}/∂z_1, largest modulus first
    residual: float  # ‖F(z_order) − z_1‖
    hits: int  # starts that ended here; linear regions, if all of them were looked at

    @property
    def largest(self) -> float:
        """Return the largest modulus of the eigenvalues, over the whole cycle."""
        return float(np.abs(self.eigenvalues[0]))

    @property
    def stability(self) -> str:
        """Return stable, saddle or unstable: no, some or all directions grow; neutral at 1."""
        modulus = np.abs(self.eigenvalues)
        if modulus[0] < 1 - _NEUTRAL:
            return "stable"
        if modulus[0] <= 1 + _NEUTRAL:
            return "neutral"
        return "unstable" if modulus[-1] > 1 + _NEUTRAL else "saddle"


@torch.no_grad()
def find_cycles(
    model: LatentModel,
    state: Tensor,
    max_order: int = 1,
    restarts: int = 256,
    *,
    s: Tensor | None = None,
    seed: int = 0,
    enumerate_regions: bool = True,
) -> list[Cycle]:
    """Return fixed points and cycles up to `max_order`, sorted by order and largest eigenvalue.

    state (starts, state_dim): where free trajectories start. For each order Newton's
    method for F^k(z) = z, z ← z − (J − I)⁻¹ (F^k(z) − z), runs from `restarts` states: a third of
    those trajectories, a third forced from observations drawn around theirs, a third drawn around
    the trajectories. In a piecewise linear model a full step is the exact fixed point of the linear
    region (for a cycle: sequence of regions) it starts from; it stands if it lies in that region,
    else the search goes on from the region where it lies, which is the idea of SCYFI (Eisenmann et
    al., NeurIPS 2023). In the other models steps are halved until ‖F^k(z) − z‖ falls. What is
    found has ‖F^k(z) − z‖ ≤ 1e-10 max(1, ‖z‖); some may be missed, except for
    the fixed points of a piecewise linear model of at most 2^12 regions, all of which are solved
    unless `enumerate_regions` is off.

    s (input_dim): constant external inputs, for a model that has inputs. Float64 throughout.
    Raises ValueError when s does not fit.
    """
    model = copy.deepcopy(model).double()
    s = None if s is None else s.double()
    model.check_inputs(s)
    search = _Search(model, s)
    starts = _starts(search, state.double(), restarts, torch.Generator().manual_seed(seed))
    found: list[Cycle] = []
    for order in range(1, max_order + 1):
        regions = model.linear_regions(s) if order == 1 and enumerate_regions else None
        ends = search.newton(starts, order) if regions is None else _solved(*regions)
        found += _distinct(search, search.converged(ends, order), order)
    return sorted(found, key=lambda cycle: (cycle.order, -cycle.largest))


class _Search:
    """The iterates of a model under constant inputs, and Newton's method for their fixed points."""

    def __init__(self, model: LatentModel, s: Tensor | None) -> None:
        self.model, self.s = model, s

    def _inputs(self, z: Tensor) -> list[Tensor]:
        return [] if self.s is None else [self.s.expand(len(z), -1)]

    def orbit(self, z: Tensor, steps: int) -> Tensor:
        """Return z, F(z), …, F^steps(z): (n, state_dim) -> (n, steps + 1, state_dim)."""
        states = [z]
        for _ in range(steps):
            states.append(self.model.step(states[-1], *self._inputs(z)))
        return torch.stack(states, dim=1)

    def defect(self, z: Tensor, order: int) -> Tensor:
        """Return F^order(z) − z."""
        return self.orbit(z, order)[:, -1] - z

    def jacobian(self, z: Tensor, order: int) -> Tensor:
        """Return ∂F^order/∂z, (n, state_dim, state_dim)."""
        product = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
        for state in self.orbit(z, order - 1).unbind(1):
            product = self.model.jacobian(state, *self._inputs(z)) @ product
        return product

    def converged(self, z: Tensor, order: int) -> Tensor:
        """Return those z that F^order returns to, to the tolerance."""
        size, defect = z.norm(dim=1).clamp_min(1), self.defect(z, order).norm(dim=1)
        return z[size.isfinite() & (defect <= _TOLERANCE * size)]

    def newton(self, z: Tensor, order: int) -> Tensor:
        """Return where Newton's method ends from each z (n, state_dim), converged or not."""
        ended = []
        for _ in range(_ITERATIONS):
            defect = self.defect(z, order)
            size = z.norm(dim=1).clamp_min(1)
            going = defect.norm(dim=1) > 0.01 * _TOLERANCE * size  # False for NaN
            ended.append(z[~going])
            z, defect = z[going], defect[going]
            if not len(z):
                break
            J = self.jacobian(z, order)
            J.diagonal(dim1=1, dim2=2).sub_(1)
            change, singular = torch.linalg.solve_ex(J, -defect)
            regular = (singular == 0) & change.isfinite().all(dim=1)
            z, change, defect = z[regular], change[regular], defect[regular]
            if not self.model.piecewise_linear:
                change = self._shortened(z, change, defect.norm(dim=1), order)
            z = z + change
        return torch.cat([*ended, z])

    def _shortened(self, z: Tensor, change: Tensor, norm: Tensor, order: int) -> Tensor:
        """Return `change`, halved until the defect is smaller than `norm` was, (n)."""
        for _ in range(_HALVINGS):
            smaller = self.defect(z + change, order).norm(dim=1) < norm
            change = change.where(smaller[:, None], change / 2)
        return change


def _starts(search: _Search, state: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return states that Newton's method starts from, (count, state_dim)."""
    model = search.model
    visited = search.orbit(state, _TRAJECTORY).flatten(0, 1)
    visited = visited[visited.isfinite().all(dim=1)]
    drawn = visited[torch.randint(len(visited), (count - 2 * (count // 3),), generator=generator)]

    def around(points: Tensor) -> Tensor:
        """Draw twice as widely as the points, and of order one where they do not differ."""
        wide = (2 * points.std(dim=0)).clamp_min(1.0)
        noise = torch.randn(count // 3, points.shape[1], generator=generator, dtype=points.dtype)
        return points.mean(dim=0) + wide * noise.to(points.device)

    observed = model.readout(visited[:, : model.latent_dim])
    return torch.cat([drawn, model.force(around(observed)), around(visited)])


def _solved(J: Tensor, b: Tensor) -> Tensor:
    """Return the fixed points (I − J)⁻¹ b of maps z' = J z + b, of those that have one."""
    identity = torch.eye(b.shape[1], dtype=b.dtype, device=b.device)
    z, singular = torch.linalg.solve_ex(identity - J, b)
    return z[(singular == 0) & z.isfinite().all(dim=1)]


def _distinct(search: _Search, ends: Tensor, order: int) -> list[Cycle]:
    """Return the cycles of exactly this order through `ends` (n, state_dim), each once."""
    orbits: list[Tensor] = []
    hits: list[int] = []
    for orbit in search.orbit(ends, order):
        z, same = orbit[0], _SAME * max(1.0, orbit[0].norm().item())
        if (orbit[1:order] - z).norm(dim=1).lt(same).any():
            continue  # of a lower order
        twins = [i for i, o in enumerate(orbits) if (o[:-1] - z).norm(dim=1).min() < same]
        if twins:
            hits[twins[0]] += 1
        else:
            orbits.append(orbit)
            hits.append(1)
    return [_cycle(search, orbit, n) for orbit, n in zip(orbits, hits, strict=True)]


def _cycle(search: _Search, orbit: Tensor, hits: int) -> Cycle:
    """Make a cycle from its points and the first one again, (order + 1, state_dim)."""
    points, order = orbit[:-1], len(orbit) - 1
    eigenvalues = torch.linalg.eigvals(search.jacobian(points[:1], order)[0])
    eigenvalues = eigenvalues[eigenvalues.abs().argsort(descending=True)]
    return Cycle(
        order=order,
        points=points.cpu().numpy(),
        observed=search.model.readout(points[:, : search.model.latent_dim]).cpu().numpy(),
        eigenvalues=eigenvalues.cpu().numpy(),
        residual=(orbit[-1] - points[0]).norm().item(),
        hits=hits,
    )
