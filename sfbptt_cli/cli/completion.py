"""Tab completion in a shell: `eval "$(sfbptt -sc install=bash)"`, zsh or fish.

The installed function calls `sfbptt -sc query=SHELL` with the line so far in COMP_LINE.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sfbptt_cli.cli.configs import group_choices
from sfbptt_cli.cli.keys import keys_at_hand
from sfbptt_cli.cli.overrides import is_path
from sfbptt_cli.common.checks import one_of
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import COMMANDS

_BASH = """_sfbptt() {
    local IFS=$'\\n'
    export COMP_LINE COMP_POINT
    COMPREPLY=($(sfbptt -sc query=bash 2>/dev/null))
}
complete -o nospace -F _sfbptt sfbptt"""
_ZSH = """(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_sfbptt() {
    local -a found
    found=("${(@f)$(COMP_LINE="$LBUFFER" sfbptt -sc query=zsh 2>/dev/null)}")
    [[ -n $found ]] && compadd -S '' -a found
}
compdef _sfbptt sfbptt"""
_INSTALL = {
    "bash": _BASH,
    "zsh": _ZSH,
    "fish": "complete -c sfbptt -f -a "
    "'(env COMP_LINE=(commandline -cp | string collect) sfbptt -sc query=fish)'",
}
_UNINSTALL = {
    "bash": "complete -r sfbptt",
    "zsh": "compdef -d sfbptt",
    "fish": "complete -c sfbptt -e",
}
_FLAGS = ("--help", "--cfg", "--multirun")


def complete(asked: list[str]) -> int:
    """Print what a shell asks for: the function to install, or the words that may follow."""
    task, _, shell = asked[0].partition("=")
    accepted = "install=SHELL, uninstall=SHELL or query=SHELL"
    if task not in ("install", "uninstall", "query") or len(asked) > 1:
        raise RequestError(f"-sc: '{' '.join(asked)}' was given; accepted: {accepted}")
    one_of("-sc", shell, tuple(_INSTALL))
    if task == "install":
        print(_INSTALL[shell])
    elif task == "uninstall":
        print(_UNINSTALL[shell])
    else:
        line = os.environ.get("COMP_LINE", "")
        line = line[: int(os.environ.get("COMP_POINT") or len(line))]
        for word in candidates(line):
            # bash takes the word apart at the sign, and completes what comes after it.
            print(
                word.rpartition("=")[2] if shell == "bash" and "=" in line.split(" ")[-1] else word
            )
    return 0


def candidates(line: str) -> list[str]:
    """Return what the last word of a command line, up to the cursor, may become."""
    _, *words = line.split(" ")
    if len(words) < 2:
        return _beginning("".join(words), (*COMMANDS, "--help", "--version"))
    command, *others, last = words
    if command not in COMMANDS:
        return []
    key, equals, value = last.partition("=")
    if equals:
        return [f"{key}={found}" for found in _values(command, key, value)]
    keys = keys_at_hand(command, others)
    names = [f"{name}=" for name, kind in keys.items() if "Settings" not in kind]
    if command == "train":
        names.append("from=")
    # A step at a time: first `optimizer.`, then what is below it.
    depth = last.count(".")
    steps = {
        n if n.count(".") <= depth else ".".join(n.split(".")[: depth + 1]) + "." for n in names
    }
    return _beginning(last, (*sorted(steps), *_FLAGS))


def _values(command: str, key: str, value: str) -> list[str]:
    if is_path(key):
        return _files(value)
    if key in (groups := group_choices()):
        return _beginning(value, groups[key])
    kind = keys_at_hand(command, []).get(key, "")
    return _beginning(value, ("true", "false")) if kind == "bool" else []


def _files(value: str) -> list[str]:
    """Return files and folders that a path may become, folders with a sign after them."""
    folder, slash, name = value.rpartition("/")
    try:
        found = sorted(Path(f"{folder}{slash}" or ".").expanduser().iterdir())
    except (OSError, RuntimeError):  # RuntimeError: no such home
        return []
    names = [f"{p.name}/" if p.is_dir() else p.name for p in found if not p.name.startswith(".")]
    return [f"{folder}{slash}{n}" for n in _beginning(name, names)]


def _beginning(text: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(text)]
