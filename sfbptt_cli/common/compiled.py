"""Functions that numba compiles once for a machine, kept in the cache folder of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core import config

from sfbptt_cli.common.cache import cache_folder

# Division by zero gives what IEEE 754 says; outside the interpreter's lock, so that threads gain.
OPTIONS = {"error_model": "numpy", "nogil": True}


def compiled(function: Callable[..., Any]) -> Any:
    """Return `numba.njit` of the function, with its machine code in the cache folder.

    Where that cannot be written the function is compiled by each process. What a function calls is
    part of its machine code, which is made again when the file of the function itself changes, so
    that both belong into one file.
    """
    settings: Any = config
    before = settings.CACHE_DIR
    try:
        settings.CACHE_DIR = str(cache_folder() / "compiled")
        return numba.njit(cache=True, **OPTIONS)(function)
    except (OSError, RuntimeError):  # no place that can be written
        return numba.njit(**OPTIONS)(function)
    finally:
        settings.CACHE_DIR = before
