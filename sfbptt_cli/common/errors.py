"""How a command ends without success; the command line prints each as one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class RequestError(ValueError):
    """The request is wrong: exit status 2. The message names field, value and what is accepted."""


class RunFailed(Exception):
    """The request was right, but the run failed (diverged, no space): exit status 1."""


class Interrupted(Exception):
    """A stop signal ended the run after a checkpoint: exit status 130."""


# What other programs call a choice.
_ALIASES = {
    "gpu": "cuda",
    "gtf": "generalized",
    "tf": "sparse",
    "stf": "sparse",
    "teacher_forcing": "sparse",
    "bptt": "none",
    "tbptt": "truncated",
    "lorenz63": "lorenz",
    "lorenz_63": "lorenz",
    "elman": "rnn",
    "vanilla": "rnn",
    "tanh": "rnn",
    "alrnn": "al_rnn",
    "dendplrnn": "dendritic_plrnn",
    "shplrnn": "shallow_plrnn",
    "one_cycle": "onecycle",
    "step": "exponential",
    "rmsprop": "adam",
    "array": "npy",
    "numpy": "npy",
}


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a hint `(did you mean 'tau'?)`, or an empty string when nothing is near."""
    by_small_letters = {choice.lower(): choice for choice in choices}
    meant = _ALIASES.get(re.sub(r"[-:].*", "", name.lower()))
    if meant in by_small_letters and name.lower() not in by_small_letters:
        return f" (did you mean '{meant}'?)"
    found = difflib.get_close_matches(name.lower(), list(by_small_letters), n=1, cutoff=0.5)
    return f" (did you mean '{by_small_letters[found[0]]}'?)" if found else ""


def choices(names: Iterable[str]) -> str:
    """Join the names, sorted, for a message."""
    return ", ".join(sorted(names))


def lookup(table: Mapping[str, T], name: str, field: str) -> T:
    """Return an entry of a table; for an unknown name RequestError lists the choices."""
    if name not in table:
        raise RequestError(
            f"{field}: '{name}' is unknown; accepted: {choices(table)}{nearest(name, table)}"
        )
    return table[name]
