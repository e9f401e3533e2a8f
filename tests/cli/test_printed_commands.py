"""The documents: every command that they print is one that the program accepts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import composed
from hydra.core.override_parser.overrides_parser import OverridesParser

from sfbptt_cli.cli.keys import known_keys
from sfbptt_cli.cli.messages import refuse_unknown_keys
from sfbptt_cli.cli.overrides import prepare
from sfbptt_cli.cli.reader import with_reader
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.config.schema import checked_config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("outputs/*/README.md")],
)
# Whole lines of blocks, and commands within a sentence.
_COMMAND = re.compile(
    r"(?:^(?:\$ )?|`)(?:sfbptt|\./scripts/run) (\w+)((?: [^`\n]*)?)(?:$|`)", re.MULTILINE
)
_CONTINUED = re.compile(r" *\\\n *")
# What a reader puts a name of theirs in the place of.
_PLACEHOLDER = re.compile(r"[A-Z]{3,}|…| \[")


def printed(document: Path) -> Iterator[tuple[str, list[str]]]:
    """Find the commands of a document, those apart that leave something open."""
    text = _CONTINUED.sub(" ", document.read_text(encoding="utf-8"))
    for command, rest in _COMMAND.findall(text):
        arguments = shlex.split(rest.split(" | ")[0].split(" > ")[0], comments=True)
        left_open = _PLACEHOLDER.search(rest.split("#")[0]) or "from=" in rest
        if command in COMMANDS and arguments and arguments != ["--help"] and not left_open:
            yield command, arguments


def runs_of(arguments: list[str]) -> list[list[str]]:
    """Return the overrides of a run; of a sweep, those of its first run and of its last."""
    given = [argument for argument in arguments if not argument.startswith("-")]
    parsed = OverridesParser.create().parse_overrides(given)
    values = [
        list(o.sweep_string_iterator()) if o.is_sweep_override() else [o.get_value_element_as_str()]
        for o in parsed
    ]
    ends = (0, -1) if any(len(v) > 1 for v in values) else (0,)
    keys = [override.key_or_group for override in parsed]
    return [[f"{key}={v[end]}" for key, v in zip(keys, values, strict=True)] for end in ends]


CASES = [
    pytest.param(command, arguments, id=f"{document.name}-{shlex.join([command, *arguments])}")
    for document in DOCUMENTS
    for command, arguments in printed(document)
]


@pytest.mark.parametrize(("command", "arguments"), CASES)
def test_printed_commands_are_accepted(
    command: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = prepare(command, with_reader(command, arguments))
    refuse_unknown_keys(command, prepared)
    for overrides in runs_of(prepared):
        plain = composed(command, *(o for o in overrides if not o.startswith("hydra")))
        plain.pop("from", None)
        checked_config(plain, COMMANDS[command])


def test_documents_print_commands() -> None:
    assert {"train", "inspect", "evaluate", "report"} <= {case.values[0] for case in CASES}
    assert len(CASES) > 20


def test_settings_in_sentences_exist() -> None:
    known = {"run", "runs", "from", "experiment", *known_keys("train")}
    known |= {key for command in COMMANDS for key in known_keys(command)}
    unknown = [
        f"{document.name}: {text}"
        for document in DOCUMENTS
        if document.name != "CHANGELOG.md"  # which has those of earlier versions, too
        for text in re.findall(r"`'?([a-z_]+(?:\.\w+)*=[^`\n]*)`", document.read_text("utf-8"))
        if text.partition("=")[0] not in known
    ]
    assert not unknown
