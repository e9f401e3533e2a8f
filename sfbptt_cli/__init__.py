"""sfbptt: reconstruct chaotic dynamical systems with RNNs trained by sparsely forced BPTT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sfbptt_cli.cli.python import train
    from sfbptt_cli.common.errors import Interrupted, RequestError, RunFailed
    from sfbptt_cli.experiment.run import Run, load_run

__version__ = "0.1.0"
__all__ = ["Interrupted", "RequestError", "Run", "RunFailed", "__version__", "load_run", "train"]

_MODULES = {
    "Interrupted": "common.errors",
    "RequestError": "common.errors",
    "Run": "experiment.run",
    "RunFailed": "common.errors",
    "load_run": "experiment.run",
    "train": "cli.python",
}


def __getattr__(name: str) -> object:
    # Importing torch takes over a second; `sfbptt --help` must not pay for it.
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"sfbptt_cli.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
