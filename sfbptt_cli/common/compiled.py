"""Functions compiled by numba, once for a machine."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numba
import scipy
from numba.core.caching import FunctionCache

from sfbptt_cli.common.cache import cache_folder

# numba sets its attributes at run time, where type checkers do not see them.
_config: Any = numba.config  # pyright: ignore[reportPrivateImportUsage]
# What the compiler may change in arithmetic: nothing that takes NaN or infinity to be impossible.
_RELAXED = {"nsz", "arcp", "contract", "reassoc"}
# Division by zero gives what IEEE 754 says; without Python's lock, so that threads gain. What is
# called becomes part of the caller: else a process that compiles a caller would link another copy
# of it than one that loads it, and the two may round otherwise.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "forceinline": True}
_FOLDERS: dict[Path, Path] = {}


def _one_thread_for_products() -> None:
    """Let scipy's BLAS, which np.dot is in a compiled function, use one thread.

    Products of these sizes gain nothing by more, on a busy machine threads that wait for each other
    take ten times as long, and results would depend on their number.
    """
    libraries = Path(scipy.__file__).parents[1] / "scipy.libs"  # as in the wheels for Linux
    for library in libraries.glob("libscipy_openblas*"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).scipy_openblas_set_num_threads(1)


_one_thread_for_products()


def compiled(function: Callable[..., Any] | None = None, *, exact: bool = False) -> Any:
    """Compile a function for the types that it is called with.

    Machine code is kept in the user's cache folder; where that cannot be written, every process
    compiles for itself. A compiled function may call those of its own package and none of another:
    the code is made anew after a change in the folder of its source. Functions given as arguments
    would be compiled in every process. Sums may be taken in another order than the written one, the
    same in every run, unless the arithmetic is to be `exact`.
    """
    if function is None:
        return partial(compiled, exact=exact)
    relaxed: dict[str, Any] = {} if exact else {"fastmath": _RELAXED}
    dispatcher: Any = numba.njit(**OPTIONS, **relaxed)(function)
    with suppress(OSError, RuntimeError):  # no home, or no folder that can be written
        dispatcher._cache = _Cache(function)
    return dispatcher


class _Cache(FunctionCache):
    """numba's cache in a folder of its own, which can fail without a word."""

    def __init__(self, function: Any) -> None:
        folder, before = _folder(Path(function.__code__.co_filename).parent), _config.CACHE_DIR
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(folder)
        _config.CACHE_DIR = str(folder)
        try:
            super().__init__(function)
        finally:
            _config.CACHE_DIR = before

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a file that was cut off may raise anything
            with suppress(OSError):
                self.flush()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # a full disk, a folder that became read-only
            super().save_overload(sig, data)


def _folder(package: Path) -> Path:
    """Return the folder for code of the sources in `package`."""
    if package not in _FOLDERS:
        sources = hashlib.sha256()
        for source in sorted(package.glob("*.py")):
            sources.update(source.read_bytes())
        _FOLDERS[package] = cache_folder() / "compiled" / sources.hexdigest()[:16]
    return _FOLDERS[package]
