"""What training, generation and Lyapunov analysis need of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sfbptt_cli.models.readout import LinearReadout


class LatentModel(nn.Module, ABC):
    """A latent map z_{t+1} = F(z_t) observed as x̂_t = B z_t.

    A model knows how to step and how to roll out freely; forcing decides where rollouts start.
    The whole state is one tensor (batch, state_dim), of which the latent state z is the first
    `latent_dim` entries, so that Jacobians over it need no special cases.
    """

    def __init__(self, obs_dim: int, latent_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.obs_dim = obs_dim
        self.latent_dim = latent_dim
        self.readout = LinearReadout(obs_dim, latent_dim, generator)

    @property
    def state_dim(self) -> int:
        """Length of the whole state."""
        return self.latent_dim

    def start(self, z: Tensor) -> Tensor:
        """The state after forcing z (batch, latent_dim) -> (batch, state_dim)."""
        return z

    def force(self, x: Tensor) -> Tensor:
        """The state computed from the data alone, x (batch, obs_dim) -> (batch, state_dim)."""
        return self.start(self.readout.invert(x))

    @abstractmethod
    def step(self, state: Tensor) -> Tensor:
        """The model's equation: (batch, state_dim) -> (batch, state_dim)."""

    def rollout(self, state: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """`steps` free steps from `state` (batch, state_dim).

        Returns the latent states after each of them (batch, steps, latent_dim) and the last whole
        state, from which another rollout goes on.
        """
        latents = []
        for _ in range(steps):
            state = self.step(state)
            latents.append(state[:, : self.latent_dim])
        return torch.stack(latents, dim=1), state
