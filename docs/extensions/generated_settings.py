"""The settings page, made from the dataclasses: field, default, what is accepted, comment.

`<!-- settings -->` in a page becomes the settings of every command and of every choice of a config
group, `<!-- presets -->` a table of the presets.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from sphinx.application import Sphinx

from sfbptt_cli.cli.help import EXAMPLES, comments_of
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.settings import WORDS, Settings
from sfbptt_cli.config.commands import COMMANDS
from sfbptt_cli.config.store import GROUPS
from sfbptt_cli.data.settings import MovedSettings
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.training.settings import (
    RegularizationSettings,
    TauSearchSettings,
    ValidationSettings,
)

Row = tuple[str, str, str, str]  # setting, default, what is accepted, meaning

CONFIGS = Path(__file__).parents[2] / "configs"
# Groups of settings that have one choice, and stand below a command.
_SECTIONS = (
    EvaluationSettings,
    ValidationSettings,
    RegularizationSettings,
    TauSearchSettings,
)

# Two messages of one check, for a number that is too small and one that is too large.
_BOUNDS = re.compile(
    r"whole number of at least ([\d,]+)(?:, or \w+)*; a number of at most ([\d,]+)"
)


def accepted(field: dataclasses.Field[Any]) -> str:
    """Return what a field accepts, in the words of the message that refuses what it does not."""
    check = field.metadata.get("check")
    if check is None:
        return "true, false" if str(field.type) == "bool" else ""
    found: dict[str, None] = {}
    for wrong in ("\x00", float("inf"), 10**40, -(10**40)):
        try:
            check("x", wrong)
        except RequestError as error:
            said = re.sub(r" \(did you mean .*", "", str(error).split("accepted: ", 1)[-1])
            found[said] = None
        except (TypeError, ValueError, AttributeError):
            continue  # a check of lists
    return _BOUNDS.sub(r"whole number from \1 to \2", "; ".join(found))


def default(field: dataclasses.Field[Any]) -> str:
    """Return a default as it is written on the command line."""
    value = field.default
    if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING or value == "???":
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1_000)
    text = text.removesuffix("...\n").strip()
    return f"`{text}`"


def rows(settings: type[Settings], prefix: str, without: set[str]) -> list[Row]:
    """Describe the fields that are values, not groups, apart from those in `without`."""
    said = comments_of(settings)
    return [
        (f"`{prefix}{field.name}`", default(field), accepted(field), meaning(field, said))
        for field in dataclasses.fields(settings)
        if field.name not in without and field.name not in _groups()
    ]


def meaning(field: dataclasses.Field[Any], said: Mapping[str, str]) -> str:
    """Return the comment of a field without the words that stand in the column before."""
    words = ", ".join(field.metadata.get(WORDS, ()))
    return said.get(field.name, "").removesuffix(f"({words})").strip()


def table(described: list[Row]) -> Iterator[str]:
    """Write rows as a table."""
    if not described:
        return
    yield from ("| setting | default | accepted | meaning |", "|---|---|---|---|")
    for row in described:
        yield "| " + " | ".join(_escaped(cell) for cell in row) + " |"
    yield ""


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("<", "&lt;")


def _groups() -> set[str]:
    return {*GROUPS, *(section.group for section in _SECTIONS), MovedSettings.group}


def _first_paragraph(settings: type[Any]) -> str:
    return " ".join((inspect.getdoc(settings) or "").split("\n\n")[0].split())


def _common(classes: Mapping[str, type[Any]]) -> type[Any]:
    """Return the class that all settings of a group derive from."""
    shared = set.intersection(*(set(settings.__mro__) for settings in classes.values()))
    return max(shared, key=lambda part: len(part.__mro__))


def group_page(name: str, classes: Mapping[str, type[Any]]) -> Iterator[str]:
    """Write a config group: what all choices have, then what each has of its own."""
    common = _common(classes)
    yield from (f"### `{name}`", "", _first_paragraph(common), "")
    yield from choices_table(name)
    yield from table(rows(common, f"{name}.", {"name", "source"}))
    shared = {field.name for field in dataclasses.fields(common)} | {"source"}
    of_class: dict[type[Any], list[str]] = {}
    for choice, settings in classes.items():
        of_class.setdefault(settings, []).append(choice)
    key = "source" if name == "dataset" else name
    told: dict[str, list[Row]] = {}
    for settings, choices in of_class.items():
        which = ", ".join(f"`{key}={choice}`" for choice in choices)
        own = rows(settings, f"{name}.", shared)
        if not own:
            continue
        # A choice that has hardly more than another one is told by the difference.
        like = [other for other, known in told.items() if _most(own, known)]
        new = [row for row in own if not like or row not in told[like[0]]]
        said = f" The other settings are those of {like[0]}." if like else ""
        yield from (f"{which}: {_first_paragraph(settings)}{said}", "", *table(new))
        told[which] = own


def _most(own: list[Row], known: list[Row]) -> bool:
    return sum(row in known for row in own) > 0.8 * len(own)


def choices_table(group: str) -> Iterator[str]:
    """Write the choices of a group, with the comments that their files begin with."""
    yield from (f"| `{group}=` | |", "|---|---|")
    for path in sorted((CONFIGS / group).glob("*.yaml")):
        yield f"| `{path.stem}` | {_escaped(' '.join(first_comment(path)))} |"
    yield ""


def first_comment(path: Path) -> Iterator[str]:
    """Return the lines of comment that a YAML file begins with, after `# @package`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        if not line.startswith("# @"):
            yield line[2:]


def settings_page() -> str:
    """Write all commands and groups as Markdown."""
    lines = ["## Commands", ""]
    for name, settings in COMMANDS.items():
        said = _first_paragraph(settings).split(": ", 1)[-1]
        lines += [f"### `sfbptt {name}`", "", said[:1].upper() + said[1:], ""]
        if name in EXAMPLES:
            lines += ["```bash", *(f"sfbptt {example}" for example in EXAMPLES[name]), "```", ""]
        lines += table(rows(settings, "", set()))
    lines += ["## Parts of a run", ""]
    for section in _SECTIONS:
        lines += [f"### `{section.group}`", "", _first_paragraph(section), ""]
        lines += table(rows(section, f"{section.group}.", set()))
    lines += ["## Config groups", ""]
    for name, classes in GROUPS.items():
        lines += group_page(name, classes)
    return "\n".join(lines)


def presets_page() -> str:
    """Write the presets."""
    return "\n".join(choices_table("experiment"))


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    for marker, page in (("settings", settings_page), ("presets", presets_page)):
        if f"<!-- {marker} -->" in source[0]:
            source[0] = source[0].replace(f"<!-- {marker} -->", page())


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill the markers as pages are read."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
