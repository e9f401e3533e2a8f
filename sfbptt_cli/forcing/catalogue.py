"""The training methods by name."""

from collections.abc import Callable

from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.forcing.none import Unforced
from sfbptt_cli.forcing.sparse import Sparse
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
