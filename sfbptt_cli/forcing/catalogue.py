"""The training methods by name, and how one is made from its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from sfbptt_cli.common.entry_points import extended
from sfbptt_cli.common.errors import lookup
from sfbptt_cli.forcing.alpha import ALPHAS
from sfbptt_cli.forcing.generalized import Generalized
from sfbptt_cli.forcing.method import Method
from sfbptt_cli.forcing.none import Unforced
from sfbptt_cli.forcing.settings import AlphaSettings, ForcingSettings
from sfbptt_cli.forcing.sparse import Sparse
from sfbptt_cli.forcing.tau_schedule import TauAt
from sfbptt_cli.forcing.truncated import Truncated
from sfbptt_cli.forcing.windowed import Windowed

# From a method's settings, by name, to the method.
METHODS: dict[str, Callable[..., Method]] = {
    "sparse": Sparse,
    "none": Unforced,
    "truncated": Truncated,
    "windowed": Windowed,
    "generalized": Generalized,
}


def build_method(
    settings: ForcingSettings, tau_at: TauAt | None, alpha: AlphaSettings | None
) -> Method:
    """Make the method with its own settings, and τ and α where it has them."""
    parts = asdict(settings)
    build = lookup(extended(METHODS, "methods"), parts.pop("name"), "forcing.name")
    if tau_at is not None:
        parts["tau_at"] = tau_at
    if alpha is not None:
        chosen = asdict(alpha)
        parts["alpha"] = lookup(ALPHAS, chosen.pop("name"), "alpha.name")(**chosen)
    return build(**parts)
