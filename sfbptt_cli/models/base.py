"""The interface of a model: step, roll out, force, differentiate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypedDict

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.models.initialization import uniform
from sfbptt_cli.models.kernels import columns
from sfbptt_cli.models.kernels.columns import Compiled
from sfbptt_cli.models.readout import READOUTS, Readout
from sfbptt_cli.models.settings import ModelSettings

# What of B⁺ a learned gain starts from: halfway between model and data.
_LEARNED_FROM = 0.5


class Common(TypedDict, total=False):
    """Keyword arguments that every model passes on to LatentModel."""

    input_dim: int  # K, width of the external inputs
    readout: str  # a name in READOUTS
    warmup: int  # w, steps along the data that a state is computed from
    gain: float | str  # of the correction on the way, in (0, 1], or learned


class LatentModel(nn.Module, ABC):
    """A latent map z_{t+1} = F(z_t, s_{t+1}) observed as x̂_t = B z_t.

    A model knows how to step and how to roll out freely; forcing decides where rollouts start.
    The whole state is one tensor (batch, state_dim), of which the latent state z is the first
    `latent_dim` entries, so that Jacobians over it need no special cases.

    External inputs s (…, input_dim), those of the time a step arrives at, enter every model as
    + C s, in gated and tanh models before the nonlinearity. C (gates * latent_dim, input_dim)
    exists when input_dim > 0 only and is drawn uniformly from ±1/√latent_dim.

    `warm_up` computes a state from w + 1 observations. Its gain K is `gain` B⁺, or, learned,
    ½ B⁺ + ΔK: ΔK (state_dim, obs_dim) starts at zero and exists when w > 0 only.
    """

    # Of a model of another package; a subclass of it where the model has settings of its own.
    Settings: ClassVar[type[ModelSettings]] = ModelSettings
    gates: ClassVar[int] = 1  # how many times the inputs enter: once a gate of a gated model
    piecewise_linear: ClassVar[bool] = False  # in the state, so that Newton's steps are exact

    readout: Readout
    C: nn.Parameter | None
    gain: nn.Parameter | None  # ΔK

    def __init__(
        self,
        obs_dim: int,
        latent_dim: int,
        generator: torch.Generator,
        *,
        input_dim: int = 0,
        readout: str = "linear",
        warmup: int = 0,
        gain: float | str = "learned",
    ) -> None:
        super().__init__()
        self.obs_dim = obs_dim
        self.latent_dim = latent_dim
        self.input_dim = input_dim
        self.readout = lookup(READOUTS, readout, "model.readout")(obs_dim, latent_dim, generator)
        C = None
        if input_dim:
            bound = 1 / math.sqrt(latent_dim)
            C = nn.Parameter(uniform(generator, bound, self.gates * latent_dim, input_dim))
        self.register_parameter("C", C)
        self.warmup = warmup
        learned = gain == "learned"
        self._part = _LEARNED_FROM if learned else float(gain)  # of B⁺ in K
        zero = torch.zeros(self.state_dim, obs_dim) if learned and warmup else None
        self.register_parameter("gain", None if zero is None else nn.Parameter(zero))

    @property
    def state_dim(self) -> int:
        """Return the length of the whole state."""
        return self.latent_dim

    def start(self, z: Tensor) -> Tensor:
        """Return the state after forcing z (batch, latent_dim) -> (batch, state_dim)."""
        return z

    def force(self, x: Tensor) -> Tensor:
        """Return the state computed from data alone, x (batch, obs_dim) -> (batch, state_dim)."""
        return self.start(self.readout.invert(x))

    def warm_up(self, x: Tensor, s: Tensor | None = None) -> Tensor:
        """Return the state at the last of the observations x (batch, w + 1, obs_dim).

        An observer (Luenberger 1964) follows the data: z ← B⁺ x_1, then for t = 2 … w + 1
        z ← F(z), z ← z + K (x_t − B z). The state is corrected as a whole. External inputs
        s (batch, w, input_dim) are those of the times that the steps arrive at.
        """
        steps = x.shape[1] - 1
        if not steps:
            return self.force(x[:, 0])
        self.check_inputs(s, len(x), steps)
        # B⁺ of both in one go: it takes as long as some steps.
        forced = self.force(torch.cat([self._units(), x[:, 0]]))
        gain = self._gain(forced[: self.obs_dim])
        return self.follow(forced[self.obs_dim :], x[:, 1:], gain, s)

    def follow(self, state: Tensor, x: Tensor, gain: Tensor, s: Tensor | None) -> Tensor:
        """Step w times and add K (x_t − B z) after each; return the last state.

        x (batch, w, obs_dim); gain (obs_dim, state_dim) is the transpose of K.
        """
        compiled = self._compiled(state, x, gain, s)
        if compiled is None:
            return self.follow_by_steps(state, x, gain, s)
        observer = x, gain.T, self.readout.weight
        return columns.run(*compiled, state, self.latent_dim, x.shape[1], s, observer)[1]

    def follow_by_steps(self, state: Tensor, x: Tensor, gain: Tensor, s: Tensor | None) -> Tensor:
        """Do `follow` without a kernel."""
        # K x_t of all steps at once; what is left of the correction is K B z.
        pulled, held = x @ gain, self.readout.weight.T @ gain
        step, inputs = self.stepper(), [None] * x.shape[1] if s is None else s.unbind(1)
        for pull, driving in zip(pulled.unbind(1), inputs, strict=True):
            state = step(state, driving)
            state = torch.addmm(state + pull, state[:, : self.latent_dim], held, alpha=-1)
        return state

    def correction(self) -> Tensor:
        """Return the transpose of the gain K, (obs_dim, state_dim): error @ Kᵀ is added."""
        return self._gain(self.force(self._units()))

    def _units(self) -> Tensor:
        """Return the unit vectors of the observations, of which `force` makes B⁺."""
        weight = self.readout.weight
        return torch.eye(self.obs_dim, dtype=weight.dtype, device=weight.device)

    def _gain(self, inverse: Tensor) -> Tensor:
        return self._part * inverse if self.gain is None else self._part * inverse + self.gain.T

    @abstractmethod
    def step(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Step by the model's equation: (batch, state_dim) -> (batch, state_dim).

        s (batch, input_dim) are the inputs at the time the step arrives at, for a model that has
        inputs and for no other.
        """

    def stepper(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return `step` for many steps; what does not depend on z is computed once."""
        return self.step

    def rollout(self, state: Tensor, steps: int, s: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run `steps` free steps from `state` (batch, state_dim), with inputs s (batch, steps, K).

        Returns the latent states after each of them (batch, steps, latent_dim) and the last whole
        state, from which another rollout goes on.
        """
        compiled = self._compiled(state, s)
        if compiled is None:
            return self.rollout_by_steps(state, steps, s)
        self.check_inputs(s, len(state), steps)
        return columns.run(*compiled, state, self.latent_dim, steps, s)

    def predict(
        self,
        state: Tensor,
        steps: int,
        s: Tensor | None = None,
        short: tuple[int, int] = (0, 0),
    ) -> tuple[Tensor, Tensor]:
        """Do `rollout` and read out: x̂ (batch, steps, obs_dim) and the last whole state.

        The last `short[0]` of the states take `short[1]` steps only; zeros take the place of what
        would be predicted after them, and the last state is the one after them.
        """
        compiled = self._compiled(state, s)
        if compiled is not None:
            self.check_inputs(s, len(state), steps)
            given = (*compiled, state, self.latent_dim, steps, s)
            return columns.run(*given, readout=self.readout.weight, short=short)
        count, few = short
        if not count:
            z, last = self.rollout(state, steps, s)
            return self.readout(z), last
        head, state = self.predict(state, few, None if s is None else s[:, :few])
        ended = state[-count:]
        tail, last = self.predict(
            state[:-count], steps - few, None if s is None else s[:-count, few:]
        )
        tail = nn.functional.pad(tail, (0, 0, 0, 0, 0, count))
        return torch.cat([head, tail], dim=1), torch.cat([last, ended])

    def kernel(self) -> Compiled | None:
        """Return the compiled passes of the step and their weights, with gradients, or None.

        A model that has none is stepped by torch.
        """
        return None

    def _compiled(self, *given: Tensor | None) -> Compiled | None:
        """Return `kernel` where it can be used on what is given to it."""
        compiled = self.kernel() if columns.takes(*given) else None
        return compiled if compiled and columns.takes(*given, *compiled[1]) else None

    def rollout_by_steps(
        self, state: Tensor, steps: int, s: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Do `rollout` without a kernel: every transform of torch, such as vmap, applies to it."""
        self.check_inputs(s, len(state), steps)
        step, latents = self.stepper(), []
        for driving in [None] * steps if s is None else s.unbind(1):
            state = step(state, driving)
            latents.append(state[:, : self.latent_dim])
        return torch.stack(latents, dim=1), state

    def jacobian(self, state: Tensor, s: Tensor | None = None) -> Tensor:
        """Return ∂F/∂state at each state: (batch, state_dim) -> (batch, state_dim, state_dim).

        Entry [:, i, j] is the derivative of entry i of the next state by entry j of this one.
        """
        self.check_inputs(s)
        if s is None:
            return vmap(jacrev(lambda z: self.step(z[None])[0]))(state)
        return vmap(jacrev(lambda z, s: self.step(z[None], s[None])[0]))(state, s)

    def tangent(
        self, state: Tensor, vectors: Tensor, s: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the next state and vectors Jᵀ, the tangent vectors there.

        vectors (batch, k, state_dim): those at state (batch, state_dim), one a row.
        """
        return self.step(state, s), vectors @ self.jacobian(state, s).mT

    def linear_terms(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return A (M), W (M, …) and h (M) of z' = A z + W φ(z) + h + C s, with gradients.

        Raises RequestError for a model that has no such terms.
        """
        raise RequestError(
            f"regularization.manifold_weight: given for {type(self).__name__}; accepted: 0, "
            "or a piecewise-linear model (plrnn, dendritic_plrnn, shallow_plrnn, al_rnn)"
        )

    def linear_regions(self, s: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        """Return the maps z' = J z + b of all linear regions: J (regions, M, M) and b (regions, M).

        None where the model is not piecewise linear or has more than MOST_REGIONS of them.
        s (input_dim): constant external inputs.
        """
        return None

    def drive(self, s: Tensor | None) -> Tensor | float:
        """Return C s, (…, input_dim) -> (…, gates * latent_dim); 0 for a model without inputs."""
        self.check_inputs(s)
        return 0.0 if s is None or self.C is None else s @ self.C.T

    def driven(self, W: Tensor, constant: Tensor) -> Tensor:
        """Return [W C constant], (rows, L), (rows) -> (rows, L + K + 1): times [z; s; 1] a step."""
        parts = [W, constant[:, None]] if self.C is None else [W, self.C, constant[:, None]]
        return torch.cat(parts, dim=1)

    def check_inputs(self, s: Tensor | None, *axes: int) -> None:
        """Raise ValueError unless s is there where, and only where, the model has inputs.

        Its last axis is input_dim; the others are `axes` where they are given.
        """
        if s is None:
            if self.input_dim:
                raise ValueError(
                    f"no inputs s were given; accepted: s of width input_dim = {self.input_dim}"
                )
        elif not self.input_dim:
            raise ValueError(
                f"inputs s of shape {tuple(s.shape)} were given; a model with input_dim = 0 "
                "accepts none"
            )
        elif s.shape[-1] != self.input_dim or (axes and s.shape[:-1] != axes):
            accepted = ", ".join(str(n) for n in (*(axes or "…"), self.input_dim))
            raise ValueError(
                f"inputs s of shape {tuple(s.shape)} were given; accepted: ({accepted}), "
                "the last axis being input_dim"
            )
