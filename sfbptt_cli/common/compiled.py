"""Functions that numba compiles once for a machine, kept in the cache folder of the program."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
from numba.core import config

from sfbptt_cli.common.cache import cache_folder

# Division by zero gives what IEEE 754 says; outside the interpreter's lock, so that threads gain.
OPTIONS = {"error_model": "numpy", "nogil": True}


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorate a function by `numba.njit`, with its machine code in the cache folder.

    Where that cannot be written the function is compiled by each process. What a function calls is
    part of its machine code, which is made again when the file of the function itself changes, so
    that both belong into one file.
    """
    if function is None:
        return partial(compiled, **options)
    settings: Any = config
    before = settings.CACHE_DIR
    try:
        settings.CACHE_DIR = str(cache_folder() / "compiled")
        return numba.njit(cache=True, **OPTIONS, **options)(function)
    except (OSError, RuntimeError):  # no place that can be written
        return numba.njit(**OPTIONS, **options)(function)
    finally:
        settings.CACHE_DIR = before
