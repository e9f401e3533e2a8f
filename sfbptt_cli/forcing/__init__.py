"""Training methods, one file each: where free rollouts start, and what is mixed into them.

From the window x_1 … x_{T+1} each predicts x_2 … x_{T+1}: predict, score, then force.
"""

from collections.abc import Callable

from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.forcing.none import Unforced
from sfbptt_cli.forcing.sparse import Sparse, sparse
from sfbptt_cli.forcing.truncated import Truncated
from sfbptt_cli.forcing.windowed import Windowed

# From a method's settings (keyword arguments, all with defaults) to the method.
METHODS: dict[str, Callable[..., Method]] = {
    "sparse": Sparse,
    "none": Unforced,
    "truncated": Truncated,
    "windowed": Windowed,
    "generalized": Generalized,
}

__all__ = [
    "METHODS",
    "Generalized",
    "Method",
    "Sparse",
    "Truncated",
    "Unforced",
    "Windowed",
    "sparse",
]
