"""What tests of hostile files share: one-line refusals, processes of little memory, forging."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.storage.checkpoint import _digests


def refusal(call: Callable[[], object], path: Path | None = None) -> str:
    """The message of a refusal, which is one line, with the path as {path}."""
    with pytest.raises(RequestError) as refused:
        call()
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message.replace(f"'{path}'", "{path}")


def in_little_memory(code: str, *paths: Path, mebibytes: int = 300) -> str:
    """What `read`, which `code` defines, does with each path: a line `read`, or its refusal.

    It may take that much memory.
    """
    program = f"""
import resource, sys
from pathlib import Path
import torch
from sfbptt_cli.common.errors import RequestError
{textwrap.dedent(code)}
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + {mebibytes} * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in map(Path, sys.argv[1:]):
    try:
        read(path)
        print("read")
    except RequestError as error:
        print(error)
"""
    command = [sys.executable, "-c", program, *map(str, paths)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def edited(state: Any, at: str, value: Any) -> Any:
    """The state with the entry `at` (dotted) replaced; in a list, that of every entry."""
    key, _, rest = at.partition(".")
    if isinstance(state, list):
        return [edited(x, rest, value) if rest else value for x in state]
    known = int(key) if key.isdigit() else key
    return {**state, known: edited(state[known], rest, value) if rest else value}


def sealed(content: bytes) -> bytes:
    """A checkpoint with the checksum of its bytes, whatever they are; others as they are."""
    try:
        return content.replace(*_digests(content), 1)
    except ValueError:
        return content
