"""The words with which this program was called."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def program() -> str:
    """Return `sfbptt`, or `python -m sfbptt_cli`; first called before Hydra sees the arguments."""
    called = Path(sys.argv[0])
    module = (called.parent.name, called.name) == ("sfbptt_cli", "__main__.py")
    return "python -m sfbptt_cli" if module else "sfbptt"
