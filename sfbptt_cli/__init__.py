"""sfbptt: reconstruct chaotic dynamical systems with RNNs trained by sparsely forced BPTT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sfbptt_cli.experiment.run import Run, load_run

__version__ = "0.1.0"
__all__ = ["Run", "__version__", "load_run"]


def __getattr__(name: str) -> object:
    # Importing torch takes over a second; `sfbptt --help` must not pay for it.
    if name in ("Run", "load_run"):
        from sfbptt_cli.experiment import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
