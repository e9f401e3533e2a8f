"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., ICLR 2025)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# A longer side of a matrix keeps its coordinates: its eigenbasis costs more than the gradient.
_LONGEST_TURNED = 1024
_EPSILON = 1e-8  # of Adam's denominator


class SOAP(Optimizer):
    """Algorithm 3 of the paper; vectors have Adam, the first gradient only makes the bases.

    Of the gradients G of a matrix, L and R are averages of G Gᵀ and Gᵀ G, with the eigenvectors
    Q_L, Q_R. Each update is

        M ← β₁ M + (1 − β₁) G,  V ← β₂ V + (1 − β₂) (Q_Lᵀ G Q_R)²
        W ← W − rate · Q_L (Q_Lᵀ M Q_R / √V) Q_Rᵀ           with M, V free of their bias

    and every `basis_every` updates L Q_L and R Q_R, made orthogonal, are the next bases. β₂ also
    averages L and R.

    Steps are the same bits on any number of threads. Eigenvectors and products of another number
    of threads differ by rounding. In directions of the eigenbasis along which there is no gradient,
    rounding is all there is, and like Adam SOAP makes whole steps of it. Matrices of these sizes
    are no faster on more threads.
    """

    # Torch's methods as they are written: wrapped, they import its compiler when first called,
    # which takes a second and 70 MB.
    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    load_state_dict = inspect.unwrap(Optimizer.load_state_dict)

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, basis_every: int) -> None:
        usual = {"lr": lr, "betas": (0.9, 0.95), "basis_every": basis_every, "step": 0}
        super().__init__(parameters, usual)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Make one step from the gradients; there is no closure."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._move(parameter, parameter.grad, group)
                group["step"] += 1
        finally:
            torch.set_num_threads(threads)

    def _move(self, parameter: Tensor, G: Tensor, group: dict[str, Any]) -> None:
        """Move a parameter and what is remembered of its gradients."""
        (beta1, beta2), step, state = group["betas"], group["step"], self.state[parameter]
        if not state:
            state.update(_begun(G, beta2))
            return
        bases, M, V = state["bases"], state["M"], state["V"]
        turned = _turned(G, bases)
        V.mul_(beta2).addcmul_(turned, turned, value=1 - beta2)
        M.lerp_(G, 1 - beta1)
        rate = group["lr"] * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        move = _turned(_turned(M, bases) / V.sqrt().add_(_EPSILON), bases, back=True)
        parameter.add_(move, alpha=-rate)
        for side, product in enumerate(state["products"]):
            if product is not None:
                rows = _rows(G, side)
                product.addmm_(rows, rows.mT, beta=beta2, alpha=1 - beta2)
        if step % group["basis_every"] == 0:
            _renew(state)


def _begun(G: Tensor, beta2: float) -> dict[str, Any]:
    """Return the state of a parameter from its first gradient; sides that are not turned: None."""
    products: list[Tensor | None] = []
    for side in range(G.dim() if G.dim() > 1 else 0):
        rows = _rows(G, side)
        turned = len(rows) <= _LONGEST_TURNED
        products.append((rows @ rows.mT).mul_(1 - beta2) if turned else None)
    # From the largest eigenvalue to the smallest.
    bases = [None if p is None else torch.linalg.eigh(p)[1].flip(1) for p in products]
    M, V = torch.zeros_like(G), torch.zeros_like(G)
    return {"M": M, "V": V, "products": products, "bases": bases}


def _renew(state: dict[str, Any]) -> None:
    """Bring the bases nearer to the eigenvectors: a step of power iteration, made orthogonal.

    Basis vectors are sorted by their eigenvalue, and V with them.
    """
    for side, (product, Q) in enumerate(zip(state["products"], state["bases"], strict=True)):
        if product is not None:
            powered = product @ Q
            order = (Q * powered).sum(0).argsort(descending=True)
            state["V"] = state["V"].index_select(side, order)
            state["bases"][side] = torch.linalg.qr(powered.index_select(1, order))[0]


def _rows(G: Tensor, side: int) -> Tensor:
    """Return G as a matrix whose rows lie along `side`."""
    if G.dim() == 2:
        return G.mT if side else G
    return G.movedim(side, 0).flatten(1)


def _turned(G: Tensor, bases: list[Tensor | None], back: bool = False) -> Tensor:
    """Turn G into the bases of its sides, or back: Q_Lᵀ G Q_R, or Q_L G Q_Rᵀ."""
    for Q in bases:
        # The first axis becomes the last one: after all sides they are in their order again. `mT`
        # takes a quarter of the time.
        G = G.mT if G.dim() == 2 else G.movedim(0, -1)
        if Q is not None:
            G = G @ (Q.mT if back else Q)
    return G
