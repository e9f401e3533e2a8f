"""SOAP, from pytorch_optimizer; imported where it is used, as that takes a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from pytorch_optimizer import SOAP
from torch import nn

# A longer side of a matrix keeps its coordinates: its eigenbasis costs more than the gradient.
_LONGEST_TURNED = 1024


class OneThreadSOAP(SOAP):
    """SOAP (Vyas et al., ICLR 2025) whose steps are the same bits on any number of threads.

    Eigenvectors and products of another number of threads differ by rounding. In directions of the
    eigenbasis along which there is no gradient, rounding is all there is, and like Adam SOAP makes
    whole steps of it. Matrices of these sizes are no faster on more threads.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, basis_every: int) -> None:
        super().__init__(
            parameters,
            lr,
            (0.9, 0.95),  # of both averages of Adam; the second one also of G Gᵀ and Gᵀ G
            weight_decay=0.0,
            precondition_frequency=basis_every,
            max_precondition_dim=_LONGEST_TURNED,
        )
        # Which it would add later: states are compared by their keys.
        self.param_groups[0]["step"] = 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().step(closure)
        finally:
            torch.set_num_threads(threads)
