"""Settings as dataclasses: each field holds its default and what is accepted, checked at once.

    @dataclass
    class OptimizerSettings(Settings):
        group: ClassVar[str] = "optimizer"
        clip_norm: float | None = number(1.0, above=0)  # of the gradient; null: not clipped

OmegaConf refuses unknown keys and wrong types before that. null means that something is not used,
the word auto that the value follows from the other settings or the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from sfbptt_cli.common.checks import one_of, require

# A check takes the name of a setting and its value.
_CHECK = "check"
WORDS = "words"  # the only ones that a setting may be


@dataclass
class Settings:
    """Base of all settings; RequestError, when made, for a value that is not accepted."""

    group: ClassVar[str] = ""  # the config group, empty for the settings of a command

    def __post_init__(self) -> None:
        for setting in fields(self):
            check: Callable[[str, Any], None] | None = setting.metadata.get(_CHECK)
            value = getattr(self, setting.name)
            # null is OmegaConf's to refuse where a field has a type.
            needed = setting.type == "Any" and setting.default is not None
            if check is not None and (value is not None or needed):
                check(self.full_name(setting.name), value)

    @classmethod
    def full_name(cls, name: str) -> str:
        """Return the name of a setting on the command line."""
        return f"{cls.group}.{name}" if cls.group else name

    def require_unused(self, circumstance: str, *names: str) -> None:
        """Raise RequestError for settings that would be ignored, unless at their defaults."""
        usual = {setting.name: setting for setting in fields(self)}
        for name in names:
            value, default = getattr(self, name), usual[name].default
            if default is MISSING:
                default = usual[name].default_factory()  # type: ignore[misc]
            shown = "null" if default is None else default
            require(value == default, self.full_name(name), value, f"{shown} where {circumstance}")


def checked(default: Any, check: Callable[[str, Any], None], words: tuple[str, ...] = ()) -> Any:
    """Make a setting with a check of its own; `words` are all it may be."""
    metadata = {_CHECK: check, WORDS: words}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def word(default: str, *accepted: str) -> Any:
    """Make a setting that is one of some words, the default among them."""
    words = (default, *accepted)
    return checked(default, lambda name, value: one_of(name, value, words), words)


def whole(default: Any, at_least: int, at_most: float = math.inf, *words: str) -> Any:
    """Make a setting that is a whole number within bounds, or one of the words."""
    named = "".join(f", or {w}" for w in words)

    def check(name: str, value: Any) -> None:
        if isinstance(value, str) and value in words:
            return
        right = type(value) is int and value >= at_least
        require(right, name, _shown(value), f"a whole number of at least {at_least}{named}")
        require(float(value) <= at_most, name, value, f"a number of at most {at_most:,.0f}{named}")

    return checked(default, check)


def number(
    default: Any,
    *words: str,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
) -> Any:
    """Make a setting that is a finite number within bounds, or one of the words."""
    accepted = _interval(above, at_least, below, at_most) + "".join(f", or {w}" for w in words)

    def check(name: str, value: Any) -> None:
        if value in words:
            return
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
        right = right and math.isfinite(value)
        right = right and above < value < below and at_least <= value <= at_most
        require(right, name, _shown(value), accepted)

    return checked(default, check)


def _shown(value: Any) -> Any:
    """Return a value as YAML has it."""
    if value is None:
        return "null"
    return f"'{value}'" if isinstance(value, str) else value


def _interval(above: float, at_least: float, below: float, at_most: float) -> str:
    """Describe an interval in words."""
    if above == 0 and below == 1:
        return "a number between 0 and 1"
    if at_least > -math.inf and at_most < math.inf:
        return f"a number from {at_least:g} to {at_most:,g}"
    low = f"above {above:g}" if above > -math.inf else ""
    if at_least > -math.inf:
        low = f"from {at_least:g}" if below < math.inf else f"of at least {at_least:g}"
    high = f"below {below:g}" if below < math.inf else ""
    high = f"at most {at_most:,g}" if at_most < math.inf else high
    kind = "a finite number" if low.startswith("of") else "a number"
    return ", ".join(part for part in (f"{kind} {low}".strip(), high) if part)
